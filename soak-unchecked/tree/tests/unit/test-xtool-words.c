/* What xl's words mean, and what goes from xtool-xl to xtool. */
#include "config.h"

#include <glib.h>

#include "xtool/xl-record.h"

static void
test_lists_of_cpus(void)
{
    static const char *const lists[][2] = {
        {"all", ""},
        {"0", "0"},
        {"0-3", "0,1,2,3"},
        {"0-3,^2", "0,1,3"},
        {"3,1,2", "1,2,3"},
        {"1,1", "1"},
        {"^1,0-2", "0,1,2"},
        {"0-7,^2-6", "0,1,7"},
        {"4095", "4095"},
        {"4096", NULL},
        {"", NULL},
        {"^0", NULL},
        {"all,^0", NULL},
        {"0,", NULL},
        {",0", NULL},
        {"0-", NULL},
        {"3-1", NULL},
        {"-1", NULL},
        {"0 ", NULL},
        {"0x1", NULL},
        {"0-99999999999999999999", NULL},
        {"nodes:0", NULL},
        {"0,^0", NULL},
        {"^", NULL},
        {"0,^^1", NULL},
        {"0-1-2", NULL},
        {"+1", NULL},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
        g_autofree char *read = xl_cpus_read(lists[i][0]);
        g_test_message("%s", lists[i][0]);
        g_assert_cmpstr(read, ==, lists[i][1]);
    }
}

static void
test_names_of_drives(void)
{
    static const struct {
        const char *name;
        int position;
    } drives[] = {{"xvda", 0},   {"xvdp", 15}, {"xvdq", -1}, {"hdc", 2}, {"sdb", 1},
                  {"d3", 3},     {"3", 3},     {"15", 15},   {"16", -1}, {"d16", -1},
                  {"xvda1", -1}, {"xvd", -1},  {"xvdA", -1}, {"", -1},   {"d", -1},
                  {"hd", -1},    {"vda", -1},  {"-1", -1},   {"dd", -1}, {"d0p1", -1},
                  {" 0", -1},    {"xvdaa", -1}};

    for (size_t i = 0; i < G_N_ELEMENTS(drives); i++) {
        g_test_message("%s", drives[i].name);
        g_assert_cmpint(xl_position_read(drives[i].name), ==, drives[i].position);
    }
}

static void
test_a_vm_there_and_back(void)
{
    g_auto(xl_vm_owned) back = {NULL, NULL, NULL, NULL};
    struct xl_vm vm = {.name = "web",
                       .record = g_variant_ref_sink(
                           g_variant_new_parsed("{'name_label': <'web'>, 'x': <int64 7>}")),
                       .disks = g_ptr_array_new(),
                       .left_out = "vif, vnc"};
    struct xl_disk disks[] = {{"/a,,xvdb", "/a", 1, false, true},
                              {",hdc:cdrom", NULL, 2, true, false}};

    for (size_t i = 0; i < G_N_ELEMENTS(disks); i++)
        g_ptr_array_add(vm.disks, &disks[i]);
    g_autoptr(GVariant) packed = g_variant_ref_sink(xl_vm_pack(&vm));
    g_assert_true(g_variant_is_of_type(packed, G_VARIANT_TYPE(XL_VM_TYPE)));
    xl_vm_unpack(packed, &back);
    g_assert_cmpstr(back.name, ==, vm.name);
    g_assert_cmpstr(back.left_out, ==, vm.left_out);
    g_assert_true(g_variant_equal(back.record, vm.record));
    g_assert_cmpuint(back.disks->len, ==, G_N_ELEMENTS(disks));
    for (size_t i = 0; i < G_N_ELEMENTS(disks); i++) {
        const struct xl_disk *disk = back.disks->pdata[i];
        g_assert_cmpstr(disk->entry, ==, disks[i].entry);
        g_assert_cmpstr(disk->target, ==, disks[i].target);
        g_assert_cmpint(disk->position, ==, disks[i].position);
        g_assert_cmpint(disk->cd, ==, disks[i].cd);
        g_assert_cmpint(disk->writable, ==, disks[i].writable);
    }
    g_ptr_array_unref(vm.disks);
    g_variant_unref(vm.record);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/words/cpus", test_lists_of_cpus);
    g_test_add_func("/words/drives", test_names_of_drives);
    g_test_add_func("/words/vm", test_a_vm_there_and_back);
    return g_test_run();
}
