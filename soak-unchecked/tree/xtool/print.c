/* Output; see print.h. */
#include "config.h"

#include "xtool/print.h"

#include <string.h>
#include <unistd.h>

char *
text_printable(const char *text)
{
    GString *out = g_string_new(NULL);

    for (const char *p = text; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);

        if (c == '\n')
            g_string_append(out, "\\n");
        else if (c == '\t')
            g_string_append(out, "\\t");
        else if (g_unichar_iscntrl(c))
            g_string_append_printf(out, "\\x%02x", c);
        else if (g_unichar_type(c) == G_UNICODE_FORMAT)
            g_string_append_printf(out, "\\u%04x", c); /* turns the direction of what follows */
        else
            g_string_append_unichar(out, c);
    }
    return g_string_free(out, FALSE);
}

char *
text_for(FILE *out, const char *text)
{
    return isatty(fileno(out)) ? text_printable(text) : g_strdup(text);
}

void
print_block(FILE *out, const char *const *names, const char *const *values, unsigned n)
{
    size_t width = 0;

    for (unsigned i = 0; i < n; i++)
        width = MAX(width, strlen(names[i]));
    width += 4;
    for (unsigned i = 0; i < n; i++) {
        g_autofree char *value = text_for(out, values[i]);
        fprintf(out, i ? "%*s: %s\n" : "%-*s: %s\n", (int)width, names[i], value);
    }
    fputs("\n\n", out);
}

unsigned
text_width(const char *text)
{
    unsigned width = 0;

    for (const char *p = text; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);
        width += g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
    }
    return width;
}

static void
print_row(FILE *out, const char *const *cells, const unsigned *widths, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        unsigned pad = i + 1 < n ? widths[i] - text_width(cells[i]) + 2 : 0;
        fprintf(out, "%s%*s", cells[i], (int)pad, "");
    }
}

void
print_table(FILE *out, const char *const *titles, unsigned n_columns, const char *const *cells,
            unsigned n_rows)
{
    bool colour = isatty(fileno(out)) && !g_getenv("NO_COLOR");
    g_autofree unsigned *widths = g_new0(unsigned, n_columns);
    g_auto(GStrv) texts = g_new0(char *, (gsize)n_rows *n_columns + 1);

    for (unsigned i = 0; i < n_columns; i++)
        widths[i] = text_width(titles[i]);
    for (unsigned i = 0; i < n_rows * n_columns; i++) {
        texts[i] = text_printable(cells[i]);
        widths[i % n_columns] = MAX(widths[i % n_columns], text_width(texts[i]));
    }
    fputs(colour ? "\033[1m" : "", out);
    print_row(out, titles, widths, n_columns);
    fputs(colour ? "\033[0m\n" : "\n", out);
    for (unsigned i = 0; i < n_rows; i++) {
        print_row(out, (const char *const *)texts + (gsize)i * n_columns, widths, n_columns);
        fputc('\n', out);
    }
}

void
print_minimal(FILE *out, const char *const *values, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        g_autofree char *value = text_for(out, values[i]);
        if (i)
            fputc(',', out);
        for (const char *p = value; *p; p++) {
            if (*p == ',' || *p == '\\')
                fputc('\\', out);
            fputc(*p, out);
        }
    }
    fputc('\n', out);
}
