/* A font of 8 by 16 pixels, as Linux's console has them: PSF, version 1, with its table of
 * characters.  Any thread. */
#ifndef XAPID_TERMINAL_FONT_H
#define XAPID_TERMINAL_FONT_H

#include <glib.h>

#define FONT_FILE "/usr/share/consolefonts/Unifont-APL8x16.psf.gz" /* of Debian's psf-unifont */
#define FONT_WIDTH 8
#define FONT_HEIGHT 16
#define FONT_BYTES_MAX (64 * 1024) /* of an unpacked file */

struct font;

/* NULL with an error.  A file may be packed by gzip. */
struct font *font_load(const char *path, GError **error);
struct font *font_parse(const guint8 *bytes, gsize length, GError **error);
void font_free(struct font *font);
/* FONT_HEIGHT bytes, a line each, the highest bit on the left.  A character that is not there looks
 * like U+FFFD, or like a blank. */
const guint8 *font_glyph(const struct font *font, gunichar character);

#endif
