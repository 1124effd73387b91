#include "config.h"

#include "xapid/calls/texts.h"

struct entry {
    char *ref;
    bool json;
    guint64 generation;
    GString *text;
    guint place; /* in the list */
};

struct texts {
    GHashTable *entries; /* set of struct entry, by ref and form */
    GPtrArray *list;     /* the same, owned */
    gsize bytes;
};

static guint
entry_hash(const void *data)
{
    const struct entry *entry = data;

    return g_str_hash(entry->ref) ^ (guint)entry->json;
}

static gboolean
entry_equal(const void *a, const void *b)
{
    const struct entry *one = a, *other = b;

    return one->json == other->json && g_str_equal(one->ref, other->ref);
}

static gsize
entry_size(const struct entry *entry)
{
    return sizeof *entry + entry->text->allocated_len;
}

static void
entry_free(void *data)
{
    struct entry *entry = data;

    g_string_free(entry->text, TRUE);
    g_free(entry->ref);
    g_free(entry);
}

struct texts *
texts_new(void)
{
    struct texts *texts = g_new0(struct texts, 1);

    texts->entries = g_hash_table_new(entry_hash, entry_equal);
    texts->list = g_ptr_array_new_with_free_func(entry_free);
    return texts;
}

void
texts_free(struct texts *texts)
{
    g_hash_table_unref(texts->entries);
    g_ptr_array_unref(texts->list);
    g_free(texts);
}

static struct entry *
find(const struct texts *texts, const char *ref, bool json)
{
    const struct entry key = {.ref = (char *)ref, .json = json};

    return g_hash_table_lookup(texts->entries, &key);
}

const GString *
texts_find(const struct texts *texts, const char *ref, bool json, guint64 generation)
{
    const struct entry *entry = find(texts, ref, json);

    return entry && entry->generation == generation ? entry->text : NULL;
}

static void
let_go(struct texts *texts, struct entry *entry)
{
    guint place = entry->place;

    texts->bytes -= entry_size(entry);
    g_hash_table_remove(texts->entries, entry);
    g_ptr_array_remove_index_fast(texts->list, place);
    if (place < texts->list->len) {
        struct entry *moved = texts->list->pdata[place];
        moved->place = place;
    }
}

/* Any of them goes: if it were the oldest, nothing would be found of a list that is longer than
 * what is kept, and is asked for again and again. */
static void
make_room(struct texts *texts, gsize bytes)
{
    while (texts->list->len && texts->bytes + bytes > TEXTS_MAX_BYTES)
        let_go(texts, texts->list->pdata[g_random_int_range(0, (gint32)texts->list->len)]);
}

const GString *
texts_keep(struct texts *texts, const char *ref, bool json, guint64 generation, GString *text)
{
    struct entry *entry = find(texts, ref, json);

    if (entry)
        let_go(texts, entry);
    entry = g_new0(struct entry, 1);
    *entry =
        (struct entry){.ref = g_strdup(ref), .json = json, .generation = generation, .text = text};
    make_room(texts, entry_size(entry));
    entry->place = texts->list->len;
    g_ptr_array_add(texts->list, entry);
    g_hash_table_add(texts->entries, entry);
    texts->bytes += entry_size(entry);
    return text;
}
