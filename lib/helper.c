#include "config.h"

#include "lib/helper.h"

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/log.h"

char *
helper_path(const char *program)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *dir = self ? g_path_get_dirname(self) : g_strdup(XAPID_LIBEXECDIR);

    return g_build_filename(dir, program, NULL);
}

bool
helper_begin(const char *program, int argc, char **argv, int *ret_status)
{
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("%s %s\n", program, PACKAGE_VERSION);
        *ret_status = EXIT_SUCCESS;
        return false;
    }
    log_init(program, LOG_LEVEL_INFO);
    /* Its times are UTC; the C library looks for a file about that now, and not with each line. */
    setenv("TZ", "UTC0", 1);
    tzset();
    if (argc == 1)
        return true;
    log_error("it takes no arguments; xapid-domains starts it");
    *ret_status = EXIT_FAILURE;
    return false;
}
