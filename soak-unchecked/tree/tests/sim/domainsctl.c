/* domainsctl: starts an xapid-domains of its own and runs commands on it, one a line of standard
 * input; or talks to the guests of a simulated host without one (--sim DIR guest COMMAND...).
 *
 *     create UUID KEY=VALUE...   type, memory (MiB), vcpus, kernel, ramdisk, cmdline (rest of line)
 *     unpause|pause|destroy UUID          shutdown UUID poweroff|reboot SECONDS
 *     abort-create UUID MS KEY=VALUE...   a create that is aborted MS milliseconds later
 *     list        host-info       wait-state UUID STATE SECONDS       sleep SECONDS
 *     kill        SIGKILL for the program; the next command starts it again
 * An answer a line: "ok ..." or "error CODE ...", and the milliseconds it took. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/error.h"
#include "lib/log.h"
#include "tests/sim/domains-client.h"
#include "xapid/domains/sim-world.h"

#define LINE_LENGTH_MAX 4096

struct ctl {
    char *program, *sim, *kernels, *log_level;
    struct domains_client *client;
    int ops;
};

static bool
ensure(struct ctl *ctl, GError **error)
{
    const char *args[8] = {NULL};
    int n = 0;

    if (ctl->client)
        return true;
    if (ctl->sim) {
        args[n++] = "--sim";
        args[n++] = ctl->sim;
    }
    if (ctl->kernels) {
        args[n++] = "--kernels";
        args[n++] = ctl->kernels;
    }
    if (ctl->log_level) {
        args[n++] = "--log-level";
        args[n++] = ctl->log_level;
    }
    ctl->client = client_start(ctl->program, args, NULL, error);
    return ctl->client != NULL;
}

static GVariant *
create_args(char *text)
{
    g_autofree char *type = g_strdup("pvh"), *kernel = g_strdup("vmlinux"), *ramdisk = g_strdup(""),
                    *cmdline = g_strdup("");
    gint64 memory = 128;
    char *cmdline_at = strstr(text, "cmdline=");

    if (cmdline_at) {
        g_free(cmdline);
        cmdline = g_strdup(cmdline_at + strlen("cmdline="));
        *cmdline_at = '\0';
    }
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    for (char **word = words; *word; word++) {
        char *value = strchr(*word, '=');
        char **into;

        if (!value)
            continue;
        *value++ = '\0';
        if (g_str_equal(*word, "memory")) {
            memory = g_ascii_strtoll(value, NULL, 10);
            continue;
        }
        into = g_str_equal(*word, "type")      ? &type
               : g_str_equal(*word, "kernel")  ? &kernel
               : g_str_equal(*word, "ramdisk") ? &ramdisk
                                               : NULL;
        if (into) {
            g_free(*into);
            *into = g_strdup(value);
        }
    }
    return client_guest_args(type, kernel, ramdisk, cmdline, memory << 20);
}

static void
print_result(const char *what, GVariant *result, gint64 from_us)
{
    g_autofree char *text = result ? g_variant_print(result, FALSE) : g_strdup("");

    printf("ok %s %s (%.1f ms)\n", what, text, (double)(g_get_monotonic_time() - from_us) / 1000);
}

static bool
run_abort(struct ctl *ctl, const char *uuid, char *rest, GError **error)
{
    g_autofree char *op_id =
        g_strdup_printf("ctl-abort-%d-%" G_GINT64_FORMAT, ++ctl->ops, g_get_real_time());
    g_autoptr(GVariant) result = NULL;
    gint64 from_us = g_get_monotonic_time();
    char *keys;
    int ms = (int)strtol(rest, &keys, 10);

    if (!client_begin(ctl->client, op_id, "create", uuid, create_args(keys), error))
        return false;
    client_settle(ms);
    if (!peer_domains1_call_abort_sync(ctl->client->proxy, op_id, NULL, error) ||
        !client_wait(ctl->client, op_id, &result, error))
        return false;
    print_result("abort-create", result, from_us);
    return true;
}

static bool
run_verb(struct ctl *ctl, const char *verb, const char *uuid, char *rest, GError **error)
{
    g_autofree char *op_id =
        g_strdup_printf("ctl-%d-%" G_GINT64_FORMAT, ++ctl->ops, g_get_real_time());
    g_autoptr(GVariant) result = NULL;
    gint64 from_us = g_get_monotonic_time();
    GVariant *args = NULL;

    if (g_str_equal(verb, "create")) {
        args = create_args(rest);
    } else if (g_str_equal(verb, "shutdown")) {
        g_auto(GStrv) words = g_strsplit(rest, " ", 2);
        args = client_shutdown_args(words[0] ? words[0] : "",
                                    words[0] && words[1] ? atoi(words[1]) : 0);
    }
    if (!client_run(ctl->client, op_id, verb, uuid, args, &result, error))
        return false;
    print_result(verb, result, from_us);
    return true;
}

static bool
run_list(struct ctl *ctl, GError **error)
{
    gint64 from_us = g_get_monotonic_time();
    g_autoptr(GVariant) domains = client_list(ctl->client, "", error);
    GVariantIter iter;
    GVariant *domain;

    if (!domains)
        return false;
    g_variant_iter_init(&iter, domains);
    while ((domain = g_variant_iter_next_value(&iter))) {
        g_autofree char *text = g_variant_print(domain, FALSE);
        printf("domain %s\n", text);
        g_variant_unref(domain);
    }
    print_result("list", NULL, from_us);
    return true;
}

static bool
run_line(struct ctl *ctl, char *line, GError **error)
{
    g_auto(GStrv) words = g_strsplit(line, " ", 3);
    const char *verb = words[0] ? words[0] : "";
    const char *uuid = *verb && words[1] ? words[1] : "";
    char empty[1] = "";
    char *rest = *uuid && words[2] ? words[2] : empty;
    gint64 from_us = g_get_monotonic_time();

    if (!*verb || *verb == '#')
        return true;
    if (!ensure(ctl, error))
        return false;
    if (g_str_equal(verb, "kill")) {
        client_kill(g_steal_pointer(&ctl->client));
        print_result("kill", NULL, from_us);
        return true;
    }
    if (g_str_equal(verb, "sleep")) {
        client_settle(atoi(uuid) * 1000);
        return true;
    }
    if (g_str_equal(verb, "list"))
        return run_list(ctl, error);
    if (g_str_equal(verb, "host-info")) {
        g_autoptr(GVariant) info = NULL;

        if (!peer_domains1_call_host_info_sync(ctl->client->proxy, &info, NULL, error))
            return false;
        print_result(verb, info, from_us);
        return true;
    }
    if (g_str_equal(verb, "wait-state")) {
        g_auto(GStrv) state = g_strsplit(rest, " ", 2);

        if (!state[0] || !state[1] ||
            !client_wait_state(ctl->client, uuid, state[0], atoi(state[1]) * 1000)) {
            api_error_set(error, "INTERNAL_ERROR", "not in that state in time", NULL);
            return false;
        }
        print_result(verb, NULL, from_us);
        return true;
    }
    if (g_str_equal(verb, "abort-create"))
        return run_abort(ctl, uuid, rest, error);
    return run_verb(ctl, verb, uuid, rest, error);
}

static int
run_guest(const char *dir, char **words)
{
    g_autoptr(GError) error = NULL;
    struct world *world = world_open(dir, &error);
    g_autofree char *command = g_strjoinv(" ", words);
    bool ok;

    if (!world) {
        fprintf(stderr, "domainsctl: %s\n", error->message);
        return EXIT_FAILURE;
    }
    ok = world_command(world, command);
    world_free(world);
    if (!ok)
        fprintf(stderr, "domainsctl: no such command or domain: %s\n", command);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

int
main(int argc, char **argv)
{
    struct ctl ctl = {0};
    const GOptionEntry entries[] = {
        {"program", 0, 0, G_OPTION_ARG_FILENAME, &ctl.program, "xapid-domains to start", "PATH"},
        {"sim", 0, 0, G_OPTION_ARG_FILENAME, &ctl.sim, "Simulated host", "DIR"},
        {"kernels", 0, 0, G_OPTION_ARG_FILENAME, &ctl.kernels, "Guest-kernel folder", "DIR"},
        {"log-level", 0, 0, G_OPTION_ARG_STRING, &ctl.log_level, "Of the program", "LEVEL"},
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(GOptionContext) context = g_option_context_new("[guest COMMAND...]");
    g_autoptr(GError) error = NULL;
    char line[LINE_LENGTH_MAX];
    int failures = 0;

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        fprintf(stderr, "domainsctl: %s\n", error->message);
        return EXIT_FAILURE;
    }
    log_init("domainsctl", LOG_LEVEL_WARNING);
    if (argc > 2 && g_str_equal(argv[1], "guest") && ctl.sim)
        return run_guest(ctl.sim, argv + 2);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!ctl.program)
        ctl.program = g_strdup(XAPID_LIBEXECDIR "/xapid-domains");
    while (fgets(line, sizeof line, stdin)) {
        g_autoptr(GError) failure = NULL;

        g_strchomp(line);
        if (run_line(&ctl, line, &failure))
            continue;
        printf("error %s\n", failure->message);
        failures++;
    }
    if (ctl.client && !client_stop(ctl.client))
        failures++;
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
