/* reseed   Takes random bytes from stdin and makes the kernel's generator start
 * over with them. Every host restored from one snapshot would otherwise draw
 * the same keys and uuids.
 */
#include <fcntl.h>
#include <linux/random.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

int
main(void)
{
    struct {
        struct rand_pool_info head;
        char bytes[64];
    } in = {.head = {.entropy_count = 64 * 8, .buf_size = 64}};
    int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);

    if (fd < 0 || read(0, in.bytes, sizeof in.bytes) != sizeof in.bytes ||
        ioctl(fd, RNDADDENTROPY, &in) || ioctl(fd, RNDRESEEDCRNG)) {
        perror("reseed");
        return 1;
    }
    return 0;
}
