/* How much of the host's memory a guest would need; nothing is built. */
#include "config.h"

#include "xapid/domains/argument.h"
#include "xapid/domains/verbs-internal.h"

#define STEP ((int64_t)1 << 20) /* bytes that a guest's memory is a multiple of */

/* The most memory with which such a guest needs no more than `within`; 0 when none does. */
static bool
find_largest(struct verbs *v, const char *uuid, struct guest_config *config, int64_t within,
             int64_t *ret_memory, int64_t *ret_need, GError **error)
{
    int64_t low = 0, high = MIN(within, CONFIG_MEMORY_MAX) / STEP, need = 0, low_need = 0;

    while (low < high) {
        int64_t middle = high - (high - low) / 2;
        config->memory_static_max = config->memory_target = middle * STEP;
        if (!v->backend->need_memory(v->ctx, uuid, config, &need, error))
            return false;
        if (need <= within) {
            low = middle;
            low_need = need;
        } else {
            high = middle - 1;
        }
    }
    bool is_guest = low * STEP >= CONFIG_MEMORY_MIN;
    *ret_memory = is_guest ? low * STEP : 0;
    *ret_need = is_guest ? low_need : 0;
    return true;
}

bool
verb_guest_memory(struct verbs *v, const char *uuid, GVariant *args, GVariant **ret_result,
                  GError **error)
{
    g_auto(guest_config) config = {0};
    int64_t within, memory, need = 0;
    GVariantDict dict;

    if (!uuid_check(uuid, error) || !guest_size_parse(args, &config, &within, error))
        return false;
    memory = config.memory_target;
    if (within ? !find_largest(v, uuid, &config, within, &memory, &need, error)
               : !v->backend->need_memory(v->ctx, uuid, &config, &need, error))
        return false;
    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "memory", "x", memory);
    g_variant_dict_insert(&dict, "need", "x", need);
    *ret_result = g_variant_dict_end(&dict);
    return true;
}
