#include "config.h"

#include "xapid/pool/licence.h"

#include <stdbool.h>

/* Keys that XenCenter and Xen Orchestra read.  true: not there yet. */
static const struct {
    const char *key;
    bool restricted;
} restrictions[] = {
    {"restrict_ad", true},
    {"restrict_batch_hotfix_apply", true},
    {"restrict_cbt", true},
    {"restrict_certificate_verification", true},
    {"restrict_checkpoint", true},
    {"restrict_cifs", true},
    {"restrict_connection", false},
    {"restrict_corosync", true},
    {"restrict_cpu_masking", true},
    {"restrict_dmc", false},
    {"restrict_dr", true},
    {"restrict_email_alerting", true},
    {"restrict_equalogic", true},
    {"restrict_export_resource_data", true},
    {"restrict_gpu", true},
    {"restrict_guest_agent_auto_update", true},
    {"restrict_guest_ip_setting", true},
    {"restrict_health_check", true},
    {"restrict_historical_performance", true},
    {"restrict_hotfix_apply", true},
    {"restrict_igmp_snooping", true},
    {"restrict_integrated_gpu_passthrough", true},
    {"restrict_intellicache", true},
    {"restrict_internal_repo_access", true},
    {"restrict_live_patching", true},
    {"restrict_management_on_vlan", true},
    {"restrict_marathon", true},
    {"restrict_nested_virt", true},
    {"restrict_netapp", true},
    {"restrict_network_sriov", true},
    {"restrict_pci_device_for_auto_update", true},
    {"restrict_pool_attached_storage", true},
    {"restrict_pool_secret_rotation", true},
    {"restrict_pool_size", true},
    {"restrict_pooling", true},
    {"restrict_pvs_proxy", true},
    {"restrict_qos", true},
    {"restrict_rbac", false},
    {"restrict_read_caching", true},
    {"restrict_rpu", true},
    {"restrict_set_vcpus_number_live", false},
    {"restrict_ssl_legacy_switch", true},
    {"restrict_storage_xen_motion", true},
    {"restrict_updates", true},
    {"restrict_usb_passthrough", true},
    {"restrict_vgpu", true},
    {"restrict_vif_locking", true},
    {"restrict_vlan", true},
    {"restrict_vm_groups", true},
    {"restrict_vmpr", true},
    {"restrict_vmss", true},
    {"restrict_vss", true},
    {"restrict_vswitch_controller", true},
    {"restrict_vtpm", true},
    {"restrict_wlb", true},
    {"restrict_xcm", true},
    {"restrict_xen_motion", true},
    {"restrict_zstd_export", true},
};

static void
add_restrictions(GVariantBuilder *out)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(restrictions); i++)
        g_variant_builder_add(out, "{ss}", restrictions[i].key,
                              restrictions[i].restricted ? "true" : "false");
    g_variant_builder_add(out, "{ss}", "enable_xha", "false");
}

GVariant *
licence_params(void)
{
    GVariantBuilder out;

    g_variant_builder_init(&out, G_VARIANT_TYPE("a{ss}"));
    add_restrictions(&out);
    /* There is nothing to expire; clients warn when this is near. */
    g_variant_builder_add(&out, "{ss}", "expiry", "20991231T23:59:59Z");
    g_variant_builder_add(&out, "{ss}", "license_type", "");
    g_variant_builder_add(&out, "{ss}", "sku_type", "free");
    g_variant_builder_add(&out, "{ss}", "sku_marketing_name", "xapid");
    g_variant_builder_add(&out, "{ss}", "regular_nag_dialog", "false");
    return g_variant_builder_end(&out);
}

GVariant *
licence_restrictions(void)
{
    GVariantBuilder out;

    g_variant_builder_init(&out, G_VARIANT_TYPE("a{ss}"));
    add_restrictions(&out);
    return g_variant_builder_end(&out);
}
