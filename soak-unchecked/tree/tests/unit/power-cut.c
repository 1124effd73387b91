/* See power-cut.h. */
#include "config.h"

#include "tests/unit/power-cut.h"

#include <string.h>

#define SECTOR 512
#define PAGE 4096
#define NO_FILE G_MAXUINT

/* A file, or rather what the disk has of it. */
struct content {
    GByteArray *bytes; /* for sure */
    GArray *pending;   /* guint: operations of the log that may have been done */
    bool lies;         /* when it is synced */
};

struct name {
    char *text;
    guint file;      /* for sure; NO_FILE: there is none */
    GArray *pending; /* guint: what it was of after that */
};

struct power_cut {
    const struct disk *disk;
    GRand *random;
    guint position;
    unsigned ignored;
    GPtrArray *contents; /* struct content, by the file's number */
    GPtrArray *names;    /* struct name */
};

static void
content_free(void *data)
{
    struct content *content = data;

    g_byte_array_unref(content->bytes);
    g_array_unref(content->pending);
    g_free(content);
}

static void
name_free(void *data)
{
    struct name *name = data;

    g_array_unref(name->pending);
    g_free(name->text);
    g_free(name);
}

static struct name *
name_of(struct power_cut *cut, const char *text)
{
    for (guint i = 0; i < cut->names->len; i++) {
        struct name *name = cut->names->pdata[i];
        if (g_str_equal(name->text, text))
            return name;
    }
    struct name *name = g_new(struct name, 1);
    *name = (struct name){.text = g_strdup(text),
                          .file = NO_FILE,
                          .pending = g_array_new(FALSE, FALSE, sizeof(guint))};
    g_ptr_array_add(cut->names, name);
    return name;
}

struct power_cut *
power_cut_new(const struct disk *disk, unsigned ignored, const char *suffix, GRand *random)
{
    struct power_cut *cut = g_new(struct power_cut, 1);

    *cut = (struct power_cut){.disk = disk,
                              .ignored = ignored,
                              .random = random,
                              .contents = g_ptr_array_new_with_free_func(content_free),
                              .names = g_ptr_array_new_with_free_func(name_free)};
    for (guint i = 0; i < disk_n_files(disk); i++) {
        struct content *content = g_new(struct content, 1);
        *content = (struct content){.bytes = g_byte_array_new(),
                                    .pending = g_array_new(FALSE, FALSE, sizeof(guint))};
        g_ptr_array_add(cut->contents, content);
    }
    for (guint i = 0; ignored & DISK_SYNC && i < disk->log->len; i++) {
        const struct disk_op *op = &g_array_index(disk->log, struct disk_op, i);
        if (op->call == DISK_OPEN && g_str_has_suffix(op->name, suffix))
            ((struct content *)cut->contents->pdata[op->file])->lies = true;
    }
    return cut;
}

void
power_cut_free(struct power_cut *cut)
{
    g_ptr_array_unref(cut->contents);
    g_ptr_array_unref(cut->names);
    g_free(cut);
}

guint
power_cut_position(const struct power_cut *cut)
{
    return cut->position;
}

static bool
chance(struct power_cut *cut, double of)
{
    return g_rand_double(cut->random) < of;
}

/* --- onto bytes --- */

static void
resize(struct power_cut *cut, GByteArray *bytes, gint64 size)
{
    guint before = bytes->len;

    g_byte_array_set_size(bytes, (guint)size);
    /* What the disk has there is either nothing or something old. */
    if (size > before)
        memset(bytes->data + before, chance(cut, 0.5) ? 0 : 0xa5, (gsize)size - before);
}

static void
put(struct power_cut *cut, GByteArray *bytes, gint64 offset, const guint8 *from, gsize n)
{
    if (offset + (gint64)n > bytes->len)
        resize(cut, bytes, offset + (gint64)n);
    memcpy(bytes->data + offset, from, n);
}

/* Of a write, the sectors (or pages) for which the dice say so; `first`: these, and no others. */
static void
put_part(struct power_cut *cut, GByteArray *bytes, const struct disk_op *op, double of,
         const guint *first)
{
    gint64 unit = first || chance(cut, 0.5) ? SECTOR : PAGE;
    gsize n;
    const guint8 *from = g_bytes_get_data(op->bytes, &n);
    guint done = 0;

    for (gint64 at = op->offset; at < op->offset + (gint64)n; done++) {
        gint64 end = MIN((at / unit + 1) * unit, op->offset + (gint64)n);
        if (first ? done < *first : chance(cut, of))
            put(cut, bytes, at, from + (at - op->offset), (gsize)(end - at));
        at = end;
    }
}

static void
put_whole(struct power_cut *cut, GByteArray *bytes, const struct disk_op *op)
{
    if (op->call == DISK_TRUNCATE) {
        resize(cut, bytes, op->offset);
        return;
    }
    gsize n;
    const void *from = g_bytes_get_data(op->bytes, &n);
    put(cut, bytes, op->offset, from, n);
}

/* Whole with the chance `of`, or a part of it, or nothing, or room for it. */
static void
put_random(struct power_cut *cut, GByteArray *bytes, const struct disk_op *op, double of)
{
    if (chance(cut, of))
        put_whole(cut, bytes, op);
    else if (op->call == DISK_WRITE && chance(cut, 0.3))
        put_part(cut, bytes, op, 0.5, NULL);
    else if (op->call == DISK_WRITE && chance(cut, 0.1)) {
        gint64 end = op->offset + (gint64)g_bytes_get_size(op->bytes);
        if (end > bytes->len)
            resize(cut, bytes, end);
    }
}

/* --- on along the log --- */

static double
any_chance(struct power_cut *cut)
{
    static const double chances[] = {0, 0.1, 0.5, 0.9, 0.98};

    return chances[g_rand_int_range(cut->random, 0, G_N_ELEMENTS(chances))];
}

static const struct disk_op *
op_at(const struct power_cut *cut, guint position)
{
    return &g_array_index(cut->disk->log, struct disk_op, position);
}

static void
content_sync(struct power_cut *cut, struct content *content, bool failed)
{
    double of = any_chance(cut);

    for (guint i = 0; i < content->pending->len; i++) {
        const struct disk_op *op = op_at(cut, g_array_index(content->pending, guint, i));
        if (failed)
            put_random(cut, content->bytes, op, of);
        else
            put_whole(cut, content->bytes, op);
    }
    g_array_set_size(content->pending, 0);
}

static void
names_sync(struct power_cut *cut)
{
    for (guint i = 0; i < cut->names->len; i++) {
        struct name *name = cut->names->pdata[i];
        if (name->pending->len)
            name->file = g_array_index(name->pending, guint, name->pending->len - 1);
        g_array_set_size(name->pending, 0);
    }
}

bool
power_cut_next(struct power_cut *cut)
{
    if (cut->position == cut->disk->log->len)
        return false;
    guint position = cut->position++;
    const struct disk_op *op = op_at(cut, position);
    struct content *content = cut->contents->pdata[op->file];
    guint file = op->call == DISK_OPEN ? op->file : NO_FILE;
    switch (op->call) {
    case DISK_OPEN:
    case DISK_DELETE:
        g_array_append_val(name_of(cut, op->name)->pending, file);
        break;
    case DISK_SYNC:
        if (!content->lies)
            content_sync(cut, content, op->failed);
        break;
    case DISK_SYNC_FOLDER:
        if (!(cut->ignored & DISK_SYNC_FOLDER))
            names_sync(cut);
        break;
    default:
        g_array_append_val(content->pending, position);
    }
    return true;
}

/* --- off --- */

static GByteArray *
content_image(struct power_cut *cut, const struct content *content, enum power_cut_kind kind)
{
    GByteArray *bytes = g_byte_array_sized_new(content->bytes->len + PAGE);
    double of = any_chance(cut);

    g_byte_array_append(bytes, content->bytes->data, content->bytes->len);
    for (guint i = 0; kind != POWER_CUT_NOTHING && i < content->pending->len; i++) {
        guint position = g_array_index(content->pending, guint, i);
        const struct disk_op *op = op_at(cut, position);
        if (kind == POWER_CUT_RANDOM) {
            put_random(cut, bytes, op, of);
        } else if (kind == POWER_CUT_TORN && position + 1 == cut->position &&
                   op->call == DISK_WRITE) {
            guint n = (guint)g_bytes_get_size(op->bytes) / SECTOR + 1;
            guint first = (guint)g_rand_int_range(cut->random, 0, (gint32)n);
            put_part(cut, bytes, op, 0, &first);
        } else {
            put_whole(cut, bytes, op);
        }
    }
    return bytes;
}

GHashTable *
power_cut_image(struct power_cut *cut, enum power_cut_kind kind)
{
    GHashTable *image =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_byte_array_unref);

    for (guint i = 0; i < cut->names->len; i++) {
        const struct name *name = cut->names->pdata[i];
        gint32 n = (gint32)name->pending->len;
        gint32 done = kind == POWER_CUT_NOTHING  ? 0
                      : kind == POWER_CUT_RANDOM ? g_rand_int_range(cut->random, 0, n + 1)
                                                 : n;
        guint file = done ? g_array_index(name->pending, guint, done - 1) : name->file;
        if (file != NO_FILE)
            g_hash_table_insert(image, name->text,
                                content_image(cut, cut->contents->pdata[file], kind));
    }
    return image;
}
