/* xs-guestd: makes sense of what guests wrote into xenstore, and is nothing else.  It is started by
 * xapid-domains, gives up all that it could do harm with, and turns packets of keys on descriptor 3
 * into packets of records on descriptor 4 (xapid/domains/message.h).  It keeps nothing between two
 * packets. */
#include "config.h"

#include <stdlib.h>
#include <sys/syscall.h>

#include "lib/confine.h"
#include "lib/helper.h"
#include "lib/log.h"
#include "xapid/domains/message.h"
#include "xenstore-helpers/guest-parse.h"

#define USER "xs-guestd"
#define KEYS_FD 3
#define RECORDS_FD 4
#define MEMORY (64 * 1024 * 1024) /* bytes of address space */

/* The loop, with send () being sendto (). */
static const int calls[] = {SYS_recvmsg, SYS_sendto, -1};

static bool
serve_one(GError **error)
{
    g_autoptr(GVariant) message = message_receive(KEYS_FD, MESSAGE_GUEST_KEYS, error);
    g_autoptr(GVariant) keys = NULL;
    const char *uuid;
    gint32 domid;

    if (!message)
        return false;
    g_variant_get(message, "(&si@a(ayay))", &uuid, &domid, &keys);
    return message_send(RECORDS_FD, g_variant_new("(si@a{sv})", uuid, domid, guest_parse(keys)),
                        error);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    int status;

    if (!helper_begin("xs-guestd", argc, argv, &status))
        return status;
    if (!confine(USER, RECORDS_FD + 1, 0, MEMORY, calls, &error)) {
        log_error("%s", error->message);
        return EXIT_FAILURE;
    }
    while (serve_one(&error))
        ;
    if (error)
        log_error("%s", error->message);
    return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
