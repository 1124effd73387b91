/* Class host: emptying it of guests.  There is no other host, and none can move: what is asked is
 * who stands in the way.  And class VM: whether one would be free to go. */
#include "config.h"

#include "lib/error.h"
#include "xapid/calls/call.h"

/* Guests on the host, whoever made them; borrowed from the model, the caller frees the array. */
static GPtrArray *
guests_of(const struct model *model, const char *host)
{
    GPtrArray *vms = model_referrers(model, host, dm_field_find(vm_class(), "resident_on"));

    for (guint i = vms->len; i-- > 0;)
        if (model_get_bool(model, vms->pdata[i], "is_control_domain"))
            g_ptr_array_remove_index(vms, i);
    return vms;
}

/* Why a guest cannot leave. */
static GError *
why_not(const char *vm)
{
    return api_error_new("NO_HOSTS_AVAILABLE", vm, NULL);
}

static void
get_vms_which_prevent_evacuation(struct call *call)
{
    g_autoptr(GPtrArray) vms = guests_of(call->api->model, call_ref(call, 0));
    GVariantBuilder reasons;

    g_variant_builder_init(&reasons, G_VARIANT_TYPE("a{sas}"));
    for (guint i = 0; i < vms->len; i++) {
        g_autoptr(GError) reason = why_not(vms->pdata[i]);
        g_variant_builder_add(&reasons, "{s@as}", vms->pdata[i], api_error_to_variant(reason));
    }
    call_return(call, g_variant_builder_end(&reasons));
}

/* All reasons in one parameter, as clients take them apart: "CODE,param|CODE,param". */
static void
assert_can_evacuate(struct call *call)
{
    g_autoptr(GPtrArray) vms = guests_of(call->api->model, call_ref(call, 0));
    g_autoptr(GString) all = g_string_new(NULL);

    for (guint i = 0; i < vms->len; i++) {
        g_autoptr(GError) reason = why_not(vms->pdata[i]);
        g_autoptr(GVariant) words = g_variant_ref_sink(api_error_to_variant(reason));
        g_autofree const char **array = g_variant_get_strv(words, NULL);
        g_autofree char *text = g_strjoinv(",", (char **)array);
        g_string_append_printf(all, "%s%s", i ? "|" : "", text);
    }
    if (vms->len)
        call_fail_code(call, "CANNOT_EVACUATE_HOST", all->str, NULL);
    else
        call_return(call, NULL);
}

/* (host, network, batch_size): one that has no guests is empty already. */
static void
evacuate(struct call *call)
{
    g_autoptr(GPtrArray) vms = guests_of(call->api->model, call_ref(call, 0));
    gint64 batch_size = call_int(call, 2);

    if (batch_size < 0) {
        g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, batch_size);
        call_fail_code(call, "INVALID_VALUE", "evacuate_batch_size", text, NULL);
    } else if (vms->len) {
        call_fail(call, why_not(vms->pdata[0]));
    } else {
        call_return(call, NULL);
    }
}

static void
assert_agile(struct call *call)
{
    GError *error = NULL;

    if (vm_is_agile(call->api->model, call_ref(call, 0), &error))
        call_return(call, NULL);
    else
        call_fail(call, error);
}

const struct call_impl calls_evacuate[] = {
    {"host.get_vms_which_prevent_evacuation", get_vms_which_prevent_evacuation},
    {"host.assert_can_evacuate", assert_can_evacuate},
    {"host.evacuate", evacuate},
    {"VM.assert_agile", assert_agile},
    {NULL, NULL},
};
