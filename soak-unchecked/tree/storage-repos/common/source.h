/* The disk that another one is copied from, of any repository: what its vdi.attach answered. */
#ifndef XAPID_STORAGE_SOURCE_H
#define XAPID_STORAGE_SOURCE_H

#include <glib.h>
#include <stdbool.h>

struct source {
    GVariant *told; /* the rest is borrowed from it */
    const char *path, *format;
    bool block;
    char **bases; /* paths; NULL: none */
};

typedef struct source source_t;
void source_clear(struct source *source);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(source_t, source_clear)

/* args' source; INVALID_VALUE ["source", path] when it does not say where it is, and what. */
bool source_read(GVariant *args, source_t *ret_source, GError **error);
/* As qemu-img takes it behind -f FORMAT, so that it asks no header for anything: the caller's. */
char *source_words(const struct source *source);

#endif
