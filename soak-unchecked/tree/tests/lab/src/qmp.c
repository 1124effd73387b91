/* qmp SOCKET JSON...   Gives commands to a QEMU one after the other over its
 * monitor socket and prints each answer. Exit status: 0 all done, 1 one was
 * refused, 2 no connection or a connection lost.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static char line[1 << 16];

/* The next line that is an answer; events are passed over. */
static int
answer_read(FILE *f)
{
    while (fgets(line, sizeof line, f)) {
        if (!strncmp(line, "{\"return\"", 9))
            return 0;
        if (!strncmp(line, "{\"error\"", 8))
            return 1;
    }
    return 2;
}

int
main(int argc, char **argv)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    FILE *f;

    if (argc < 3 || strlen(argv[1]) >= sizeof a.sun_path) {
        fprintf(stderr, "usage: qmp SOCKET JSON...\n");
        return 2;
    }
    strcpy(a.sun_path, argv[1]);
    if (s < 0 || connect(s, (struct sockaddr *)&a, sizeof a) || !(f = fdopen(s, "r")))
        return 2;
    dprintf(s, "{\"execute\":\"qmp_capabilities\"}\n");
    if (answer_read(f))
        return 2;
    for (int i = 2; i < argc; i++) {
        int rc;

        dprintf(s, "%s\n", argv[i]);
        rc = answer_read(f);
        if (rc == 2)
            return 2;
        fputs(line, stdout);
        if (rc)
            return 1;
    }
    return 0;
}
