#include "config.h"

#include "lib/log-destination.h"

#include <gio/gio.h>
#include <string.h>

#define NAME_MAX_LENGTH 253

static bool
is_host(const char *name)
{
    g_autoptr(GInetAddress) address = g_inet_address_new_from_string(name);

    if (address)
        return true;
    if (!g_ascii_isalnum(*name) || strlen(name) > NAME_MAX_LENGTH)
        return false;
    for (const char *p = name; *p; p++)
        if (!g_ascii_isalnum(*p) && *p != '-' && *p != '.')
            return false;
    return true;
}

bool
log_destination_parse(const char *text, char **ret_host, guint16 *ret_port)
{
    g_autoptr(GSocketConnectable) parsed =
        g_network_address_parse(text, LOG_DESTINATION_PORT, NULL);

    if (!parsed)
        return false;
    const char *host = g_network_address_get_hostname(G_NETWORK_ADDRESS(parsed));
    guint16 port = g_network_address_get_port(G_NETWORK_ADDRESS(parsed));
    if (!is_host(host) || port == 0)
        return false;
    if (ret_host)
        *ret_host = g_strdup(host);
    if (ret_port)
        *ret_port = port;
    return true;
}
