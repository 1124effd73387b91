/* See xl-keys.h. */
#include "config.h"

#include "xtool/xl-keys.h"

#define DEVICES "no devices of the host are given to guests yet"
#define KERNEL "a PV or PVH guest starts from the file that kernel names"
#define NOTHING "xapid has nothing for it yet"
#define SCREEN "a screen shows in clients of the API alone"
#define MODEL "the QEMU of a guest is xapid's choice"
#define FIRMWARE "a whole machine boots by SeaBIOS"

static const struct {
    const char *key;
    const char *is;  /* values that say what is done anyway, between spaces */
    const char *why; /* why no other can be had */
    bool hvm;        /* xl reads it for HVM guests alone */
} keys[] = {
    {"acpi_firmware", "", FIRMWARE, true},
    {"acpi_laptop_slate", "0", NOTHING, true},
    {"altp2m", "disabled 0", NOTHING, false},
    {"altp2mhvm", "0", NOTHING, true},
    {"bios", "seabios", FIRMWARE, true},
    {"bios_path_override", "", FIRMWARE, true},
    {"bootloader", "", KERNEL, false},
    {"bootloader_args", "", KERNEL, false},
    {"channel", "", NOTHING, false},
    {"cpuid", "host", NOTHING, false},
    {"cpus_soft", "all", "there is one list of CPUs, cpus", false},
    {"device_model_args", "", MODEL, false},
    {"device_model_args_hvm", "", MODEL, true},
    {"device_model_args_pv", "", MODEL, false},
    {"device_model_override", "", MODEL, false},
    {"device_model_stubdomain_override", "0", MODEL, false},
    {"device_model_stubdomain_seclabel", "", MODEL, false},
    {"device_model_user", "", MODEL, false},
    {"device_model_version", "qemu-xen", MODEL, false},
    {"device_tree", "", NOTHING, false},
    {"dm_restrict", "1", "the QEMU of a guest is always confined", false},
    {"driver_domain", "0", NOTHING, false},
    {"dtdev", "", DEVICES, false},
    {"e820_host", "0", DEVICES, false},
    {"extratime", "0", "xapid's scheduler is credit2", false},
    {"firmware_override", "", FIRMWARE, true},
    {"gfx_passthru", "0", DEVICES, true},
    {"gfx_passthru_kind", "", DEVICES, true},
    {"hap", "1", "guests use hardware-assisted paging", true},
    {"hdtype", "ide", "emulated disks are IDE", true},
    {"hpet", "1", NOTHING, true},
    {"init_seclabel", "", NOTHING, false},
    {"iomem", "", DEVICES, false},
    {"ioports", "", DEVICES, false},
    {"irqs", "", DEVICES, false},
    {"keymap", "", SCREEN, false},
    {"latency", "", "xapid's scheduler is credit2", false},
    {"max_event_channels", "", NOTHING, false},
    {"max_grant_frames", "", NOTHING, false},
    {"max_maptrack_frames", "", NOTHING, false},
    {"mca_caps", "", NOTHING, true},
    {"mmio_hole", "", NOTHING, true},
    {"ms_vm_genid", "none", NOTHING, true},
    {"nestedhvm", "0", "a guest runs no guests of its own", true},
    {"nographic", "1", SCREEN, true},
    {"nomigrate", "0", NOTHING, false},
    {"on_soft_reset", "", NOTHING, false},
    {"oos", "", NOTHING, false},
    {"opengl", "0", SCREEN, false},
    {"p9", "", NOTHING, false},
    {"passthrough", "disabled", DEVICES, false},
    {"pci", "", DEVICES, false},
    {"pci_msitranslate", "", DEVICES, false},
    {"pci_permissive", "0", DEVICES, false},
    {"pci_power_mgmt", "", DEVICES, false},
    {"pci_seize", "0", DEVICES, false},
    {"period", "", "xapid's scheduler is credit2", false},
    {"pool", "Pool-0", "all CPUs of the host are one pool", false},
    {"pvcalls", "", NOTHING, false},
    {"pvshim", "0", NOTHING, false},
    {"pvshim_cmdline", "", NOTHING, false},
    {"pvshim_extra", "", NOTHING, false},
    {"pvshim_path", "", NOTHING, false},
    {"rdm", "", DEVICES, true},
    {"rdm_mem_boundary", "", DEVICES, true},
    {"sdl", "0", SCREEN, false},
    {"seclabel", "", NOTHING, false},
    {"serial", "pty", "the first serial port of a machine goes to its console", true},
    {"shadow_memory", "", NOTHING, false},
    {"slice", "", "xapid's scheduler is credit2", false},
    {"smbios_firmware", "", FIRMWARE, true},
    {"soundhw", "", NOTHING, true},
    {"spice", "0", SCREEN, true},
    {"spice_clipboard_sharing", "0", SCREEN, true},
    {"spice_image_compression", "", SCREEN, true},
    {"spice_streaming_video", "", SCREEN, true},
    {"spiceagent_mouse", "", SCREEN, true},
    {"spicedisable_ticketing", "", SCREEN, true},
    {"spicehost", "", SCREEN, true},
    {"spicepasswd", "", SCREEN, true},
    {"spiceport", "", SCREEN, true},
    {"spicetls_port", "", SCREEN, true},
    {"spiceusbredirection", "", SCREEN, true},
    {"spicevdagent", "0", SCREEN, true},
    {"stubdomain_kernel", "", MODEL, false},
    {"stubdomain_memory", "", MODEL, false},
    {"stubdomain_ramdisk", "", MODEL, false},
    {"timer_mode", "", NOTHING, false},
    {"tsc_mode", "default 0", NOTHING, false},
    {"usb", "0", NOTHING, true},
    {"usbctrl", "", NOTHING, false},
    {"usbdev", "", DEVICES, false},
    {"usbdevice", "", NOTHING, true},
    {"usbversion", "", NOTHING, true},
    {"uuid", "", "the server gives a VM its uuid", false},
    {"vdispl", "", SCREEN, false},
    {"vendor_device", "none", NOTHING, true},
    {"vfb", "", SCREEN, false},
    {"vif", "", "vif-create makes a card, once the VM is there", false},
    {"virtio", "", NOTHING, false},
    {"vkb", "", SCREEN, false},
    {"vkb_device", "", SCREEN, true},
    {"vmtrace_buf_kb", "0", NOTHING, false},
    {"vnc", "0", SCREEN, false},
    {"vncdisplay", "", SCREEN, false},
    {"vnclisten", "", SCREEN, false},
    {"vncpasswd", "", SCREEN, false},
    {"vncunused", "", SCREEN, false},
    {"vncviewer", "0", SCREEN, false},
    {"vnuma", "", NOTHING, false},
    {"vpt_align", "", NOTHING, true},
    {"vsnd", "", NOTHING, false},
    {"vtpm", "", NOTHING, false},
    {"vuart", "", NOTHING, false},
    {"xen_platform_pci", "1", "whether it is there follows from the disks", true},
    {"xend_suspend_evtchn_compat", "0", NOTHING, false},
};

static bool
is_one_of(const char *values, const char *value)
{
    g_auto(GStrv) all = g_strsplit(values, " ", -1);

    return g_strv_contains((const char *const *)all, value);
}

void
xl_keys_refuse(struct xl_file *file, bool hvm)
{
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        const char *key = keys[i].key;
        if (!xl_file_has(file, key) || (keys[i].hvm && !hvm))
            continue;
        if (xl_file_is_list(file, key)) {
            g_autoptr(GPtrArray) items = xl_file_list(file, key);
            if (items && items->len)
                xl_file_refuse(file, key, "%s", keys[i].why);
            continue;
        }
        const char *value = xl_file_text(file, key);
        if (value && *value && !is_one_of(keys[i].is, value))
            xl_file_refuse(file, key, "%s", keys[i].why);
    }
}
