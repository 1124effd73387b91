#include "config.h"

#include "xapid/host/resolv.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <sys/stat.h>

#include "lib/faults.h"

#define MARK "# Made by xapid, of the DNS of the management PIF; what is changed here is lost.\n"

static char *
text_of(const char *servers)
{
    g_auto(GStrv) all = g_strsplit(servers, ",", -1);
    GString *text = g_string_new(MARK);

    for (guint i = 0; all[i] && i < RESOLV_SERVERS_MAX; i++)
        if (g_hostname_is_ip_address(all[i]))
            g_string_append_printf(text, "nameserver %s\n", all[i]);
    return g_string_free(text, FALSE);
}

static bool
move(const char *from, const char *to, GError **error)
{
    if (g_rename(from, to) == 0)
        return true;
    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "%s: %s", from, g_strerror(errno));
    return false;
}

static bool
change(const char *path, const char *kept, const char *servers, const char *there, GError **error)
{
    bool is_ours = there && g_str_has_prefix(there, MARK);
    g_autofree char *text = text_of(servers);

    if (!*servers)
        return !is_ours || !g_file_test(kept, G_FILE_TEST_EXISTS) || move(kept, path, error);
    if (is_ours && g_str_equal(there, text))
        return true;
    if (there && !is_ours && !g_file_set_contents(kept, there, -1, error))
        return false;
    return g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0644, error);
}

bool
resolv_write(const char *folder, const char *servers, GError **error)
{
    g_autofree char *path = g_build_filename(folder, RESOLV_FILE, NULL);
    g_autofree char *kept = g_build_filename(folder, RESOLV_KEPT, NULL);
    g_autofree char *there = NULL;
    struct stat about;

    if (lstat(path, &about) == 0 && !S_ISREG(about.st_mode))
        return true;
    g_file_get_contents(path, &there, NULL, NULL);
    return FAULT_AROUND("host.resolv", error, change(path, kept, servers, there, error));
}
