/* What repositories are there already: asked of a driver, of no row. */
#include "config.h"

#include "xapid/storage/storage.h"

void
storage_probe(const struct storage_world *world, const char *type, GVariant *device_config,
              peer_done_fn done, void *data)
{
    g_autofree char *uuid = g_uuid_string_random();
    g_autofree char *op_id = g_strconcat("probe/", uuid, NULL);
    GVariantDict args;

    g_variant_dict_init(&args, NULL);
    g_variant_dict_insert_value(&args, "device_config", device_config);
    peer_client_start(
        world->drivers, op_id,
        g_variant_new("(sss@a{sv})", op_id, "sr.probe", type, g_variant_dict_end(&args)), done,
        data);
}
