/* Loads Linux from the first IDE disk by DMA, since what the BIOS reads a word at a time takes
 * minutes where all is emulated. The disk: the number of the initramfs's sectors as text in sector
 * 16, the kernel's command line in 17, a bzImage at sector 2048, the initramfs at 32768. */
#include <stddef.h>
#include <stdint.h>

#define NUMBER_SECTOR 16
#define KERNEL_SECTOR 2048
#define INITRD_SECTOR 32768
#define PARAMS ((uint8_t *)0x10000)  /* Linux's boot_params */
#define NUMBER ((char *)0x20000)     /* loaded addresses are multiples of 64 KiB, as PRDs want */
#define IMAGE ((uint8_t *)0x6000000) /* the bzImage; beyond what the kernel unpacks itself to */
#define KERNEL ((uint8_t *)0x1000000)
#define INITRD ((uint8_t *)0x7000000)
#define AT_ONCE 256 /* sectors of a command: two PRDs */

extern uint8_t e820_map[];
extern uint32_t e820_entries;

static struct prd {
    uint32_t address;
    uint16_t bytes, last;
} prds[2] __attribute__((aligned(8)));
static uint16_t bus_master;

static inline void
outb(uint16_t port, uint8_t v)
{
    __asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port));
}
static inline void
outl(uint16_t port, uint32_t v)
{
    __asm__ volatile("outl %0, %1" ::"a"(v), "Nd"(port));
}
static inline uint8_t
inb(uint16_t port)
{
    uint8_t v;
    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline uint32_t
inl(uint16_t port)
{
    uint32_t v;
    __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

void *
memcpy(void *to, const void *from, size_t n)
{
    void *at = to;

    __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(n)::"memory");
    return to;
}

/* The PIIX3's IDE function is 00:01.1 of both machines that Xen's QEMU makes. */
static void
find_bus_master(void)
{
    const uint32_t function = 0x80000000u | 1 << 11 | 1 << 8;

    outl(0xcf8, function | 0x20);
    bus_master = inl(0xcfc) & 0xfff0;
    outl(0xcf8, function | 4);
    outl(0xcfc, (inl(0xcfc) & 0xffff) | 5);
}

static void
read_some(uint32_t sector, uint8_t *to, uint32_t sectors)
{
    uint32_t bytes = sectors * 512;

    prds[0] =
        (struct prd){(uint32_t)to, bytes < 0x10000 ? bytes : 0, bytes <= 0x10000 ? 0x8000 : 0};
    prds[1] = (struct prd){(uint32_t)to + 0x10000, bytes - 0x10000, 0x8000};
    outb(bus_master, 0);
    outl(bus_master + 4, (uint32_t)prds);
    outb(bus_master + 2, 6);
    outb(0x1f6, 0xe0 | sector >> 24);
    outb(0x1f2, sectors);
    outb(0x1f3, sector);
    outb(0x1f4, sector >> 8);
    outb(0x1f5, sector >> 16);
    outb(0x1f7, 0xc8); /* READ DMA */
    outb(bus_master, 9);
    while ((inb(bus_master + 2) & 5) == 1)
        ;
    outb(bus_master, 0);
    (void)inb(0x1f7);
}

static void
read_sectors(uint32_t sector, uint8_t *to, uint32_t sectors)
{
    for (; sectors > AT_ONCE; sectors -= AT_ONCE, sector += AT_ONCE, to += AT_ONCE * 512)
        read_some(sector, to, AT_ONCE);
    read_some(sector, to, sectors);
}

void
load(void)
{
    uint32_t setup, size, initrd = 0;

    find_bus_master();
    read_sectors(NUMBER_SECTOR, (uint8_t *)NUMBER, 8);
    for (const char *p = NUMBER; *p >= '0' && *p <= '9'; p++)
        initrd = initrd * 10 + *p - '0';
    read_sectors(KERNEL_SECTOR, IMAGE, 64);
    setup = (IMAGE[0x1f1] + 1) * 512;
    size = setup + *(uint32_t *)(IMAGE + 0x1f4) * 16;
    read_sectors(KERNEL_SECTOR, IMAGE, (size + 511) / 512);
    read_sectors(INITRD_SECTOR, INITRD, initrd);
    for (int i = 0; i < 4096; i++)
        PARAMS[i] = 0;
    memcpy(PARAMS + 0x1f1, IMAGE + 0x1f1, 0x202 - 0x1f1 + IMAGE[0x201]); /* the setup header */
    memcpy(PARAMS + 0x2d0, e820_map, 20 * e820_entries);
    PARAMS[0x1e8] = e820_entries;
    PARAMS[0x210] = 0xff; /* a loader without a number */
    *(uint32_t *)(PARAMS + 0x214) = (uint32_t)KERNEL;
    *(uint32_t *)(PARAMS + 0x218) = (uint32_t)INITRD;
    *(uint32_t *)(PARAMS + 0x21c) = initrd * 512;
    *(uint32_t *)(PARAMS + 0x228) = (uint32_t)NUMBER + 512;
    memcpy(KERNEL, IMAGE + setup, size - setup);
    __asm__ volatile(
        "xorl %%ebx, %%ebx; xorl %%edi, %%edi; xorl %%ebp, %%ebp; jmp *%0" ::"a"(KERNEL),
        "S"(PARAMS));
}
