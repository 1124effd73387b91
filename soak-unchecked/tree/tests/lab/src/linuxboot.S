# The boot sector of a disk with a Linux on it: loads the rest of the loader (linuxboot.c), asks the
# BIOS for the memory map, and goes on in 32 bits. The sectors: 0 this, 1-15 the rest.
	.code16
	.section .start, "ax"
	.globl start
start:
	cli
	cld
	ljmp $0, $1f
1:	xorw %ax, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movl $0x7c00, %esp
	movw $packet, %si
	movb $0x42, %ah			# read by LBA; dl is the BIOS's drive
	int $0x13
	jc dead
	movw $e820_map, %di
	movl $0, e820_entries
	xorl %ebx, %ebx
2:	movl $0xe820, %eax
	movl $20, %ecx
	movl $0x534d4150, %edx
	int $0x15
	jc 3f
	incl e820_entries
	addw $20, %di
	testl %ebx, %ebx
	jnz 2b
3:	inb $0x92, %al			# A20
	orb $2, %al
	andb $0xfe, %al
	outb %al, $0x92
	lgdt gdt_pointer
	movl %cr0, %eax
	orb $1, %al
	movl %eax, %cr0
	ljmpl $0x10, $4f
dead:	hlt
	jmp dead
	.code32
4:	movw $0x18, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	jmp load

	.balign 4
packet:	.byte 16, 0
	.word 15, 0x7e00, 0
	.quad 1
	.balign 8
gdt:	.quad 0, 0
	.quad 0x00cf9a000000ffff	# as Linux wants them: 0x10 code, 0x18 data
	.quad 0x00cf92000000ffff
gdt_pointer:
	.word . - gdt - 1
	.long gdt
	.org 510
	.word 0xaa55
	.globl e820_map, e820_entries
	.comm e820_entries, 4
	.comm e820_map, 20 * 64
