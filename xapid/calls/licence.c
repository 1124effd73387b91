/* Classes host and pool: licences.  There is one edition, which needs none and does not end. */
#include "config.h"

#include "xapid/pool/licence.h"

#include "xapid/calls/call.h"

/* (host, contents) */
static void
license_add(struct call *call)
{
    call_fail_code(call, "LICENSE_PROCESSING_ERROR", NULL);
}

/* What is left is the edition that needs none. */
static void
license_remove(struct call *call)
{
    call_return(call, NULL);
}

/* (host, edition, force) or (pool, edition) */
static void
apply_edition(struct call *call)
{
    if (g_str_equal(call_string(call, 1), LICENCE_EDITION))
        call_return(call, NULL);
    else
        call_fail_code(call, "INVALID_EDITION", call_string(call, 1), NULL);
}

static void
get_license_state(struct call *call)
{
    GVariantBuilder state;

    g_variant_builder_init(&state, G_VARIANT_TYPE("a{ss}"));
    g_variant_builder_add(&state, "{ss}", "edition", LICENCE_EDITION);
    g_variant_builder_add(&state, "{ss}", "expiry", "never");
    call_return(call, g_variant_builder_end(&state));
}

const struct call_impl calls_licence[] = {
    {"host.license_add", license_add},
    {"host.license_remove", license_remove},
    {"host.apply_edition", apply_edition},
    {"pool.apply_edition", apply_edition},
    {"pool.get_license_state", get_license_state},
    {NULL, NULL},
};
