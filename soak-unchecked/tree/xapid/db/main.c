/* xapid-db: the administrator's hand on the database of a xapid that does not run. */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/log.h"
#include "lib/settings.h"
#include "xapid/db/db.h"

static int
usage(FILE *out, int status)
{
    fprintf(out,
            "usage: xapid-db [--config FILE] fsck [DATABASE]\n"
            "       xapid-db [--config FILE] dump [DATABASE] >DUMP\n"
            "       xapid-db [--config FILE] [--dry-run] restore [DATABASE] <DUMP\n"
            "Looks after the database of a xapid that does not run.\n\n"
            "  fsck             say what is wrong with it; nothing is changed\n"
            "  dump             write it as XML\n"
            "  restore          make it what a dump says; the one before is kept beside it\n\n"
            "  --dry-run        only check that the dump could be restored\n"
            "  --config FILE    the settings that say where it is (default: %s)\n"
            "  --fault-points, --help, --version\n",
            SETTINGS_FILE);
    return status;
}

/* Root has no business in a folder that somebody else writes: become that user, who owns what is
 * made there, too. */
static bool
become_owner(const char *path)
{
    g_autofree char *directory = g_path_get_dirname(path);
    struct stat st;

    if (geteuid() != 0 || stat(directory, &st) != 0 || st.st_uid == 0)
        return true;
    if (setgroups(0, NULL) == 0 && setresgid(st.st_gid, st.st_gid, st.st_gid) == 0 &&
        setresuid(st.st_uid, st.st_uid, st.st_uid) == 0)
        return true;
    fprintf(stderr, "cannot become the owner of %s: %s\n", directory, g_strerror(errno));
    return false;
}

static char *
database_path(const char *config, GError **error)
{
    struct settings *settings = settings_load(config, error);
    char *path = settings ? g_build_filename(settings->state_dir, "xapid.db", NULL) : NULL;

    if (settings)
        settings_free(settings);
    return path;
}

int
db_failed(const GError *error)
{
    const char *const *params = api_error_params(error);
    g_autofree char *text =
        params && *params ? g_strjoinv(": ", (char **)params) : g_strdup(error->message);

    fprintf(stderr, "xapid-db: %s\n", text);
    return DB_FAILED;
}

static int
run(const char *command, const char *path, bool dry_run)
{
    if (g_str_equal(command, "restore"))
        return db_restore(path, dry_run);
    if (dry_run)
        return usage(stderr, DB_USAGE);
    if (g_str_equal(command, "fsck"))
        return db_fsck(path);
    if (g_str_equal(command, "dump"))
        return db_dump(path);
    fprintf(stderr, "xapid-db: what is %s?\n", command);
    return usage(stderr, DB_USAGE);
}

int
main(int argc, char **argv)
{
    static const struct option table[] = {
        {"config", required_argument, NULL, 'c'}, {"dry-run", no_argument, NULL, 'n'},
        {"fault-points", no_argument, NULL, 'f'}, {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},      {NULL, 0, NULL, 0}};
    g_autoptr(GError) error = NULL;
    const char *config = NULL;
    bool dry_run = false;
    int c;

    log_init("xapid-db", LOG_LEVEL_WARNING);
    while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
        switch (c) {
        case 'c':
            config = optarg;
            break;
        case 'n':
            dry_run = true;
            break;
        case 'f':
            faults_list();
            return DB_DONE;
        case 'h':
            return usage(stdout, DB_DONE);
        case 'v':
            puts("xapid-db " PACKAGE_VERSION);
            return DB_DONE;
        default:
            return usage(stderr, DB_USAGE);
        }
    }
    if (optind == argc || argc - optind > 2)
        return usage(stderr, DB_USAGE);
    g_autofree char *path = argc - optind == 2 ? g_canonicalize_filename(argv[optind + 1], NULL)
                                               : database_path(config, &error);
    if (!path || !faults_init(&error))
        return db_failed(error);
    if (!become_owner(path))
        return DB_FAILED;
    return run(argv[optind], path, dry_run);
}
