/* From xl's keys to a VM's record; see xl-record.h. */
#include "config.h"

#include "xtool/xl-record.h"

#include <string.h>

#include "xtool/xl-disks.h"
#include "xtool/xl-file.h"
#include "xtool/xl-keys.h"

#define MIB ((gint64)1 << 20)
#define MEMORY_MAX (G_MAXINT32) /* MiB */
#define CPUS_ALL "all"

enum type { PV, PVH, HVM };

struct maker {
    struct xl_file *file;
    enum type type;
    GVariantDict record;
    GVariantBuilder platform, sched, boot; /* a{ss} */
};

static void
set_text(struct maker *m, const char *field, const char *text)
{
    g_variant_dict_insert(&m->record, field, "s", text);
}

static void
set_int(struct maker *m, const char *field, gint64 number)
{
    g_variant_dict_insert(&m->record, field, "x", number);
}

/* ---- name and type ---- */

static void
take_name(struct maker *m, struct xl_vm *vm)
{
    const char *name = xl_file_text(m->file, "name");

    if (!name || !*name)
        xl_file_wrong(m->file, "name", "a VM must have one");
    else
        set_text(m, "name_label", name);
    vm->name = g_strdup(name ? name : "");
}

static void
take_type(struct maker *m)
{
    static const char *const names[] = {[PV] = "pv", [PVH] = "pvh", [HVM] = "hvm"};
    const char *type = xl_file_text(m->file, "type"), *builder = xl_file_text(m->file, "builder");
    const char *built = !builder                          ? NULL
                        : g_str_equal(builder, "generic") ? names[PV]
                        : g_str_equal(builder, "hvm")     ? names[HVM]
                                                          : "";

    if (built && !*built)
        xl_file_wrong(m->file, "builder", "it is hvm or generic; type is the newer word");
    if (built && *built && type && !g_str_equal(built, type))
        xl_file_wrong(m->file, "builder", "type says '%s'", type);
    m->type = G_N_ELEMENTS(names);
    type = type ? type : built && *built ? built : names[PV];
    for (enum type i = PV; i <= HVM; i++)
        if (g_str_equal(type, names[i]))
            m->type = i;
    if (m->type == G_N_ELEMENTS(names)) {
        xl_file_wrong(m->file, "type", "it is pv, pvh or hvm");
        m->type = PV;
    }
    set_text(m, "domain_type", names[m->type]);
}

/* ---- memory and CPUs ---- */

static void
take_memory(struct maker *m)
{
    gint64 memory = 0, max = 0;
    bool given = xl_file_number(m->file, "memory", 1, MEMORY_MAX, &memory);
    bool limited = xl_file_number(m->file, "maxmem", 1, MEMORY_MAX, &max);

    if (!given && !limited) {
        xl_file_wrong(m->file, "memory", "it says how many MiB the VM has");
        return;
    }
    memory = given ? memory : max;
    max = limited ? max : memory;
    if (max < memory)
        xl_file_wrong(m->file, "maxmem", "it is less than memory");
    set_int(m, "memory_static_max", max * MIB);
    set_int(m, "memory_dynamic_max", memory * MIB);
    set_int(m, "memory_dynamic_min", memory * MIB);
}

static void
take_cpus(struct maker *m)
{
    g_autoptr(GPtrArray) each =
        xl_file_is_list(m->file, "cpus") ? xl_file_list(m->file, "cpus") : NULL;
    const char *text = each ? (each->len ? each->pdata[0] : NULL) : xl_file_text(m->file, "cpus");
    g_autofree char *mask = text ? xl_cpus_read(text) : NULL;

    for (unsigned i = 1; each && i < each->len; i++) {
        if (g_str_equal(each->pdata[i], text))
            continue;
        xl_file_refuse(m->file, "cpus", "all CPUs of a VM run on the same ones: \"0-3,^2\"");
        return;
    }
    if (text && !mask)
        xl_file_refuse(m->file, "cpus", "'%s' is no list like \"0-3,^2\", and not \"" CPUS_ALL "\"",
                       text);
    else if (mask && *mask)
        g_variant_builder_add(&m->sched, "{ss}", "mask", mask);
}

/* A number of the scheduler's as the text that VCPUs_params has. */
static void
take_share(struct maker *m, const char *key, const char *name, gint64 min)
{
    gint64 number;

    if (!xl_file_number(m->file, key, min, G_MAXUINT16, &number))
        return;
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, number);
    g_variant_builder_add(&m->sched, "{ss}", name, text);
}

static void
take_vcpus(struct maker *m)
{
    gint64 vcpus = 1, max = 1;
    bool given = xl_file_number(m->file, "vcpus", 1, G_MAXINT32, &vcpus);

    if (!xl_file_number(m->file, "maxvcpus", 1, G_MAXINT32, &max))
        max = vcpus;
    if (max < vcpus)
        xl_file_wrong(m->file, "maxvcpus", "it is less than vcpus");
    if (given || max != 1) {
        set_int(m, "VCPUs_max", max);
        set_int(m, "VCPUs_at_startup", vcpus);
    }
    take_cpus(m);
    take_share(m, "cpu_weight", "weight", 1);
    take_share(m, "cap", "cap", 0);
}

/* ---- what it starts from ---- */

static void
take_command_line(struct maker *m)
{
    const char *line = xl_file_text(m->file, "cmdline");
    const char *root = xl_file_text(m->file, "root"), *extra = xl_file_text(m->file, "extra");
    g_autofree char *both = g_strdup_printf("%s%s%s%s", root ? "root=" : "", root ? root : "",
                                            root && extra ? " " : "", extra ? extra : "");

    if (line && root)
        xl_file_refuse(m->file, "root", "there is cmdline, and xl passes over this");
    if (line && extra)
        xl_file_refuse(m->file, "extra", "there is cmdline, and xl passes over this");
    if (line || *both)
        set_text(m, "PV_args", line ? line : both);
}

static void
take_kernel(struct maker *m)
{
    const char *kernel = xl_file_text(m->file, "kernel"),
               *ramdisk = xl_file_text(m->file, "ramdisk");

    if (xl_file_has(m->file, "firmware"))
        xl_file_refuse(m->file, "firmware",
                       "a PV or PVH guest starts from the file that kernel "
                       "names");
    if (kernel)
        set_text(m, "PV_kernel", kernel);
    else
        xl_file_wrong(m->file, "kernel", "a PV or PVH guest starts from one");
    if (ramdisk)
        set_text(m, "PV_ramdisk", ramdisk);
    take_command_line(m);
    /* xl reads these of HVM guests alone. */
    xl_file_has(m->file, "boot");
}

/* A whole machine has no kernel of its own. */
static void
refuse_kernel(struct maker *m)
{
    static const char *const keys[] = {"ramdisk", "cmdline", "root", "extra"};
    const char *kernel = xl_file_text(m->file, "kernel");

    /* xl passes over this one, which once every file had. */
    if (kernel && !g_str_has_suffix(kernel, "hvmloader"))
        xl_file_refuse(m->file, "kernel", "a whole machine boots from its disks");
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
        if (xl_file_has(m->file, keys[i]))
            xl_file_refuse(m->file, keys[i], "a whole machine boots from its disks");
}

static void
take_boot(struct maker *m)
{
    const char *order = xl_file_text(m->file, "boot");
    const char *firmware = xl_file_text(m->file, "firmware");

    if (order && (!*order || strlen(order) > 3 || strspn(order, "cdn") != strlen(order)))
        xl_file_refuse(m->file, "boot", "it is made of c (disk), d (CD) and n (network)");
    else
        g_variant_builder_add(&m->boot, "{ss}", "order", order ? order : "cd");
    if (firmware && !g_str_equal(firmware, "bios") && !g_str_equal(firmware, "seabios"))
        xl_file_refuse(m->file, "firmware", "a whole machine boots by SeaBIOS");
    set_text(m, "HVM_boot_policy", "BIOS order");
    refuse_kernel(m);
}

/* ---- the machine ---- */

/* Flags under the same name; for other guests than HVM xl reads none of them, but ACPI of PVH. */
static void
take_flags(struct maker *m)
{
    static const char *const keys[] = {"acpi", "acpi_s3", "acpi_s4", "apic", "nx", "pae"};

    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        bool on;
        if (!xl_file_flag(m->file, keys[i], &on))
            continue;
        if (m->type == HVM)
            g_variant_builder_add(&m->platform, "{ss}", keys[i], on ? "1" : "0");
        else if (m->type == PVH && i == 0 && !on)
            xl_file_refuse(m->file, keys[i], "a PVH guest always has ACPI");
    }
}

static void
take_viridian(struct maker *m)
{
    bool on, given = xl_file_has(m->file, "viridian");

    if (!given || m->type != HVM)
        return;
    if (xl_file_is_list(m->file, "viridian"))
        xl_file_refuse(m->file, "viridian", "it is 0 or 1; xapid has no groups of it");
    else if (xl_file_flag(m->file, "viridian", &on))
        g_variant_builder_add(&m->platform, "{ss}", "viridian", on ? "1" : "0");
}

static void
take_card(struct maker *m)
{
    const char *card = xl_file_text(m->file, "vga");
    bool standard = false;
    gint64 mib;

    if (xl_file_flag(m->file, "stdvga", &standard) && !card)
        card = standard ? "stdvga" : "cirrus";
    bool sized = xl_file_number(m->file, "videoram", 1, G_MAXINT32, &mib);
    if (m->type != HVM)
        return;
    card = card ? card : "cirrus"; /* as libxl has it */
    if (g_str_equal(card, "stdvga") || g_str_equal(card, "cirrus"))
        g_variant_builder_add(&m->platform, "{ss}", "vga", *card == 's' ? "std" : card);
    else if (!g_str_equal(card, "none"))
        xl_file_refuse(m->file, "vga", "it is stdvga, cirrus or none");
    if (!sized)
        return;
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, mib);
    g_variant_builder_add(&m->platform, "{ss}", "videoram", text);
}

/* localtime means this machine's, as it is now: xl is run on the host. */
static void
take_clock(struct maker *m)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    gint64 offset = 0;
    bool local = false;

    xl_file_number(m->file, "rtc_timeoffset", G_MININT32, G_MAXINT32, &offset);
    xl_file_flag(m->file, "localtime", &local);
    if (m->type != HVM && (offset || local)) {
        xl_file_refuse(m->file, local ? "localtime" : "rtc_timeoffset",
                       "the clock of an HVM guest alone can be set off");
        return;
    }
    if (local)
        offset += g_date_time_get_utc_offset(now) / G_TIME_SPAN_SECOND;
    if (!offset)
        return;
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, offset);
    g_variant_builder_add(&m->platform, "{ss}", "timeoffset", text);
}

/* ---- what becomes of it ---- */

static void
take_action(struct maker *m, const char *key, const char *field, bool crash, const char *otherwise)
{
    static const struct {
        const char *xl, *api;
        bool of_crash; /* for crashes alone */
    } actions[] = {{"destroy", "destroy", false},
                   {"restart", "restart", false},
                   {"rename-restart", "rename_restart", true},
                   {"preserve", "preserve", true},
                   {"coredump-destroy", "coredump_and_destroy", true},
                   {"coredump-restart", "coredump_and_restart", true}};
    const char *action = xl_file_text(m->file, key);

    action = action ? action : otherwise;
    for (size_t i = 0; i < G_N_ELEMENTS(actions); i++) {
        if (g_str_equal(action, actions[i].xl) && (crash || !actions[i].of_crash)) {
            set_text(m, field, actions[i].api);
            return;
        }
    }
    xl_file_refuse(
        m->file, key,
        crash ? "'%s' is nothing that can be done" : "it is destroy or restart, not '%s'", action);
}

static void
take_actions(struct maker *m)
{
    const char *watchdog = xl_file_text(m->file, "on_watchdog"), *poweroff = "destroy";

    take_action(m, "on_poweroff", "actions_after_shutdown", false, "destroy");
    take_action(m, "on_reboot", "actions_after_reboot", false, "restart");
    take_action(m, "on_crash", "actions_after_crash", true, "destroy");
    g_variant_dict_lookup(&m->record, "actions_after_shutdown", "&s", &poweroff);
    if (watchdog && !g_str_equal(watchdog, poweroff))
        xl_file_refuse(m->file, "on_watchdog", "it is as on_poweroff, '%s'", poweroff);
}

/* ---- */

static void
set_map(struct maker *m, const char *field, GVariantBuilder *map)
{
    g_autoptr(GVariant) value = g_variant_ref_sink(g_variant_builder_end(map));

    if (g_variant_n_children(value))
        g_variant_dict_insert_value(&m->record, field, value);
}

static void
take_all(struct maker *m, struct xl_vm *vm)
{
    take_name(m, vm);
    take_type(m);
    take_memory(m);
    take_vcpus(m);
    if (m->type == HVM)
        take_boot(m);
    else
        take_kernel(m);
    take_flags(m);
    take_viridian(m);
    take_card(m);
    take_clock(m);
    take_actions(m);
    vm->disks = xl_disks_take(m->file);
    xl_keys_refuse(m->file, m->type == HVM);
    xl_file_refuse_unknown(m->file);
}

bool
xl_vm_convert(const char *name, const char *text, const char *leave_out, struct xl_vm *ret,
              GError **error)
{
    g_autoptr(xl_file_owned) file = xl_file_parse(name, text, leave_out, error);
    g_auto(xl_vm_owned) vm = {NULL, NULL, NULL, NULL};
    struct maker m = {.file = file};

    if (!file)
        return false;
    g_variant_dict_init(&m.record, NULL);
    g_variant_builder_init(&m.platform, G_VARIANT_TYPE("a{ss}"));
    g_variant_builder_init(&m.sched, G_VARIANT_TYPE("a{ss}"));
    g_variant_builder_init(&m.boot, G_VARIANT_TYPE("a{ss}"));
    take_all(&m, &vm);
    set_map(&m, "platform", &m.platform);
    set_map(&m, "VCPUs_params", &m.sched);
    set_map(&m, "HVM_boot_params", &m.boot);
    vm.record = g_variant_ref_sink(g_variant_dict_end(&m.record));
    vm.left_out = xl_file_finish(file, /* hint= */ true, error);
    if (!vm.left_out)
        return false;
    *ret = vm;
    vm = (struct xl_vm){NULL, NULL, NULL, NULL};
    return true;
}
