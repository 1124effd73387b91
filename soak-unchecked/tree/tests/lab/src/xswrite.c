/* In the lab's guest: xswrite PATH VALUE...  writes keys of its own domain into xenstore, as an
 * agent does; PATH is below /local/domain/N.  Status 0 when xenstored took all of them. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { XS_WRITE = 11 };
struct message {
    uint32_t type, id, transaction, length;
    char body[4096];
};
enum { HEAD = 16 };

static int
whole(int fd, char *at, size_t left)
{
    while (left) {
        ssize_t n = read(fd, at, left);
        if (n <= 0)
            return 0;
        at += n;
        left -= n;
    }
    return 1;
}

static int
put(int fd, const char *path, const char *value)
{
    struct message m = {.type = XS_WRITE};
    size_t name = strlen(path) + 1, size = strlen(value);

    if (name + size > sizeof m.body)
        return 0;
    memcpy(m.body, path, name);
    memcpy(m.body + name, value, size);
    m.length = name + size;
    return write(fd, &m, HEAD + m.length) == (ssize_t)(HEAD + m.length) &&
           whole(fd, (char *)&m, HEAD) && m.length <= sizeof m.body &&
           whole(fd, m.body, m.length) && m.type == XS_WRITE;
}

int
main(int argc, char **argv)
{
    int fd = open("/dev/xen/xenbus", O_RDWR), failed = fd < 0;

    for (int i = 1; !failed && i + 1 < argc; i += 2)
        if (!put(fd, argv[i], argv[i + 1])) {
            printf("XSWRITE %s refused\n", argv[i]);
            failed = 1;
        }
    printf("XSWRITE %s\n", failed ? "failed" : "done");
    return failed;
}
