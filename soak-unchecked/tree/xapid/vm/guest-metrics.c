/* What guests say of themselves becomes VM_guest_metrics.  However much they say and however many
 * of them, it is asked for once a second at most, and is one transaction. */
#include "config.h"

#include "lib/error.h"
#include "lib/guest-record.h"
#include "lib/log.h"
#include "xapid/vm/vm.h"

#define INTERVAL_US G_USEC_PER_SEC
#define WAITS_MAX 600 /* intervals: as long as the slowest start takes */

/* What came of a domain that its VM's record does not name yet. */
struct waiting {
    gint32 domid;
    GVariant *record;
    guint waits;
};

struct vm_guests {
    struct vm_world *world; /* NULL: left, with a question under way */
    guint64 since, connection;
    bool due, asking;
    gint64 asked; /* monotonic */
    guint source;
    GHashTable *waiting; /* uuid -> struct waiting */
};

/* The fields that follow the guest; false members and those it does not tell have their default. */
static const struct {
    const char *field, *member, *type, *missing;
} fields[] = {
    {"os_version", "os_version", "a{ss}", NULL},
    {"netbios_name", "netbios_name", "a{ss}", NULL},
    {"PV_drivers_version", "PV_drivers_version", "a{ss}", NULL},
    {"networks", "networks", "a{ss}", NULL},
    {"other", "other", "a{ss}", NULL},
    {"services", "services", "a{ss}", NULL},
    {"PV_drivers_detected", "PV_drivers_detected", "b", NULL},
    {"PV_drivers_up_to_date", "PV_drivers_detected", "b", NULL},
    {"can_use_hotplug_vbd", "can_use_hotplug_vbd", "s", "unspecified"},
    {"can_use_hotplug_vif", "can_use_hotplug_vif", "s", "unspecified"},
};

static const struct dm_class *
metrics_class(void)
{
    return dm_class_find("VM_guest_metrics", false);
}

static void
waiting_free(void *data)
{
    struct waiting *waiting = data;

    g_variant_unref(waiting->record);
    g_free(waiting);
}

/* --- one guest --- */

static GVariant *
field_value(GVariant *record, unsigned i)
{
    GVariant *value =
        g_variant_lookup_value(record, fields[i].member, G_VARIANT_TYPE(fields[i].type));

    if (value)
        return value;
    if (*fields[i].type == 'b')
        return g_variant_ref_sink(g_variant_new_boolean(FALSE));
    if (*fields[i].type == 's')
        return g_variant_ref_sink(g_variant_new_string(fields[i].missing));
    return g_variant_ref_sink(g_variant_new_array(G_VARIANT_TYPE("{ss}"), NULL, 0));
}

static void
update(const struct vm_world *world, struct txn *txn, const char *row, GVariant *record)
{
    bool live = g_variant_n_children(record) > 0;
    bool changed = model_get_bool(world->model, row, "live") != live;

    for (unsigned i = 0; i < G_N_ELEMENTS(fields); i++) {
        g_autoptr(GVariant) value = field_value(record, i);
        g_autoptr(GVariant) old =
            model_get(world->model, row, dm_field_find(metrics_class(), fields[i].field));
        if (g_variant_equal(value, old))
            continue;
        txn_set_value(txn, row, fields[i].field, value);
        changed = true;
    }
    txn_set_value(txn, row, "live", g_variant_new_boolean(live));
    if (changed)
        txn_set_value(txn, row, "last_updated", g_variant_new_int64(g_get_real_time()));
}

static bool
create(struct txn *txn, const char *vm, GVariant *record, GError **error)
{
    GVariantBuilder row;
    const char *ref;

    g_variant_builder_init(&row, G_VARIANT_TYPE_VARDICT);
    for (unsigned i = 0; i < G_N_ELEMENTS(fields); i++) {
        g_autoptr(GVariant) value = field_value(record, i);
        g_variant_builder_add(&row, "{sv}", fields[i].field, value);
    }
    g_variant_builder_add(&row, "{sv}", "live", g_variant_new_boolean(TRUE));
    g_variant_builder_add(&row, "{sv}", "last_updated", g_variant_new_int64(g_get_real_time()));
    ref = txn_create(txn, metrics_class(), NULL, g_variant_builder_end(&row), error);
    if (ref)
        txn_set_string(txn, vm, "guest_metrics", ref);
    return ref != NULL;
}

/* The row of a VM, the caller's; NULL: it has none. */
static char *
row_of(const struct vm_world *world, const char *vm)
{
    g_autofree char *row = model_get_string(world->model, vm, "guest_metrics");

    return model_has(world->model, metrics_class(), row) ? g_steal_pointer(&row) : NULL;
}

void
vm_guests_ended(const struct vm_world *world, struct txn *txn, const char *vm,
                const char *power_state)
{
    g_autofree char *row = row_of(world, vm);
    g_autoptr(GError) error = NULL;

    if (!row || !txn_has(txn, metrics_class(), row))
        return;
    if (!g_str_equal(power_state, "Halted"))
        txn_set_value(txn, row, "live", g_variant_new_boolean(FALSE));
    else if (!txn_destroy(txn, row, &error))
        log_error("what the guest of %s said: %s", vm, error->message);
}

/* --- what waits --- */

enum fit { FIT_NOT, FIT_LATER, FIT_NOW };

/* Is it said of the domain that the VM has? */
static enum fit
fits(const struct vm_world *world, const char *uuid, const struct waiting *waiting,
     const char **ret_vm)
{
    const char *vm = model_by_uuid(world->model, vm_class(), uuid);

    *ret_vm = vm;
    if (!vm)
        return FIT_NOT;
    return model_get_int(world->model, vm, "domid") == waiting->domid ? FIT_NOW : FIT_LATER;
}

/* Does it make a row, which the store must know? */
static bool
makes_row(const struct vm_world *world, const char *vm, GVariant *record)
{
    g_autofree char *row = row_of(world, vm);

    return !row && g_variant_n_children(record) > 0;
}

static bool
write_one(const struct vm_world *world, struct txn *txn, const char *vm, GVariant *record,
          GError **error)
{
    g_autofree char *row = row_of(world, vm);

    if (row)
        update(world, txn, row, record);
    else if (g_variant_n_children(record) > 0)
        return create(txn, vm, record, error);
    return true;
}

/* All that can be written, in one transaction; what was is not waiting any more. */
static bool
write_all(struct vm_guests *guests, GError **error)
{
    struct vm_world *world = guests->world;
    g_autoptr(GPtrArray) done = g_ptr_array_new();
    bool durable = false, ok = true;
    GHashTableIter iter;
    const char *uuid, *vm;
    struct waiting *waiting;
    struct txn *txn;

    g_hash_table_iter_init(&iter, guests->waiting);
    while (g_hash_table_iter_next(&iter, (void **)&uuid, (void **)&waiting)) {
        enum fit fit = fits(world, uuid, waiting, &vm);

        if (fit == FIT_NOT || (fit == FIT_LATER && ++waiting->waits > WAITS_MAX)) {
            g_hash_table_iter_remove(&iter);
        } else if (fit == FIT_NOW) {
            durable |= makes_row(world, vm, waiting->record);
            g_ptr_array_add(done, (char *)uuid);
        }
    }
    if (done->len == 0)
        return true;
    txn = durable ? model_begin(world->model, error) : model_begin_volatile(world->model);
    if (!txn)
        return false;
    for (guint i = 0; ok && i < done->len; i++) {
        waiting = g_hash_table_lookup(guests->waiting, done->pdata[i]);
        vm = model_by_uuid(world->model, vm_class(), done->pdata[i]);
        ok = write_one(world, txn, vm, waiting->record, error);
    }
    if (!ok) {
        txn_abort(txn);
        return false;
    }
    if (!txn_commit(txn, error))
        return false;
    for (guint i = 0; i < done->len; i++)
        g_hash_table_remove(guests->waiting, done->pdata[i]);
    return true;
}

/* --- asking --- */

static gboolean ask(void *data);

static void
ask_in_time(struct vm_guests *guests)
{
    gint64 wait = guests->asked + INTERVAL_US - g_get_monotonic_time();

    if (!guests->asking && !guests->source &&
        (guests->due || g_hash_table_size(guests->waiting) > 0))
        guests->source = g_timeout_add((guint)(MAX(wait, 0) / 1000), ask, guests);
}

static void
take(struct vm_guests *guests, GVariant *told)
{
    GVariantIter iter;
    const char *uuid;
    gint32 domid;
    GVariant *record;

    g_variant_iter_init(&iter, told);
    while (g_variant_iter_next(&iter, "(&si@a{sv})", &uuid, &domid, &record)) {
        if (guest_record_check(record)) {
            struct waiting *waiting = g_new0(struct waiting, 1);
            waiting->domid = domid;
            waiting->record = g_variant_ref(record);
            g_hash_table_replace(guests->waiting, g_strdup(uuid), waiting);
        } else {
            log_error("xapid-domains tells of the guest of %s what it must not", uuid);
        }
        g_variant_unref(record);
    }
}

static void
guests_free(struct vm_guests *guests)
{
    g_hash_table_unref(guests->waiting);
    g_free(guests);
}

struct asking {
    struct vm_guests *guests;
    guint64 connection;
};

static void
answered(const GError *failure, GVariant *told, guint64 now, void *data)
{
    g_autofree struct asking *asking = data;
    struct vm_guests *guests = asking->guests;
    g_autoptr(GError) error = NULL;

    guests->asking = false;
    if (!guests->world) {
        guests_free(guests);
        return;
    }
    if (failure) {
        log_debug("asking for what guests say, again soon: %s", failure->message);
        guests->due = true;
    } else if (asking->connection == guests->connection) {
        guests->since = now;
        take(guests, told);
        if (!write_all(guests, &error))
            log_warning("what guests say, again soon: %s", error->message);
    }
    ask_in_time(guests);
}

static gboolean
ask(void *data)
{
    struct vm_guests *guests = data;
    struct asking *asking = g_new(struct asking, 1);

    guests->source = 0;
    guests->due = false;
    guests->asking = true;
    guests->asked = g_get_monotonic_time();
    asking->guests = guests;
    asking->connection = guests->connection;
    domains_guests(guests->world->domains, guests->since, answered, asking);
    return G_SOURCE_REMOVE;
}

static void
guests_changed(bool fresh, void *data)
{
    struct vm_guests *guests = data;

    if (fresh) {
        guests->connection++;
        guests->since = 0;
    }
    guests->due = true;
    ask_in_time(guests);
}

void
vm_guests_follow(struct vm_world *world)
{
    struct vm_guests *guests = g_new0(struct vm_guests, 1);

    guests->world = world;
    guests->asked = g_get_monotonic_time() - INTERVAL_US;
    guests->waiting = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, waiting_free);
    world->guests = guests;
    domains_on_guests(world->domains, guests_changed, guests);
}

void
vm_guests_leave(struct vm_world *world)
{
    struct vm_guests *guests = g_steal_pointer(&world->guests);

    if (!guests)
        return;
    domains_on_guests(world->domains, NULL, NULL);
    g_clear_handle_id(&guests->source, g_source_remove);
    guests->world = NULL;
    if (!guests->asking)
        guests_free(guests);
}
