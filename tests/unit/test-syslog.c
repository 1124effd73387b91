/* Where a host's log may go, and the file that has rsyslog send it there. */
#include "config.h"

#include "lib/log-destination.h"
#include "tests/unit/remove-tree.h"
#include "xapid/host/syslog.h"

static void
test_destinations(void)
{
    static const struct {
        const char *text, *host;
        guint16 port;
    } cases[] = {{"log.example.com", "log.example.com", 514},
                 {"10.0.0.5", "10.0.0.5", 514},
                 {"10.0.0.5:5514", "10.0.0.5", 5514},
                 {"fd00::5", "fd00::5", 514},
                 {"[fd00::5]:5514", "fd00::5", 5514},
                 {"n:65535", "n", 65535},
                 {"", NULL, 0},
                 {"-n", NULL, 0},
                 {"n:0", NULL, 0},
                 {"n:65536", NULL, 0},
                 {"n:", NULL, 0},
                 {"a b", NULL, 0},
                 {"n\")\n*.* /etc/passwd", NULL, 0},
                 {"n\" template=\"x", NULL, 0},
                 {"[n", NULL, 0},
                 {"../n", NULL, 0},
                 {"n;id", NULL, 0},
                 {"$(id)", NULL, 0}};

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *host = NULL;
        guint16 port = 0;
        bool ok = log_destination_parse(cases[i].text, &host, &port);
        g_test_message("%s", cases[i].text);
        g_assert_true(ok == (cases[i].host != NULL));
        g_assert_cmpstr(host, ==, cases[i].host);
        g_assert_cmpint(port, ==, cases[i].port);
    }
    g_autofree char *longest = g_strnfill(254, 'n');
    g_assert_false(log_destination_parse(longest, NULL, NULL));
    longest[253] = '\0';
    g_assert_true(log_destination_parse(longest, NULL, NULL));
}

static char *
last_line(const char *path)
{
    g_autofree char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return NULL;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_assert_cmpint(g_strv_length(lines), ==, 3);
    g_assert_true(*lines[0] == '#' && !*lines[2]);
    return g_strdup(lines[1]);
}

static void
test_file(void)
{
    static const struct {
        const char *destination, *line;
    } cases[] = {{"", NULL},
                 {"log", "*.* action(type=\"omfwd\" target=\"log\" port=\"514\" protocol=\"udp\")"},
                 {"[fd00::5]:77",
                  "*.* action(type=\"omfwd\" target=\"fd00::5\" port=\"77\" protocol=\"udp\")"},
                 {"", NULL},
                 {"", NULL}};
    g_autofree char *dir = g_dir_make_tmp("syslog-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, SYSLOG_FILE, NULL);
    g_autoptr(GError) error = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_true(syslog_write(dir, cases[i].destination, &error));
        g_assert_no_error(error);
        g_autofree char *line = last_line(path);
        g_assert_cmpstr(line, ==, cases[i].line);
    }
    remove_tree(dir);
    g_assert_false(syslog_write(dir, "log", &error));
    g_assert_nonnull(error);
    g_clear_error(&error);
    g_assert_true(syslog_write(dir, "", &error));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/syslog/destinations", test_destinations);
    g_test_add_func("/syslog/file", test_file);
    return g_test_run();
}
