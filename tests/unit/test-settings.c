/* lib/settings: defaults, every kind of value, and errors that name file, group and key. */
#include "config.h"

#include "lib/settings.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

static struct settings *
parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    struct settings *settings = settings_parse("test.conf", text, &error);

    g_assert_no_error(error);
    g_assert_nonnull(settings);
    return settings;
}

static void
assert_refused(const char *text, const char *group, const char *key)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(settings_parse("test.conf", text, &error));
    g_assert_nonnull(error);
    g_assert_nonnull(strstr(error->message, "test.conf"));
    g_assert_nonnull(strstr(error->message, group));
    if (key)
        g_assert_nonnull(strstr(error->message, key));
}

static void
assert_defaults(const struct settings *settings)
{
    g_assert_cmpstr(settings->address, ==, "");
    g_assert_cmpuint(settings->http_port, ==, 80);
    g_assert_cmpuint(settings->https_port, ==, 443);
    g_assert_cmpuint(g_strv_length(settings->listen), ==, 2);
    g_assert_cmpstr(settings->listen[0], ==, "0.0.0.0");
    g_assert_cmpstr(settings->listen[1], ==, "::");
    g_assert_cmpstr(settings->unix_socket, ==, "/var/lib/xcp/xapi");
    g_assert_cmpstr(settings->guest_kernels, ==, "/var/lib/xcp/guest");
    g_assert_cmpstr(settings->user, ==, "xapid");
    g_assert_cmpint(settings->log_level, ==, LOG_LEVEL_INFO);
    g_assert_cmpstr(settings->pam_service, ==, "xapid");
    g_assert_cmpuint(settings->limits.max_connections, ==, 20000);
    g_assert_cmpuint(settings->limits.max_body, ==, 16 * 1024 * 1024);
    g_assert_cmpuint(settings->limits.session_idle_seconds, ==, 86400);
    g_assert_cmpstr(settings->sim_dir, ==, "");
}

static void
test_defaults(void)
{
    struct settings *settings = parse("");

    assert_defaults(settings);
    settings_free(settings);
}

static void
test_values(void)
{
    struct settings *settings = parse("# a comment\n"
                                      "[xapid]\n"
                                      "address = 192.0.2.7\n"
                                      "http_port=0\n"
                                      "listen = 127.0.0.1; ::1;\n"
                                      "log_level=debug\n"
                                      "network_backend=openvswitch\n"
                                      "user=www-data\n"
                                      "[limits]\n"
                                      "max_body=300K\n"
                                      "max_bodies_total=2G\n"
                                      "max_tasks=100\n"
                                      "[sim]\n"
                                      "dir=/tmp/a b\n");

    g_assert_cmpstr(settings->address, ==, "192.0.2.7");
    g_assert_cmpuint(settings->http_port, ==, 0);
    g_assert_cmpuint(g_strv_length(settings->listen), ==, 2);
    g_assert_cmpstr(settings->listen[1], ==, "::1");
    g_assert_cmpint(settings->log_level, ==, LOG_LEVEL_DEBUG);
    g_assert_cmpstr(settings->network_backend, ==, NETWORK_BACKEND_OVS);
    g_assert_cmpstr(settings->user, ==, "www-data");
    g_assert_cmpuint(settings->limits.max_body, ==, 300 * 1024);
    g_assert_cmpuint(settings->limits.max_bodies_total, ==, 2147483648u);
    g_assert_cmpuint(settings->limits.max_tasks, ==, 100);
    g_assert_cmpstr(settings->sim_dir, ==, "/tmp/a b");
    settings_free(settings);
}

static void
test_bad(void)
{
    static const struct {
        const char *text, *group, *key;
    } bad[] = {
        {"[xapid]\nhttp_prot=80\n", "[xapid]", "http_prot"},
        {"[xapidd]\nhttp_port=80\n", "[xapidd]", NULL},
        {"[xapid]\nmax_tasks=100\n", "[xapid]", "max_tasks"}, /* of another group */
        {"[xapid]\nhttp_port=65536\n", "[xapid]", "http_port"},
        {"[xapid]\nhttp_port=-1\n", "[xapid]", "http_port"},
        {"[xapid]\nhttp_port=80x\n", "[xapid]", "http_port"},
        {"[xapid]\nhttp_port=\n", "[xapid]", "http_port"},
        {"[xapid]\naddress=example.org\n", "[xapid]", "address"},
        {"[xapid]\nlisten=\n", "[xapid]", "listen"},
        {"[xapid]\nlisten=0.0.0.0;;::\n", "[xapid]", "listen"},
        {"[xapid]\nlisten=0.0.0.0:80\n", "[xapid]", "listen"},
        {"[xapid]\nstate_dir=var/lib\n", "[xapid]", "state_dir"},
        {"[xapid]\nstate_dir=\n", "[xapid]", "state_dir"},
        {"[xapid]\nguest_kernels=/a/../b\n", "[xapid]", "guest_kernels"},
        {"[xapid]\nuser=-x\n", "[xapid]", "user"},
        {"[xapid]\nuser=a b\n", "[xapid]", "user"},
        {"[xapid]\nuser=a\xff\n", "[xapid]", "user"},
        {"[xapid]\npam_service=../x\n", "[xapid]", "pam_service"},
        {"[xapid]\nlog_level=loud\n", "[xapid]", "log_level"},
        {"[xapid]\nnetwork_backend=vswitch\n", "[xapid]", "network_backend"},
        {"[limits]\nmax_body=1K\n", "[limits]", "max_body"},
        {"[limits]\nmax_body=99G\n", "[limits]", "max_body"},
        {"[limits]\nmax_body=18446744073709551617\n", "[limits]", "max_body"},
        {"[limits]\nmax_body=M\n", "[limits]", "max_body"},
        {"[limits]\nmax_tasks=100K\n", "[limits]", "max_tasks"},
        {"[sim]\ndir=here\n", "[sim]", "dir"},
    };
    g_autofree char *long_socket = NULL, *name = g_strnfill(110, 'x');

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
        assert_refused(bad[i].text, bad[i].group, bad[i].key);
    long_socket = g_strdup_printf("[xapid]\nunix_socket=/%s\n", name);
    assert_refused(long_socket, "[xapid]", "unix_socket");
    assert_refused("no group\n", "", NULL);
}

static void
test_files(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *dir = g_dir_make_tmp("settings-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "x.conf", NULL);
    struct settings *settings;

    /* A file that was asked for must be there. */
    g_assert_null(settings_load(path, &error));
    g_assert_nonnull(strstr(error->message, path));
    g_clear_error(&error);

    g_assert_true(g_file_set_contents(path, "[xapid]\nhttps_port=8443\n", -1, NULL));
    settings = settings_load(path, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(settings->https_port, ==, 8443);
    settings_free(settings);

    g_assert_true(g_file_set_contents(path, "[xapid]\n\0x", 10, NULL));
    g_assert_null(settings_load(path, &error));
    g_assert_nonnull(strstr(error->message, path));
    g_remove(path);
    g_rmdir(dir);
}

static void
find_in_sample(const char *group, const char *key, const char *value, void *data)
{
    /* The sample is written for --localstatedir=/var. */
    const char *shown = g_str_equal(key, "state_dir") ? "/var/lib/xapid" : value;
    g_autofree char *line = g_strdup_printf("\n#%s=%s\n", key, shown);
    g_autofree char *heading = g_strdup_printf("\n[%s]\n", group);
    const char *at = strstr(data, heading);
    const char *end = at ? strstr(at + 1, "\n[") : NULL;
    const char *found = at ? strstr(at, line) : NULL;

    if (!found || (end && found > end))
        g_error("docs/xapid.conf.sample does not document [%s] %s=%s", group, key, value);
}

/* The sample documents every key with its default, in its group, and nothing else. */
static void
test_sample(void)
{
    g_autofree char *path = g_build_filename(TEST_DOCS, "xapid.conf.sample", NULL);
    g_autofree char *text = NULL;
    g_autoptr(GString) all = g_string_new(NULL);
    g_auto(GStrv) lines = NULL;
    struct settings *settings;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    settings_foreach_key(find_in_sample, text);
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++)
        if (g_regex_match_simple("^#?[a-z_]+=|^\\[", *line, 0, 0))
            g_string_append_printf(all, "%s\n", **line == '#' ? *line + 1 : *line);
    settings = parse(all->str);
    assert_defaults(settings);
    settings_free(settings);
}

static void
test_address(void)
{
    struct settings *settings = parse("[xapid]\naddress=192.0.2.7\n");
    g_autofree char *given = settings_address(settings), *found = NULL;
    g_autoptr(GInetAddress) address = NULL;

    g_assert_cmpstr(given, ==, "192.0.2.7");
    settings_free(settings);
    settings = parse("");
    found = settings_address(settings);
    address = g_inet_address_new_from_string(found);
    g_assert_nonnull(address);
    settings_free(settings);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/settings/defaults", test_defaults);
    g_test_add_func("/settings/values", test_values);
    g_test_add_func("/settings/bad", test_bad);
    g_test_add_func("/settings/files", test_files);
    g_test_add_func("/settings/sample", test_sample);
    g_test_add_func("/settings/address", test_address);
    return g_test_run();
}
