/* One run: reads the arguments, finds the command, runs it, says what went wrong. */
#include "config.h"

#include "xtool/xtool.h"

#include <errno.h>
#include <locale.h>
#include <string.h>
#include <unistd.h>

#include "xtool/complete.h"
#include "xtool/coverage.h"
#include "xtool/explain.h"
#include "xtool/print.h"
#include "xtool/xl-verbs.h"
#include "xtool/xl.h"

GQuark
failed_error_quark(void)
{
    return g_quark_from_static_string("xtool-failed-error-quark");
}

bool
xtool_connect(struct xtool *x, bool local, GError **error)
{
    if (x->server)
        return true;
    x->server = server_open(x->args, local, error);
    if (!x->server)
        return false;
    x->objects = objects_new(x->server);
    if (x->progress)
        server_show_progress(x->server);
    return true;
}

bool
xtool_check_unused(struct xtool *x, GError **error)
{
    for (unsigned i = 0; i < x->args->list->len; i++) {
        const struct arg *arg = x->args->list->pdata[i];
        if (!arg->used && !args_is_standard(arg->key)) {
            usage_set(error, "Unknown argument '%s'.", arg->key);
            return false;
        }
    }
    return true;
}

/* What the environment and ~/.xe add. */
static bool
add_defaults(struct args *args, GError **error)
{
    const char *extra = g_getenv("XE_EXTRA_ARGS"), *home = g_getenv("HOME");
    g_autofree char *path = g_build_filename(home ? home : "/", ".xe", NULL);
    g_autofree char *lines = NULL;
    gsize length;

    if (extra && !args_add_extra(args, extra, error))
        return false;
    if (g_file_get_contents(path, &lines, &length, NULL) && length <= ARGS_FILE_MAX)
        args_add_lines(args, lines);
    return true;
}

/* api-coverage [--client xencenter|xo]: asks no server. */
static bool
run_coverage(struct xtool *x, GError **error)
{
    const char *client = args_get(x->args, "client");
    g_autoptr(GError) unknown = NULL;

    if (g_strcmp0(client, "true") == 0 && x->args->words->len == 1)
        client = x->args->words->pdata[0];
    else if (x->args->words->len)
        client = "";
    if (coverage_print(x->out, client, &unknown))
        return xtool_check_unused(x, error);
    usage_set(error, "usage: %s api-coverage [--client xencenter|xo]", x->name);
    return false;
}

static bool
run_command(struct xtool *x, GError **error)
{
    const struct xt_command *command;
    const struct xt_class *cls;
    enum generic_op op;

    if (!x->args->command)
        x->args->command = g_strdup("help");
    if (g_str_equal(x->args->command, "help"))
        return help_run(x, error);
    x->alias = x->as_xe ? NULL : xl_find(x->args->command);
    if (x->alias && !x->alias->as)
        return xl_verb_run(x, error);
    if (x->alias)
        xl_expand(x->args, x->alias);
    if (g_str_equal(x->args->command, "api-coverage"))
        return run_coverage(x, error);
    if (database_is_local(x->args->command))
        return database_local(x, error);
    command = command_find(x->args->command);
    if (command || generic_find(x->args->command, &cls, &op)) {
        if (x->args->words->len) {
            usage_set(error, "What is '%s'? Arguments are KEY=VALUE or --FLAG.",
                      (const char *)x->args->words->pdata[0]);
            return false;
        }
        return command ? command_run(x, command, error) : generic_run(x, cls, op, error);
    }
    g_autofree char *similar = help_similar(x, x->args->command);
    usage_set(error, "Unknown command '%s'.%s%s\n'%s help' lists them.", x->args->command,
              *similar ? " Did you mean: " : "", similar, x->name);
    return false;
}

/* --help and --version are no command of xe's; with a command --help tells about it. */
static bool
run_switch(struct xtool *x, bool version, GError **error)
{
    if (version) {
        fprintf(x->out, "xtool %s (XenAPI %d.%d)\n", PACKAGE_VERSION, dm_api_version_major,
                dm_api_version_minor);
        return true;
    }
    if (x->args->command)
        g_ptr_array_insert(x->args->words, 0, g_steal_pointer(&x->args->command));
    return help_run(x, error);
}

/* complete: the line on standard input takes the place of our arguments. */
static bool
run_completion(struct xtool *x)
{
    g_autofree char *line = g_malloc0(COMPLETE_LINE_MAX);
    const char *breaks = g_getenv("COMP_WORDBREAKS");
    size_t length = fread(line, 1, COMPLETE_LINE_MAX - 1, stdin);
    struct completion *completion = NULL;

    if (length && line[length - 1] == '\n')
        line[length - 1] = '\0';
    args_free(x->args);
    x->args = complete_parse(line, breaks ? breaks : "", &completion, NULL);
    if (x->args && add_defaults(x->args, NULL))
        complete_run(x, completion);
    completion_free(completion);
    return true;
}

static bool
run(struct xtool *x, const char *const *argv, GError **error)
{
    bool help, version;

    x->args = args_parse(argv, error);
    if (x->args && g_strcmp0(x->args->command, "complete") == 0)
        return run_completion(x);
    if (!x->args || !args_flag(x->args, "help", &help, error) ||
        !args_flag(x->args, "version", &version, error))
        return false;
    if (help || (version && !x->args->command))
        return run_switch(x, !help, error);
    if (!add_defaults(x->args, error) || !args_flag(x->args, "minimal", &x->minimal, error) ||
        !args_flag(x->args, "json", &x->json, error) ||
        !args_flag(x->args, "multiple", &x->multiple, error) ||
        !args_flag(x->args, "force", &x->force, error))
        return false;
    x->progress = !x->as_xe && !x->minimal && !x->json && isatty(STDERR_FILENO);
    return run_command(x, error);
}

/* As with xe, what the server does goes on without us: how to follow it, and how to end it. */
static void
tell_what_goes_on(struct xtool *x)
{
    const struct dm_class *task = dm_class_find("task", false);
    g_autoptr(GVariant) refs = server_tasks(x->server, NULL);

    for (gsize i = 0; refs && i < g_variant_n_children(refs); i++) {
        const struct object *object = NULL;
        const char *ref;
        g_variant_get_child(refs, i, "&s", &ref);
        if (!objects_get(x->objects, task, ref, false, &object, NULL) || !object ||
            !g_str_equal(object_string(object, "status"), "pending"))
            continue;
        const char *uuid = object_string(object, "uuid");
        g_autofree char *name = text_printable(object_string(object, "name_label"));
        fprintf(stderr,
                "%s goes on. '%s task-list uuid=%s' shows how far it is,\n"
                "'%s task-cancel uuid=%s' asks it to end.\n",
                name, x->name, uuid, x->name, uuid);
    }
}

int
xtool_main(int argc, char **argv)
{
    const char *slash = strrchr(argc ? argv[0] : "xtool", '/');
    struct xtool x = {.name = slash ? slash + 1 : argc ? argv[0] : "xtool", .out = stdout};
    g_auto(GStrv) copy = g_strdupv(argv);
    g_autoptr(GError) error = NULL;
    int status = EXIT_DONE;

    setlocale(LC_CTYPE, "");
    args_scrub(argc, argv);
    x.as_xe = g_str_equal(x.name, "xe");
    if (!run(&x, (const char *const *)(copy[0] ? copy + 1 : copy), &error)) {
        fflush(x.out);
        explain_print(&x, error);
        status = explain_exit(&x, error);
    }
    if (x.server && server_interrupted(x.server)) {
        status = x.as_xe ? EXIT_FAILED : EXIT_INTERRUPTED;
        server_resume(x.server);
        tell_what_goes_on(&x);
    }
    server_close(x.server);
    objects_free(x.objects);
    args_free(x.args);
    if (fflush(stdout) != 0 && status == EXIT_DONE) {
        status = EXIT_FAILED;
        if (errno != EPIPE) /* the reader has seen enough */
            perror("xtool: standard output");
    }
    return status;
}
