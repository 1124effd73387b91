#include "config.h"

#include "xapid/terminal/filter.h"

#include <stdbool.h>
#include <string.h>

#define ESCAPE 0x1b
#define REPEAT 'b' /* the last character, so often */

struct filter {
    VTerm *parser; /* knows what ends where, and nothing else */
    VTerm *terminal;
    char last[4]; /* the last character */
    gsize last_length;
};

static void
pass(struct filter *filter, const char *bytes, gsize length)
{
    vterm_input_write(filter->terminal, bytes, length);
}

static void
remember_last(struct filter *filter, const char *bytes, gsize length)
{
    const char *at = bytes + length;

    do
        at--;
    while (at > bytes && ((guchar)*at & 0xc0) == 0x80);
    gsize last = (gsize)(bytes + length - at);
    filter->last_length =
        last <= sizeof filter->last && g_utf8_validate(at, (gssize)last, NULL) ? last : 0;
    memcpy(filter->last, at, filter->last_length);
}

/* Of all that is left, what there is before the next control character. */
static int
text(const char *bytes, size_t length, void *data)
{
    gsize n = 0;

    while (n < length && (guchar)bytes[n] >= 0x20 && bytes[n] != 0x7f)
        n++;
    if (n == 0)
        return 0;
    pass(data, bytes, n);
    remember_last(data, bytes, n);
    return (int)n;
}

static int
control(unsigned char byte, void *data)
{
    const char escaped[] = {ESCAPE, (char)(byte - 0x40)};
    const char plain = (char)byte;

    if (byte < 0x80)
        pass(data, &plain, 1);
    else
        pass(data, escaped, sizeof escaped);
    return 1;
}

static int
escape(const char *bytes, size_t length, void *data)
{
    g_autofree char *whole = g_strdup_printf("%c%.*s", ESCAPE, (int)length, bytes);

    pass(data, whole, strlen(whole));
    return 1;
}

static void
repeat(struct filter *filter, long times)
{
    for (long i = 0; filter->last_length > 0 && i < MIN(times, FILTER_REPEATS_MAX); i++)
        pass(filter, filter->last, filter->last_length);
}

static int
sequence(const char *leader, const long arguments[], int n, const char *between, char command,
         void *data)
{
    g_autoptr(GString) whole = g_string_new(NULL);

    if (command == REPEAT && !leader && !between) {
        repeat(data, n > 0 ? CSI_ARG_COUNT(arguments[0]) : 1);
        return 1;
    }
    g_string_append_printf(whole, "%c[%s", ESCAPE, leader ? leader : "");
    for (int i = 0; i < n; i++) {
        if (!CSI_ARG_IS_MISSING(arguments[i]))
            g_string_append_printf(whole, "%ld",
                                   (long)MIN(CSI_ARG(arguments[i]), FILTER_NUMBER_MAX));
        if (i + 1 < n)
            g_string_append_c(whole, CSI_ARG_HAS_MORE(arguments[i]) ? ':' : ';');
    }
    g_string_append_printf(whole, "%s%c", between ? between : "", command);
    pass(data, whole->str, whole->len);
    return 1;
}

/* Titles, and questions that no guest asks at a text console. */
static int
leave_out(const char *bytes, size_t length, void *data)
{
    (void)bytes;
    (void)length;
    (void)data;
    return 1;
}

struct filter *
filter_new(VTerm *terminal)
{
    static const VTermParserCallbacks callbacks = {.text = text,
                                                   .control = control,
                                                   .escape = escape,
                                                   .csi = sequence,
                                                   .osc = leave_out,
                                                   .dcs = leave_out};
    struct filter *filter = g_new0(struct filter, 1);

    filter->terminal = terminal;
    filter->parser = vterm_new(1, 1);
    vterm_set_utf8(filter->parser, 1);
    vterm_parser_set_callbacks(filter->parser, &callbacks, filter);
    return filter;
}

void
filter_free(struct filter *filter)
{
    if (!filter)
        return;
    vterm_free(filter->parser);
    g_free(filter);
}

void
filter_write(struct filter *filter, const void *bytes, gsize length)
{
    vterm_input_write(filter->parser, bytes, length);
}
