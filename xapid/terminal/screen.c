#include "config.h"

#include "xapid/terminal/screen.h"

#include "xapid/terminal/filter.h"

struct screen {
    const struct font *font;
    const struct screen_callbacks *callbacks;
    void *data;
    VTerm *terminal;
    struct filter *filter; /* what is written to it passes */
    VTermScreen *cells;
    VTermRect changed; /* empty: nothing */
    VTermPos cursor;
    bool shows_cursor;
    guint32 *pixels;
};

static void
add_change(struct screen *screen, VTermRect rect)
{
    VTermRect *changed = &screen->changed;

    if (changed->end_row <= changed->start_row) {
        *changed = rect;
        return;
    }
    changed->start_row = MIN(changed->start_row, rect.start_row);
    changed->end_row = MAX(changed->end_row, rect.end_row);
    changed->start_col = MIN(changed->start_col, rect.start_col);
    changed->end_col = MAX(changed->end_col, rect.end_col);
}

static void
add_changed_cell(struct screen *screen, VTermPos at)
{
    add_change(screen, (VTermRect){.start_row = at.row,
                                   .end_row = at.row + 1,
                                   .start_col = at.col,
                                   .end_col = at.col + 1});
}

/* ---- what vterm tells ---- */

static int
damaged(VTermRect rect, void *data)
{
    add_change(data, rect);
    return 1;
}

static int
moved_cursor(VTermPos to, VTermPos from, int visible, void *data)
{
    struct screen *screen = data;

    (void)visible;
    add_changed_cell(screen, from);
    add_changed_cell(screen, to);
    screen->cursor = to;
    return 1;
}

static int
set_property(VTermProp property, VTermValue *value, void *data)
{
    struct screen *screen = data;

    if (property == VTERM_PROP_CURSORVISIBLE) {
        screen->shows_cursor = value->boolean;
        add_changed_cell(screen, screen->cursor);
    }
    return 1;
}

static int
rang(void *data)
{
    struct screen *screen = data;

    screen->callbacks->bell(screen->data);
    return 1;
}

static void
send(const char *bytes, size_t length, void *data)
{
    struct screen *screen = data;

    screen->callbacks->send(bytes, length, screen->data);
}

/* ---- pixels ---- */

static guint32
pixel_of(const struct screen *screen, VTermColor color)
{
    vterm_screen_convert_color_to_rgb(screen->cells, &color);
    return color.rgb.red | (guint32)color.rgb.green << 8 | (guint32)color.rgb.blue << 16;
}

static void
draw_cell(struct screen *screen, VTermPos at)
{
    VTermScreenCell cell;

    if (!vterm_screen_get_cell(screen->cells, at, &cell))
        return;
    bool cursor =
        screen->shows_cursor && at.row == screen->cursor.row && at.col == screen->cursor.col;
    guint32 ink = pixel_of(screen, cell.fg), paper = pixel_of(screen, cell.bg);
    if (cell.attrs.reverse != cursor) {
        guint32 other = ink;
        ink = paper;
        paper = other;
    }
    /* The right half of a wide character has none of its own. */
    gunichar character = cell.chars[0] && cell.chars[0] != (uint32_t)-1 ? cell.chars[0] : ' ';
    const guint8 *glyph = font_glyph(screen->font, character);
    for (int y = 0; y < FONT_HEIGHT; y++) {
        guint32 *line =
            screen->pixels + (at.row * FONT_HEIGHT + y) * SCREEN_WIDTH + at.col * FONT_WIDTH;
        guint8 bits = cell.attrs.underline && y == FONT_HEIGHT - 1 ? 0xff : glyph[y];
        for (int x = 0; x < FONT_WIDTH; x++)
            line[x] = bits & 0x80 >> x ? ink : paper;
    }
}

guint32 *
screen_pixels(struct screen *screen)
{
    return screen->pixels;
}

bool
screen_draw(struct screen *screen, int *ret_left, int *ret_top, int *ret_right, int *ret_bottom)
{
    vterm_screen_flush_damage(screen->cells);
    VTermRect rect = screen->changed;
    rect.start_row = MAX(rect.start_row, 0);
    rect.start_col = MAX(rect.start_col, 0);
    rect.end_row = MIN(rect.end_row, SCREEN_ROWS);
    rect.end_col = MIN(rect.end_col, SCREEN_COLUMNS);
    screen->changed = (VTermRect){0};
    if (rect.end_row <= rect.start_row || rect.end_col <= rect.start_col)
        return false;
    for (int row = rect.start_row; row < rect.end_row; row++)
        for (int column = rect.start_col; column < rect.end_col; column++)
            draw_cell(screen, (VTermPos){row, column});
    *ret_left = rect.start_col * FONT_WIDTH;
    *ret_top = rect.start_row * FONT_HEIGHT;
    *ret_right = rect.end_col * FONT_WIDTH;
    *ret_bottom = rect.end_row * FONT_HEIGHT;
    return true;
}

/* ---- in and out ---- */

void
screen_write(struct screen *screen, const void *bytes, gsize length)
{
    filter_write(screen->filter, bytes, length);
}

void
screen_type(struct screen *screen, gunichar character, VTermModifier modifiers)
{
    vterm_keyboard_unichar(screen->terminal, character, modifiers);
}

void
screen_press(struct screen *screen, VTermKey key, VTermModifier modifiers)
{
    if (key != VTERM_KEY_NONE)
        vterm_keyboard_key(screen->terminal, key, modifiers);
}

struct screen *
screen_new(const struct font *font, const struct screen_callbacks *callbacks, void *data)
{
    static const VTermScreenCallbacks told = {
        .damage = damaged, .movecursor = moved_cursor, .settermprop = set_property, .bell = rang};
    struct screen *screen = g_new0(struct screen, 1);

    screen->font = font;
    screen->callbacks = callbacks;
    screen->data = data;
    screen->shows_cursor = true;
    screen->pixels = g_new0(guint32, SCREEN_WIDTH * SCREEN_HEIGHT);
    screen->terminal = vterm_new(SCREEN_ROWS, SCREEN_COLUMNS);
    vterm_set_utf8(screen->terminal, 1);
    screen->filter = filter_new(screen->terminal);
    vterm_output_set_callback(screen->terminal, send, screen);
    screen->cells = vterm_obtain_screen(screen->terminal);
    vterm_screen_set_callbacks(screen->cells, &told, screen);
    vterm_screen_enable_altscreen(screen->cells, 1);
    vterm_screen_set_damage_merge(screen->cells, VTERM_DAMAGE_SCREEN);
    vterm_state_set_bold_highbright(vterm_obtain_state(screen->terminal), 1);
    vterm_screen_reset(screen->cells, /* hard= */ 1);
    return screen;
}

void
screen_free(struct screen *screen)
{
    if (!screen)
        return;
    filter_free(screen->filter);
    vterm_free(screen->terminal);
    g_free(screen->pixels);
    g_free(screen);
}
