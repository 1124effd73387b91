/* See ledger.h. */
#include "config.h"

#include "tests/unit/ledger.h"

#include <string.h>

#include "lib/error.h"
#include "tests/unit/fake-store.h"

#define TRIPLES_MAX 6 /* VMs with a disk each */
#define JOURNAL_KEYS 5
#define TEXT_MAX 6000 /* more than a page */
#define COUNT "OpaqueRef:count"

struct ledger *
ledger_new(struct disk *disk, GRand *random)
{
    struct ledger *ledger = g_new(struct ledger, 1);

    *ledger = (struct ledger){
        .disk = disk,
        .random = random,
        .waiting = g_ptr_array_new_with_free_func((GDestroyNotify)model_changes_free),
        .entries = g_array_new(FALSE, FALSE, sizeof(struct ledger_entry)),
        .checkpoint = 25,
    };
    return ledger;
}

void
ledger_free(struct ledger *ledger)
{
    ledger_close(ledger);
    g_ptr_array_unref(ledger->waiting);
    for (guint i = 0; i < ledger->entries->len; i++)
        g_free(g_array_index(ledger->entries, struct ledger_entry, i).print);
    g_array_unref(ledger->entries);
    g_free(ledger);
}

/* --- what a model holds --- */

static bool
is_kept(const struct dm_class *cls)
{
    return cls->persistent;
}

static void
add(GChecksum *checksum, GVariant *value)
{
    g_checksum_update(checksum, g_variant_get_data(value), (gssize)g_variant_get_size(value));
}

static int
compare_keys(const void *a, const void *b)
{
    return strcmp(((const struct model_journal_change *)a)->key,
                  ((const struct model_journal_change *)b)->key);
}

static char *
print_of(const struct model *model)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA1);
    struct model_changes *all = model_everything(model, 1, is_kept);

    for (guint i = 0; i < all->rows->len; i++) {
        const struct model_row_change *row = &g_array_index(all->rows, struct model_row_change, i);
        g_autoptr(GVariant) id = g_variant_ref_sink(
            g_variant_new("(sst)", row->cls->name, row->ref, model_created(model, row->ref)));
        add(checksum, id);
        add(checksum, row->row);
    }
    g_array_sort(all->journal, compare_keys);
    for (guint i = 0; i < all->journal->len; i++) {
        const struct model_journal_change *entry =
            &g_array_index(all->journal, struct model_journal_change, i);
        g_checksum_update(checksum, (const guchar *)entry->key, -1);
        add(checksum, entry->value);
    }
    model_changes_free(all);
    return g_strdup(g_checksum_get_string(checksum));
}

static struct ledger_entry *
entry_at(const struct ledger *ledger, guint i)
{
    return &g_array_index(ledger->entries, struct ledger_entry, i);
}

/* --- what it may hold --- */

/* Nothing that was acknowledged is missing; nothing is there that was not begun.  The last of the
 * entries that it can be, or NULL with the reason. */
static const struct ledger_entry *
entry_find(const struct ledger *ledger, const char *print, guint position, char **ret_why)
{
    guint acknowledged = 0, other = LEDGER_NEVER;

    for (guint i = 0; i < ledger->entries->len; i++)
        if (entry_at(ledger, i)->acknowledged <= position)
            acknowledged = i;
    for (guint i = ledger->entries->len; i-- > 0;) {
        const struct ledger_entry *entry = entry_at(ledger, i);
        if (!g_str_equal(entry->print, print))
            continue;
        if (i >= acknowledged && entry->begun <= position)
            return entry;
        other = i;
    }
    *ret_why = other == LEDGER_NEVER
                   ? g_strdup("it is in a state that no transaction left")
                   : g_strdup_printf("it is as after transaction %u; %u was acknowledged", other,
                                     acknowledged);
    return NULL;
}

char *
ledger_violation(struct ledger *ledger, GHashTable *image, guint position)
{
    struct model *model = model_new();
    g_autoptr(GError) error = NULL;
    char *why = NULL;

    disk_show(ledger->disk, image);
    struct database *database = database_open(ledger->disk->path, &error);
    if (!database || !database_load(database, model, &error))
        why = g_strdup(error->message);
    else {
        g_autofree char *print = print_of(model);
        entry_find(ledger, print, position, &why);
    }
    for (guint i = 0; !why && i < ledger->entries->len; i++)
        if (entry_at(ledger, i)->acknowledged <= position &&
            model_head(model) <= entry_at(ledger, i)->generation)
            why = g_strdup("a generation is used twice");
    database_close(database);
    model_free(model);
    return why;
}

/* --- making it --- */

static void
on_commit(struct model_changes *changes, void *data)
{
    g_ptr_array_add(((struct ledger *)data)->waiting, changes);
}

/* Takes the text. */
static void
enter(struct ledger *ledger, char *print, guint begun, guint acknowledged)
{
    struct ledger_entry entry = {.generation = model_head(ledger->model),
                                 .print = print,
                                 .begun = begun,
                                 .acknowledged = acknowledged};

    g_array_append_val(ledger->entries, entry);
}

bool
ledger_open(struct ledger *ledger, GError **error)
{
    struct model_store interface = {.name = "ledger", .commit = on_commit, .data = ledger};
    guint begun = ledger->disk->log->len;
    struct model *model = model_new();
    struct database *database = database_open(ledger->disk->path, error);

    if (database) /* sooner than usual, for there are few commits */
        sqlite3_wal_autocheckpoint(database_handle(database), ledger->checkpoint);
    if (!database || !database_load(database, model, error)) {
        database_close(database);
        model_free(model);
        return false;
    }
    char *print = print_of(model), *why = NULL;
    if (ledger->entries->len)
        entry_find(ledger, print, begun, &why);
    g_assert_cmpstr(why, ==, NULL);
    ledger->model = model;
    ledger->database = database;
    enter(ledger, print, ledger->entries->len ? begun : 0, ledger->disk->log->len);
    model_set_store(model, &interface);
    return true;
}

void
ledger_close(struct ledger *ledger)
{
    if (!ledger->model)
        return;
    g_assert_cmpuint(ledger->waiting->len, ==, 0);
    model_set_store(ledger->model, NULL);
    g_clear_pointer(&ledger->database, database_close);
    g_clear_pointer(&ledger->model, model_free);
}

static char *
ref_of(const char *what, guint number)
{
    return g_strdup_printf("OpaqueRef:%s-%u", what, number);
}

static char *
uuid_of(const char *what, guint number)
{
    return g_strdup_printf("%08x-0000-4000-8000-%012x", number, (guint)what[1]);
}

static void
triple_create(struct ledger *ledger, struct txn *txn)
{
    static const char *const classes[] = {"VM", "VDI", "VBD"};
    g_autofree char *vm = ref_of("VM", ledger->number), *vdi = ref_of("VDI", ledger->number);

    for (gsize i = 0; i < G_N_ELEMENTS(classes); i++) {
        g_autofree char *ref = ref_of(classes[i], ledger->number);
        g_autofree char *uuid = uuid_of(classes[i], ledger->number);
        GVariant *fields = i < 2 ? fields_of("uuid", uuid, "name_label", ref, NULL)
                                 : fields_of("uuid", uuid, "VM", vm, "VDI", vdi, NULL);
        g_assert_nonnull(txn_create(txn, cls(classes[i]), ref, fields, NULL));
    }
}

/* The VM; its block device and its disk may stay. */
static void
triple_destroy(struct ledger *ledger, struct txn *txn, const char *vm)
{
    const struct dm_field *field = dm_field_find(cls("VBD"), "VM");
    g_autoptr(GPtrArray) devices = model_referrers(ledger->model, vm, field);

    for (guint i = 0; i < devices->len; i++) {
        g_autofree char *vdi = model_get_string(ledger->model, devices->pdata[i], "VDI");
        g_assert_true(txn_destroy(txn, devices->pdata[i], NULL));
        g_assert_true(txn_destroy(txn, vdi, NULL));
    }
    g_assert_true(txn_destroy(txn, vm, NULL));
}

static void
text_change(struct ledger *ledger, struct txn *txn, const char *vm)
{
    bool big = g_rand_int_range(ledger->random, 0, 4) == 0;
    gsize length = (gsize)g_rand_int_range(ledger->random, 0, big ? TEXT_MAX : 200);
    g_autofree char *text = g_strnfill(length, (char)g_rand_int_range(ledger->random, 'a', 'z'));

    txn_set_string(txn, vm, "name_description", text);
}

static void
journal_change(struct ledger *ledger, struct txn *txn)
{
    g_autofree char *key =
        g_strdup_printf("op/%d", g_rand_int_range(ledger->random, 0, JOURNAL_KEYS));
    bool there = g_hash_table_contains(model_journal(ledger->model), key);

    txn_journal(txn, key, there ? NULL : g_variant_new("(su)", "started", ledger->number));
}

/* Each also counts, in a row and in the journal, so that no two leave the same. */
void
ledger_change(struct ledger *ledger)
{
    g_autoptr(GPtrArray) vms = model_all(ledger->model, cls("VM"));
    g_autofree char *count = g_strdup_printf("%u", ++ledger->number);
    g_autoptr(GError) error = NULL;
    struct txn *txn = model_begin(ledger->model, &error);

    g_assert_no_error(error);
    if (!model_has(ledger->model, cls("pool"), COUNT))
        txn_create(txn, cls("pool"), COUNT, fields_of("uuid", COUNT, NULL), NULL);
    txn_set_map_value(txn, COUNT, "other_config", "n", count);
    txn_journal(txn, "n", g_variant_new_uint32(ledger->number));
    const char *vm =
        vms->len ? vms->pdata[g_rand_int_range(ledger->random, 0, (gint32)vms->len)] : NULL;
    int dice = g_rand_int_range(ledger->random, 0, 10);
    if (!vm || (dice < 4 && vms->len < TRIPLES_MAX))
        triple_create(ledger, txn);
    else if (dice < 6)
        triple_destroy(ledger, txn, vm);
    else if (dice < 8)
        text_change(ledger, txn, vm);
    if (dice > 4)
        journal_change(ledger, txn);
    guint64 generation = txn_commit(txn, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(generation, >, 0);
    enter(ledger, print_of(ledger->model), LEDGER_NEVER, LEDGER_NEVER);
}

bool
ledger_write(struct ledger *ledger, GError **error)
{
    guint n = ledger->waiting->len, first = ledger->entries->len - n;
    const struct model_changes *oldest = ledger->waiting->pdata[0];
    const struct model_changes *newest = ledger->waiting->pdata[n - 1];
    g_autoptr(GError) why = NULL;

    for (guint i = first; i < ledger->entries->len; i++)
        entry_at(ledger, i)->begun = ledger->disk->log->len;
    bool ok = database_write(ledger->database, ledger->waiting, &why);
    for (guint i = first; ok && i < ledger->entries->len; i++)
        entry_at(ledger, i)->acknowledged = ledger->disk->log->len;
    model_committed(ledger->model, ok ? newest->generation : oldest->generation, why);
    if (!ok)
        g_propagate_error(error, g_steal_pointer(&why));
    g_ptr_array_set_size(ledger->waiting, 0);
    return ok;
}

bool
ledger_commit(struct ledger *ledger, guint n, GError **error)
{
    for (guint i = 0; i < n; i++)
        ledger_change(ledger);
    return ledger_write(ledger, error);
}
