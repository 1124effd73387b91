/* Prints "TICK n monotonic realtime" every tenth of a second (or argv[1] ms),
 * and brings up hot-added vCPUs, which Linux leaves to user space. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
    long ms = argc > 1 ? atol(argv[1]) : 100;
    struct timespec w = {ms / 1000, ms % 1000 * 1000000}, m, r;

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (unsigned long n = 1;; n++) {
        clock_gettime(CLOCK_MONOTONIC, &m);
        clock_gettime(CLOCK_REALTIME, &r);
        printf("TICK %lu %ld.%03ld %ld.%03ld\n", n, (long)m.tv_sec, m.tv_nsec / 1000000,
               (long)r.tv_sec, r.tv_nsec / 1000000);
        for (int c = 1; n % 10 == 0 && c < 8; c++) {
            char p[64];
            int fd;

            snprintf(p, sizeof p, "/sys/devices/system/cpu/cpu%d/online", c);
            if ((fd = open(p, O_RDWR)) < 0)
                continue;
            if (read(fd, p, 1) == 1 && *p == '0' && pwrite(fd, "1", 1, 0) == 1)
                printf("CPU %d online\n", c);
            close(fd);
        }
        nanosleep(&w, NULL);
    }
}
