/* Reads what this host is; used by service.c. */
#include "config.h"

#include "xapid/host/facts.h"

#include "lib/text.h"
#include "xapid/host/initiator.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define FACT_FILE_MAX (4 * 1024 * 1024) /* /proc/cpuinfo of a host with thousands of processors */

/* A file of the kernel's; "" when it cannot be read.  The caller frees. */
static char *
read_file(const char *root, const char *path)
{
    g_autofree char *full = g_strconcat(root, path, NULL);
    g_autofree char *text = NULL;
    gsize length = 0;

    if (!g_file_get_contents(full, &text, &length, NULL) || length > FACT_FILE_MAX)
        return g_strdup("");
    return text_clean(text, (gssize)strlen(text));
}

static void
add_text(GVariantDict *facts, const char *key, const char *value)
{
    g_autofree char *clean = text_clean(value, -1);

    g_variant_dict_insert(facts, key, "s", g_strstrip(clean));
}

/* The value of the first line "key : value"; "" without one.  The caller frees. */
static char *
field_of(const char *text, const char *key)
{
    size_t length = strlen(key);

    for (const char *line = text; line && *line;
         line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        const char *colon, *end;

        if (strncmp(line, key, length) != 0)
            continue;
        colon = line + length + strspn(line + length, " \t");
        if (*colon != ':')
            continue;
        end = strchrnul(colon, '\n');
        return g_strstrip(g_strndup(colon + 1, (gsize)(end - colon - 1)));
    }
    return g_strdup("");
}

static gint64
number_of(const char *text, const char *key)
{
    g_autofree char *value = field_of(text, key);

    return g_ascii_strtoll(value, NULL, 10);
}

static void
add_cpu(GVariantDict *facts, const char *root)
{
    g_autofree char *text = read_file(root, "/proc/cpuinfo");
    g_autofree char *vendor = field_of(text, "vendor_id");
    g_autofree char *model_name = field_of(text, "model name");
    g_autofree char *flags = field_of(text, "flags");
    g_autofree char *mhz = field_of(text, "cpu MHz");

    add_text(facts, "cpu_vendor", vendor);
    add_text(facts, "cpu_model_name", model_name);
    add_text(facts, "cpu_flags", flags);
    g_variant_dict_insert(facts, "cpu_family", "i", (gint32)number_of(text, "cpu family"));
    g_variant_dict_insert(facts, "cpu_model", "i", (gint32)number_of(text, "model"));
    g_variant_dict_insert(facts, "cpu_stepping", "i", (gint32)number_of(text, "stepping"));
    g_variant_dict_insert(facts, "cpu_mhz", "d", g_ascii_strtod(mhz, NULL));
}

static void
add_boot_id(GVariantDict *facts, const char *root, const char *sim_dir)
{
    g_autofree char *own = sim_dir ? read_file(sim_dir, "/" FACTS_SIM_BOOT_ID) : g_strdup("");
    g_autofree char *kernels = read_file(root, "/proc/sys/kernel/random/boot_id");

    add_text(facts, "boot_id", *own ? own : kernels);
}

static void
add_system(GVariantDict *facts, const char *root)
{
    g_autofree char *release = read_file(root, "/etc/os-release");
    g_autofree char *stat = read_file(root, "/proc/stat");
    const char *boot = strstr(stat, "btime ");
    struct utsname name = {0};
    g_auto(GStrv) lines = g_strsplit(release, "\n", -1);
    g_autofree char *os = g_strdup("");

    for (char **line = lines; *line; line++)
        if (g_str_has_prefix(*line, "PRETTY_NAME=")) {
            g_free(os);
            os = g_shell_unquote(*line + strlen("PRETTY_NAME="), NULL);
            if (!os)
                os = g_strdup("");
        }
    uname(&name);
    add_text(facts, "hostname", name.nodename);
    add_text(facts, "kernel", name.release);
    add_text(facts, "machine", name.machine);
    add_text(facts, "os", os);
    g_variant_dict_insert(facts, "boot_time", "x",
                          boot ? g_ascii_strtoll(boot + strlen("btime "), NULL, 10) : (gint64)0);
}

static void
add_bios(GVariantDict *facts, const char *root)
{
    static const struct {
        const char *key, *file;
    } table[] = {{"bios-vendor", "bios_vendor"},
                 {"bios-version", "bios_version"},
                 {"system-manufacturer", "sys_vendor"},
                 {"system-product-name", "product_name"},
                 {"system-version", "product_version"},
                 {"system-serial-number", "product_serial"},
                 {"baseboard-manufacturer", "board_vendor"},
                 {"baseboard-product-name", "board_name"},
                 {"baseboard-version", "board_version"},
                 {"baseboard-serial-number", "board_serial"}};
    GVariantBuilder bios;

    g_variant_builder_init(&bios, G_VARIANT_TYPE("a{ss}"));
    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autofree char *path = g_strconcat("/sys/class/dmi/id/", table[i].file, NULL);
        g_autofree char *text = g_strstrip(read_file(root, path));

        if (*text)
            g_variant_builder_add(&bios, "{ss}", table[i].key, text);
    }
    g_variant_dict_insert_value(facts, "bios", g_variant_builder_end(&bios));
}

/* Written by initiator.c or by who administers the host. */
static void
add_iscsi_name(GVariantDict *facts, const char *root, const char *sim_dir)
{
    g_autofree char *text = sim_dir ? read_file(sim_dir, "/" INITIATOR_FILE)
                                    : read_file(root, INITIATOR_FOLDER "/" INITIATOR_FILE);
    g_autofree char *name = initiator_find(text);

    add_text(facts, "iscsi_name", name);
}

GVariant *
facts_read(const char *root, const char *sim_dir)
{
    GVariantDict facts;

    g_variant_dict_init(&facts, NULL);
    add_system(&facts, root);
    add_boot_id(&facts, root, sim_dir);
    add_cpu(&facts, root);
    add_bios(&facts, root);
    add_iscsi_name(&facts, root, sim_dir);
    return g_variant_dict_end(&facts);
}
