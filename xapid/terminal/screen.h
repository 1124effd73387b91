/* A terminal as pixels: takes what a guest writes, which may be anything, and shows it; makes of
 * keys what the guest reads.  Does no input or output.  One thread. */
#ifndef XAPID_TERMINAL_SCREEN_H
#define XAPID_TERMINAL_SCREEN_H

#include <glib.h>
#include <stdbool.h>
#include <vterm.h>

#include "xapid/terminal/font.h"

/* What programs expect of a terminal that tells no size. */
#define SCREEN_ROWS 24
#define SCREEN_COLUMNS 80
#define SCREEN_WIDTH (SCREEN_COLUMNS * FONT_WIDTH)
#define SCREEN_HEIGHT (SCREEN_ROWS * FONT_HEIGHT)

struct screen;

/* What it says by itself: bytes for the guest, and a bell. */
struct screen_callbacks {
    void (*send)(const char *bytes, gsize length, void *data);
    void (*bell)(void *data);
};

/* Both borrowed for its life. */
struct screen *screen_new(const struct font *font, const struct screen_callbacks *callbacks,
                          void *data);
void screen_free(struct screen *screen);
void screen_write(struct screen *screen, const void *bytes, gsize length);
/* A character, or a key that is none (VTERM_KEY_NONE: there is no such). */
void screen_type(struct screen *screen, gunichar character, VTermModifier modifiers);
void screen_press(struct screen *screen, VTermKey key, VTermModifier modifiers);

/* SCREEN_WIDTH * SCREEN_HEIGHT, each red | green << 8 | blue << 16, as of the last draw. */
guint32 *screen_pixels(struct screen *screen);
/* Draws what has changed; false: nothing.  The rectangle, in pixels, holds all of it. */
bool screen_draw(struct screen *screen, int *ret_left, int *ret_top, int *ret_right,
                 int *ret_bottom);

#endif
