# A boot sector for HVM guests: "HVM-BOOT" on COM1, again at each timer second.
	.code16
	.globl _start
_start:	cli
	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %ss
	mov $0x7c00, %sp
	ljmp $0, $1f + 0x7c00
1:	sti
	mov $msg + 0x7c00, %si
2:	lodsb
	test %al, %al
	jz 3f
	call put
	jmp 2b
3:	mov $18, %cx
4:	hlt
	loop 4b
	jmp 1b
put:	mov $0x3fd, %dx
	push %ax
5:	in %dx, %al
	test $0x20, %al
	jz 5b
	pop %ax
	mov $0x3f8, %dx
	out %al, %dx
	ret
msg:	.asciz "HVM-BOOT\r\n"
	.org 510
	.word 0xaa55
