/* Feeds bytes to a terminal as its guest would write them, with keys in between, and checks what it
 * draws and answers. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "xapid/terminal/keys.h"
#include "xapid/terminal/screen.h"

#define PIECE 1024
#define GLYPHS 256
#define ANSWERS_MAX_EACH 64 /* bytes of an answer to a byte of a guest */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
    if (!holds)
        abort();
}

/* The only glyph is U+FFFD's. */
static struct font *
make_font(void)
{
    const size_t glyphs = 4 + GLYPHS * FONT_HEIGHT;
    uint8_t file[4 + GLYPHS * FONT_HEIGHT + 4] = {0x36, 0x04, 2, FONT_HEIGHT};

    memset(file + 4, 0x55, FONT_HEIGHT);
    memcpy(file + glyphs, "\xfd\xff\xff\xff", 4);
    return font_parse(file, sizeof file, NULL);
}

static void
answered(const char *bytes, gsize length, void *data)
{
    gsize *sum = data;

    require(length > 0 && bytes);
    *sum += length;
}

static void
rang(void *data)
{
    (void)data;
}

static void
draw(struct screen *screen)
{
    int left, top, right, bottom;

    if (screen_draw(screen, &left, &top, &right, &bottom))
        require(left >= 0 && left < right && right <= SCREEN_WIDTH && top >= 0 && top < bottom &&
                bottom <= SCREEN_HEIGHT);
    for (int i = 0; i < SCREEN_WIDTH * SCREEN_HEIGHT; i += SCREEN_WIDTH)
        require(screen_pixels(screen)[i] <= 0xffffff);
    require(!screen_draw(screen, &left, &top, &right, &bottom));
}

static void
press(struct screen *screen, const uint8_t *data)
{
    uint32_t symbol = data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16;

    if (key_character(symbol))
        screen_type(screen, key_character(symbol), data[3] & VTERM_ALL_MODS_MASK);
    else
        screen_press(screen, key_function(symbol), data[3] & VTERM_ALL_MODS_MASK);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct screen_callbacks callbacks = {.send = answered, .bell = rang};
    static struct font *font;
    gsize answers = 0;

    if (!font)
        font = make_font();
    struct screen *screen = screen_new(font, &callbacks, &answers);
    for (size_t at = 0; at < size; at += PIECE) {
        size_t length = MIN(size - at, (size_t)PIECE);

        screen_write(screen, data + at, length);
        if (length >= 4)
            press(screen, data + at);
        draw(screen);
    }
    require(answers <= (size + 1) * ANSWERS_MAX_EACH);
    screen_free(screen);
    return 0;
}
