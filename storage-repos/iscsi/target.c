/* Which target device_config means, and who we are there. */
#include "config.h"

#include "storage-repos/iscsi/iscsi.h"

#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/iscsi-name.h"

#define PORT_OTHERWISE 3260
#define PORT_MAX 65535
#define NAME_LENGTH_MAX 253 /* of a server, in bytes */

void
target_clear(struct target *target)
{
    g_free(target->iqn);
    g_free(target->portal);
    g_free(target->address);
}

/* ---- names ---- */

static bool
is_server_name(const char *name)
{
    for (const char *c = name; *c; c++)
        if (!g_ascii_isalnum(*c) && !strchr("-.:", *c))
            return false;
    return *name && *name != '-' && strlen(name) <= NAME_LENGTH_MAX;
}

static bool
check_iqn(const char *iqn, GError **error)
{
    if (iscsi_name_is_valid(iqn))
        return true;
    driver_fail(error, FAILURE_IQN, "targetIQN \"%s\" is no name of a target, or longer than %d",
                iqn, ISCSI_NAME_MAX);
    return false;
}

const char *
target_iqn(GVariant *args, GError **error)
{
    const char *iqn = driver_key(args, "targetIQN");

    if (*iqn)
        return check_iqn(iqn, error) ? iqn : NULL;
    driver_fail(error, FAILURE_CONFIG_IQN, "device_config lacks targetIQN");
    return NULL;
}

static bool
read_port(const char *text, unsigned *ret_port, GError **error)
{
    guint64 port;

    if (!*text) {
        *ret_port = PORT_OTHERWISE;
        return true;
    }
    if (!g_ascii_string_to_unsigned(text, 10, 1, PORT_MAX, &port, NULL)) {
        driver_fail(error, FAILURE_PORT, "port \"%s\" is none", text);
        return false;
    }
    *ret_port = (unsigned)port;
    return true;
}

/* As a number: the caller's; NULL with an error. */
static char *
address_of(const char *name, GError **error)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *found = NULL;
    char address[NI_MAXHOST];

    if (!is_server_name(name)) {
        driver_fail(error, FAILURE_TARGET, "target \"%s\" is no name of a server", name);
        return NULL;
    }
    int r = getaddrinfo(name, NULL, &hints, &found);
    if (r == 0)
        r = getnameinfo(found->ai_addr, found->ai_addrlen, address, sizeof address, NULL, 0,
                        NI_NUMERICHOST);
    if (found)
        freeaddrinfo(found);
    if (r == 0 && !strchr(address, '%'))
        return g_strdup(address);
    driver_fail(error, FAILURE_DNS, "target %s: %s", name,
                r ? gai_strerror(r) : "an address of one link");
    return NULL;
}

/* ---- who we are ---- */

static bool
check_word(GVariant *args, const char *name, GError **error)
{
    const char *word = driver_key(args, name);
    bool ok = strlen(word) <= CHAP_LENGTH_MAX;

    for (const char *c = word; ok && *c; c++)
        ok = g_ascii_isgraph(*c);
    if (!ok)
        driver_fail(error, FAILURE_CONFIG_INVALID,
                    "%s: up to %d letters, digits and signs, without blanks", name,
                    CHAP_LENGTH_MAX);
    return ok;
}

/* Both, or neither. */
static bool
check_pair(GVariant *args, const char *user, const char *password, GError **error)
{
    if (!check_word(args, user, error) || !check_word(args, password, error))
        return false;
    if (!*driver_key(args, user) == !*driver_key(args, password))
        return true;
    driver_fail(error, FAILURE_CONFIG_INVALID, "%s and %s go together", user, password);
    return false;
}

/* Xen Orchestra's older versions write chapUser. */
static const char *
either_key(GVariant *args, const char *name, const char *other)
{
    return *driver_key(args, name) ? name : other;
}

bool
target_read(GVariant *args, target_t *ret_target, GError **error)
{
    const char *user = either_key(args, "chapuser", "chapUser");
    const char *password = either_key(args, "chappassword", "chapPassword");
    const char *iqn = driver_key(args, "targetIQN");
    g_auto(target_t) target = {0};

    if (g_str_equal(iqn, "*"))
        iqn = "";
    if ((*iqn && !check_iqn(iqn, error)) ||
        !read_port(driver_key(args, "port"), &target.port, error) ||
        !check_pair(args, user, password, error) ||
        !check_pair(args, "incoming_chapuser", "incoming_chappassword", error) ||
        !(target.address = address_of(driver_key(args, "target"), error)))
        return false;
    target.iqn = g_strdup(iqn);
    target.portal = g_strdup_printf(strchr(target.address, ':') ? "[%s]:%u" : "%s:%u",
                                    target.address, target.port);
    target.user = driver_key(args, user);
    target.password = driver_key(args, password);
    target.in_user = driver_key(args, "incoming_chapuser");
    target.in_password = driver_key(args, "incoming_chappassword");
    *ret_target = target;
    target = (target_t){0};
    return true;
}
