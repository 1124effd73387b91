/* top: a table of the VMs that run, again and again. */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "xtool/print.h"
#include "xtool/xl-verbs.h"

#define DELAY_SECONDS 3.0
#define DELAY_MIN 0.1
#define DELAY_MAX 86400.0
#define KIB 1024
#define MIB (1024.0 * KIB)
#define NOTHING "-"           /* where the server tells nothing */
#define CLEAR "\033[H\033[2J" /* what every terminal takes: home, and clear */
#define LINES_ABOVE 4         /* of the table's first row, and the one below its last */
#define KEY_LEAVE 'q'

static gint64
number_of(const struct object *object, const char *field)
{
    gint64 number = 0;

    if (object)
        g_variant_lookup(object->record, field, "x", &number);
    return number;
}

/* The object that a field refers to, NULL when there is none. */
static bool
behind(struct xtool *x, const struct object *object, const char *field, const char *cls,
       const struct object **ret, GError **error)
{
    return objects_get(x->objects, dm_class_find(cls, false), object_string(object, field), true,
                       ret, error);
}

/* Of all CPUs of a VM together, as far as the server tells; 100 is one CPU of the host. */
static char *
utilisation(const struct object *metrics)
{
    g_autoptr(GVariant) each =
        metrics ? object_value(metrics, dm_field_find(metrics->cls, "VCPUs_utilisation")) : NULL;
    double sum = 0, one;

    if (!each || g_variant_n_children(each) == 0)
        return g_strdup(NOTHING);
    for (gsize i = 0; i < g_variant_n_children(each); i++) {
        g_variant_get_child(each, i, "{xd}", NULL, &one);
        sum += one;
    }
    return g_strdup_printf("%.1f", sum * 100);
}

/* ---- one table ---- */

static GPtrArray *
running(struct xtool *x, GError **error)
{
    GPtrArray *vms = objects_all(x->objects, dm_class_find("VM", false), error);

    for (unsigned i = vms ? vms->len : 0; i-- > 0;)
        if (number_of(vms->pdata[i], "domid") < 0 ||
            g_str_equal(object_string(vms->pdata[i], "power_state"), "Halted") ||
            g_str_equal(object_string(vms->pdata[i], "power_state"), "Suspended"))
            g_ptr_array_remove_index(vms, i);
    return vms;
}

static bool
add_row(struct xtool *x, GPtrArray *cells, const struct object *vm, gint64 total, GError **error)
{
    const struct object *metrics;

    if (!behind(x, vm, "metrics", "VM_metrics", &metrics, error))
        return false;
    gint64 memory = number_of(metrics, "memory_actual");
    g_ptr_array_add(cells, g_strdup(object_string(vm, "name_label")));
    g_ptr_array_add(cells, g_strdup_printf("%" G_GINT64_FORMAT, number_of(vm, "domid")));
    g_ptr_array_add(cells, g_ascii_strdown(object_string(vm, "power_state"), -1));
    g_ptr_array_add(cells, utilisation(metrics));
    g_ptr_array_add(cells, g_strdup_printf("%" G_GINT64_FORMAT, memory / KIB));
    g_ptr_array_add(cells, total ? g_strdup_printf("%.1f", 100.0 * (double)memory / (double)total)
                                 : g_strdup(NOTHING));
    g_ptr_array_add(cells,
                    g_strdup_printf("%" G_GINT64_FORMAT, number_of(vm, "memory_static_max") / KIB));
    g_ptr_array_add(cells,
                    g_strdup_printf("%" G_GINT64_FORMAT, number_of(metrics, "VCPUs_number")));
    return true;
}

/* Memory of all hosts. */
static bool
host_memory(struct xtool *x, gint64 *ret_total, gint64 *ret_free, GError **error)
{
    g_autoptr(GPtrArray) hosts = objects_all(x->objects, dm_class_find("host", false), error);

    *ret_total = *ret_free = 0;
    for (unsigned i = 0; hosts && i < hosts->len; i++) {
        const struct object *metrics;
        if (!behind(x, hosts->pdata[i], "metrics", "host_metrics", &metrics, error))
            return false;
        *ret_total += number_of(metrics, "memory_total");
        *ret_free += number_of(metrics, "memory_free");
    }
    return hosts;
}

/* rows_max: as many as the terminal shows. */
static bool
show(struct xtool *x, bool clear, unsigned rows_max, GError **error)
{
    static const char *const titles[] = {"NAME",   "ID",     "STATE",     "CPU(%)",
                                         "MEM(k)", "MEM(%)", "MAXMEM(k)", "VCPUS"};
    static const char *const changing[] = {"VM", "VM_metrics", "host_metrics"};
    g_autoptr(GPtrArray) cells = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *time = g_date_time_format(now, "%H:%M:%S");
    gint64 total, left;
    unsigned paused = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(changing); i++)
        objects_forget(x->objects, dm_class_find(changing[i], false));
    if (!host_memory(x, &total, &left, error))
        return false;
    g_autoptr(GPtrArray) vms = running(x, error);
    if (!vms)
        return false;
    for (unsigned i = 0; i < vms->len; i++) {
        paused += g_str_equal(object_string(vms->pdata[i], "power_state"), "Paused");
        if (i < rows_max && !add_row(x, cells, vms->pdata[i], total, error))
            return false;
    }
    fprintf(x->out, "%s%s  %u running, %u paused. Memory: %.0fM, %.0fM free.\n\n",
            clear ? CLEAR : "", time, vms->len - paused, paused, (double)total / MIB,
            (double)left / MIB);
    print_table(x->out, titles, G_N_ELEMENTS(titles), (const char *const *)cells->pdata,
                cells->len / G_N_ELEMENTS(titles));
    if (!clear)
        fputc('\n', x->out);
    return true;
}

/* ---- the terminal ---- */

static unsigned
rows_of_terminal(void)
{
    struct winsize size;

    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > LINES_ABOVE;
    return known ? size.ws_row - (unsigned)LINES_ABOVE : G_MAXUINT;
}

/* True when the user wants to leave.  The terminal gives single keys only meanwhile: whatever ends
 * us at another time leaves it as it was. */
static bool
wait_for_key(struct xtool *x, double seconds)
{
    gint64 end = g_get_monotonic_time() + (gint64)(seconds * G_USEC_PER_SEC), left;
    struct pollfd keys = {.fd = isatty(STDIN_FILENO) ? STDIN_FILENO : -1, .events = POLLIN};
    struct termios before, single;
    bool leave = false;

    if (keys.fd >= 0 && tcgetattr(keys.fd, &before) == 0) {
        single = before;
        single.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        tcsetattr(keys.fd, TCSANOW, &single);
    } else {
        keys.fd = -1;
    }
    while (!leave && !server_interrupted(x->server) && (left = end - g_get_monotonic_time()) > 0) {
        char key = 0;
        if (poll(&keys, 1, (int)(left / 1000) + 1) == 1 && read(keys.fd, &key, 1) != 1)
            leave = true; /* the terminal is gone */
        leave |= key == KEY_LEAVE;
    }
    if (keys.fd >= 0)
        tcsetattr(keys.fd, TCSANOW, &before);
    return leave || server_interrupted(x->server);
}

bool
xl_top(struct xtool *x, GError **error)
{
    const char *delay = args_get(x->args, "delay"), *times = args_get(x->args, "iterations");
    double seconds = DELAY_SECONDS;
    guint64 n = G_MAXUINT64;
    char *end = NULL;
    bool batch;

    if (!args_flag(x->args, "batch", &batch, error) || !xtool_check_unused(x, error))
        return false;
    if (delay)
        seconds = g_ascii_strtod(delay, &end);
    if (delay && (end == delay || *end || !(seconds >= DELAY_MIN && seconds <= DELAY_MAX))) {
        usage_set(error, "A delay is a number of seconds, not '%s'.", delay);
        return false;
    }
    if (times && !g_ascii_string_to_unsigned(times, 10, 1, G_MAXUINT32, &n, NULL)) {
        usage_set(error, "-i takes how many times, not '%s'.", times);
        return false;
    }
    x->progress = false; /* the table has the terminal */
    if (!xtool_connect(x, false, error))
        return false;
    bool screen = !batch && isatty(STDOUT_FILENO);
    for (guint64 i = 0; i < n; i++) {
        if (i && wait_for_key(x, seconds))
            break;
        if (!show(x, screen, screen ? rows_of_terminal() : G_MAXUINT, error))
            return false;
        if (fflush(x->out) == 0)
            continue;
        if (errno == EPIPE)
            break; /* the reader has seen enough */
        g_set_error(error, FAILED_ERROR, 0, "Standard output: %s.", g_strerror(errno));
        return false;
    }
    return true;
}
