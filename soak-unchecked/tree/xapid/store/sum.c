/* Checksums of what is stored: sqlite3 has none of its own, and a flipped bit inside a text would
 * pass for another text. */
#include "config.h"

#include <string.h>

#include "xapid/store/internal.h"

static void
add_text(GChecksum *checksum, const char *text)
{
    /* With the NUL, so that no two pairs of texts are the same bytes. */
    g_checksum_update(checksum, (const guchar *)text, (gssize)strlen(text) + 1);
}

static void
add_int(GChecksum *checksum, gint64 number)
{
    gint64 bytes = GINT64_TO_LE(number);

    g_checksum_update(checksum, (const guchar *)&bytes, sizeof bytes);
}

/* The first 63 bits of the digest. */
static gint64
finish(GChecksum *checksum)
{
    guint8 digest[32];
    gsize length = sizeof digest;
    guint64 sum;

    g_checksum_get_digest(checksum, digest, &length);
    g_checksum_free(checksum);
    memcpy(&sum, digest, sizeof sum);
    return (gint64)(GUINT64_FROM_LE(sum) >> 1);
}

gint64
row_sum(const char *cls, const char *ref, gint64 created, gint64 modified, const void *fields,
        gsize size)
{
    GChecksum *checksum = g_checksum_new(G_CHECKSUM_SHA256);

    add_text(checksum, cls);
    add_text(checksum, ref);
    add_int(checksum, created);
    add_int(checksum, modified);
    g_checksum_update(checksum, fields, (gssize)size);
    return finish(checksum);
}

gint64
journal_sum(const char *key, const void *value, gsize size)
{
    GChecksum *checksum = g_checksum_new(G_CHECKSUM_SHA256);

    add_text(checksum, key);
    g_checksum_update(checksum, value, (gssize)size);
    return finish(checksum);
}
