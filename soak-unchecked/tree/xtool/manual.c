/* The manual; see manual.h. */
#include "config.h"

#include "xtool/manual.h"

#include <string.h>

#include "xtool/xl.h"

#define MANUAL_DATE "2026-11-29" /* of this text */
#define TEXT_COLUMN 12
#define TEXT_WIDTH 76
#define PAGE_WIDTH 60 /* of a line of the page's source, about */

static const struct {
    const char *title, *text;
} paragraphs[] = {
    {"Objects",
     "vm=NAME or vm=UUID (host=, sr=), uuid=UUID, or any field as a filter: "
     "power-state=halted, other-config:folder=/x, tags:contains=web. Where more than one "
     "matches, --multiple does it to all of them."},
    {"Lists",
     "CLASS-list: a table. params=all or params=FIELD,FIELD: blocks as xe prints. --minimal: "
     "the first field alone, comma separated. --json: all fields."},
    {"Fields", "CLASS-param-list, -get, -set, -add, -remove, -clear."},
    {"Server",
     "Root in dom0 needs nothing: the unix socket " SERVER_SOCKET ". -s SERVER (or the path "
     "of a socket), -p PORT, -u USER, -pw PASSWORD, or -pwf FILE with the user on the first "
     "line and the password on the second. TLS, and the certificate is checked: by the "
     "system's authorities, by --fingerprint SHA256, or by ~/.config/xapid/known_hosts; "
     "--trust adds the server there. --nossl: without TLS, on port 80."},
    {"Defaults", "XE_EXTRA_ARGS (server=a,username=b), ~/.xe (lines key=value), XTOOL_SERVER."},
    {"Progress",
     "On a terminal a call that takes longer than a second shows how far it is, on stderr and "
     "until it ends; not with --minimal or --json."},
    {"As xe", "A link of the name xe makes it print and exit exactly as xe does: "
              "ln -s xtool /usr/local/bin/xe"},
};

static const struct {
    enum xtool_exit code;
    const char *text, *more;
} exits[] = {
    {EXIT_DONE, "done", ""},
    {EXIT_FAILED, "refused or failed", " Called by the name xe: whatever went wrong."},
    {EXIT_USAGE, "wrong usage", ""},
    {EXIT_CONNECTION, "no connection or no trust", ""},
    {EXIT_INTERRUPTED, "interrupted",
     " What the server was doing then goes on; task-list and task-cancel follow and end it."},
};

void
manual_print(FILE *out)
{
    fputs("\nusage: xtool COMMAND [KEY=VALUE | --FLAG]...\n\n", out);
    for (size_t i = 0; i < G_N_ELEMENTS(paragraphs); i++) {
        g_auto(GStrv) words = g_strsplit(paragraphs[i].text, " ", -1);
        size_t column = TEXT_COLUMN;
        fprintf(out, "%-*s", TEXT_COLUMN, paragraphs[i].title);
        for (unsigned j = 0; words[j]; j++) {
            bool wrap = j && column + 1 + strlen(words[j]) > TEXT_COLUMN + TEXT_WIDTH;
            if (wrap)
                fprintf(out, "\n%*s", TEXT_COLUMN, "");
            else if (j)
                fputc(' ', out);
            fputs(words[j], out);
            column = wrap ? TEXT_COLUMN + strlen(words[j]) : column + (j > 0) + strlen(words[j]);
        }
        fputc('\n', out);
    }
    fprintf(out, "%-*s", TEXT_COLUMN, "Exit codes");
    for (size_t i = 0; i < G_N_ELEMENTS(exits); i++)
        fprintf(out, "%s%d %s", i ? ", " : "", exits[i].code, exits[i].text);
    fputs(".\n", out);
}

char *
manual_alias(const struct xt_alias *alias)
{
    GString *out = g_string_new(alias->name);
    char *key;

    for (const struct xt_switch *own = alias->switches; own->word; own++) {
        g_autofree char *value = g_ascii_strup(own->key, -1);
        g_string_append_printf(out, " [%s%s%s]", own->word, own->takes_value ? " " : "",
                               own->takes_value ? value : "");
    }
    for (unsigned i = 0; (key = xl_word(alias, i)); i++) {
        bool named = g_str_equal(key, "vm") || g_str_equal(key, "uuid") || g_str_equal(key, "host");
        g_autofree char *shown = g_ascii_strup(named ? "name" : key, -1);
        g_string_append_printf(out, xl_needs(alias, i) ? " %s" : " [%s]", shown);
        g_free(key);
    }
    return g_string_free(out, FALSE);
}

/* ---- the page ---- */

/* Text in which nothing is a macro or an escape, and a hyphen is one when it is copied; broken at
 * spaces into lines by `end`, which stands for the space or goes before it. */
static void
escape(FILE *out, const char *text, const char *end)
{
    size_t column = 0;

    for (const char *p = text; *p; p++) {
        if (*p == ' ' && column + strcspn(p + 1, " ") > PAGE_WIDTH) {
            fputs(end, out);
            column = 0;
            if (*end == '\n')
                continue;
        }
        if (column == 0 && (*p == '.' || *p == '\''))
            fputs("\\&", out);
        if (*p == '\\' || *p == '-')
            fputc('\\', out);
        fputc(*p == '\\' ? 'e' : *p, out);
        column += *p == '-' ? 2 : 1;
    }
}

static void
line(FILE *out, const char *text)
{
    escape(out, text, "\n");
    fputc('\n', out);
}

/* A term, its first word in bold, and what follows under it. */
static void
term(FILE *out, const char *text)
{
    size_t length = strcspn(text, " ");
    g_autofree char *name = g_strndup(text, length);

    fputs(".TP\n\\fB", out);
    escape(out, name, "");
    fputs("\\fR", out);
    escape(out, text + length, "\\\n"); /* one line still */
    fputc('\n', out);
}

static void
commands(FILE *out)
{
    for (unsigned i = 0; i < xt_n_commands; i++) {
        const struct xt_command *command = &xt_commands[i];
        if (!command_exists(command) || command->hidden)
            continue;
        g_autofree char *usage = command_usage(command);
        g_autofree char *text = command_text(command);
        g_autofree char *called = g_strdup_printf("Calls %s.", command->calls->method);
        term(out, usage);
        line(out, *text ? text : called);
    }
}

static void
generic_commands(FILE *out)
{
    for (int op = 0; op < GENERIC_MAX; op++) {
        g_autofree char *usage = g_strdup_printf("CLASS%s %s", generic_suffix((enum generic_op)op),
                                                 generic_usage((enum generic_op)op));
        static const char *const texts[GENERIC_MAX] = {
            "Shows the objects that fulfil every condition.",
            "Shows all fields of one object.",
            "Shows one field, or one key of a map.",
            "Changes fields, and keys of maps.",
            "Adds a member to a set, or keys to a map.",
            "Removes a member of a set, or a key of a map.",
            "Empties a field.",
        };
        term(out, usage);
        line(out, texts[op]);
    }
    fputs(".PP\nThe classes:\n", out);
    for (unsigned i = 0; i < xt_n_classes; i++) {
        g_autofree char *name =
            g_strconcat(xt_classes[i].name, i + 1 < xt_n_classes ? "," : ".", NULL);
        line(out, name);
    }
    fputs(".PP\n", out);
    line(out, "xtool help CLASS-list tells the fields of a class.");
}

void
manual_page(FILE *out)
{
    fputs(".\\\" Generated by xtool help --man.\n"
          ".TH XTOOL 1 " MANUAL_DATE " \"xapid " PACKAGE_VERSION "\" \"xapid\"\n"
          ".SH NAME\nxtool \\- the command line of xapid, in the grammar of xe\n"
          ".SH SYNOPSIS\n.B xtool\n"
          "\\fICOMMAND\\fR [\\fIKEY\\fR=\\fIVALUE\\fR | \\-\\-\\fIFLAG\\fR]...\n"
          ".SH DESCRIPTION\n"
          "Asks a xapid, on this host or on another one, by the XenAPI.\n",
          out);
    for (size_t i = 0; i < G_N_ELEMENTS(paragraphs); i++) {
        fprintf(out, ".TP\n\\fB%s\\fR\n", paragraphs[i].title);
        line(out, paragraphs[i].text);
    }
    fputs(".SH EVERYDAY COMMANDS\n", out);
    for (unsigned i = 0; i < xt_n_aliases; i++) {
        const struct xt_alias *alias = &xt_aliases[i];
        g_autofree char *usage = manual_alias(alias);
        g_autofree char *text =
            g_strdup_printf("As %s%s%s.", alias->as, *alias->set ? " --force" : "",
                            alias->columns->title ? ", in the columns of xl" : "");
        term(out, usage);
        line(out, alias->as ? text : alias->text);
    }
    fputs(".SH COMMANDS ON ANY CLASS\n", out);
    generic_commands(out);
    fputs(".SH OTHER COMMANDS\n", out);
    commands(out);
    term(out, "api-coverage [--client xencenter|xo]");
    line(out, "Shows which messages xapid has, and which of them its tests prove.");
    term(out, "db-fsck [DATABASE]");
    line(out, "On a host whose xapid is stopped: tells everything that is wrong with its database, "
              "or with a copy, and changes nothing.");
    term(out, "db-dump FILE [DATABASE]");
    line(out, "The same: writes the database into a new file, as pool-dump-database does.");
    term(out, "db-restore [--dry-run] FILE [DATABASE]");
    line(out, "The same: makes the database what a dump says, however damaged it is; the one "
              "before is kept beside it.");
    fputs(".SH EXIT STATUS\n", out);
    for (size_t i = 0; i < G_N_ELEMENTS(exits); i++) {
        g_autofree char *text = g_strdup_printf("%c%s.%s", g_ascii_toupper(*exits[i].text),
                                                exits[i].text + 1, exits[i].more);
        fprintf(out, ".TP\n.B %d\n", exits[i].code);
        line(out, text);
    }
    fputs(
        ".SH ENVIRONMENT\n"
        ".TP\n.B XTOOL_SERVER\nThe server when no \\-s says one.\n"
        ".TP\n.B XE_EXTRA_ARGS\nArguments, separated by commas, that count when the command line\n"
        "does not have them.\n"
        ".TP\n.B NO_COLOR\nNo colours on a terminal.\n"
        ".SH FILES\n"
        ".TP\n.I \\(ti/.xe\nLines \\fIkey\\fR=\\fIvalue\\fR: further arguments of that kind.\n"
        ".TP\n.I \\(ti/.config/xapid/known_hosts\nCertificates that were taken by "
        "\\-\\-trust or a yes.\n"
        ".TP\n.I " SERVER_SOCKET "\nThe socket of this host's xapid.\n"
        ".SH EXAMPLES\n.nf\n",
        out);
    line(out, "xtool list");
    line(out, "xtool vm-create name-label=first domain-type=pvh");
    line(out, "xtool start first");
    line(out, "xtool vm-list power-state=running params=uuid --minimal");
    line(out, "xtool -s HOST -u root -pwf FILE shutdown first");
    fputs(".fi\n.SH SEE ALSO\n.BR xapid.conf (5),\n.BR xapid (8),\n.BR xl (1)\n", out);
}
