/* Parses the filter language and matches it against rows; see filter.h. */
#include "config.h"

#include "xapid/model/filter.h"

#include <string.h>

#include "lib/error.h"
#include "xapid/model/value-text.h"

enum token { END, TRUE_, FALSE_, FIELD, AND, OR, NOT, EQUALS, OPEN, CLOSE, TEXT, BAD };

/* One side of =. */
struct operand {
    const struct dm_field *field; /* NULL: the text */
    char *text;
};

/* A chain of and/or is one node, however long: neither parsing nor matching it goes deeper. */
struct expression {
    enum { CONSTANT, COMPARISON, NEGATION, CHAIN } kind;
    bool constant;
    struct operand sides[2];
    GPtrArray *members; /* of a negation (one) and a chain */
    GByteArray *and;    /* of a chain: whether member i + 1 is joined by `and` */
};

struct filter {
    const struct dm_class *cls;
    struct expression *root;
};

struct parser {
    struct filter *filter;
    const char *at; /* behind the present token */
    enum token token;
    const char *text; /* of a TEXT token, not terminated */
    size_t text_length;
    int depth;
};

static void
expression_free(void *data)
{
    struct expression *expression = data;

    g_free(expression->sides[0].text);
    g_free(expression->sides[1].text);
    g_clear_pointer(&expression->members, g_ptr_array_unref);
    g_clear_pointer(&expression->and, g_byte_array_unref);
    g_free(expression);
}
typedef struct expression expression_owned;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(expression_owned, expression_free)

static void
advance(struct parser *parser)
{
    static const struct {
        const char *word;
        enum token token;
    } words[] = {
        {"true", TRUE_}, {"false", FALSE_}, {"field", FIELD}, {"and", AND}, {"or", OR},
        {"not", NOT},    {"=", EQUALS},     {"(", OPEN},      {")", CLOSE},
    };

    parser->at += strspn(parser->at, " \t\r\n");
    if (!*parser->at) {
        parser->token = END;
        return;
    }
    if (*parser->at == '"') {
        const char *end = strchr(parser->at + 1, '"');
        parser->token = end ? TEXT : BAD;
        if (end) {
            parser->text = parser->at + 1;
            parser->text_length = (size_t)(end - parser->text);
            parser->at = end + 1;
        }
        return;
    }
    parser->token = BAD;
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
        if (g_str_has_prefix(parser->at, words[i].word)) {
            parser->token = words[i].token;
            parser->at += strlen(words[i].word);
            return;
        }
}

/* By its name on the wire, or with its path joined by __ as databases have it. */
static const struct dm_field *
field_find(const struct dm_class *cls, const char *name)
{
    const struct dm_field *field = dm_field_find(cls, name);

    if (!field && strstr(name, "__")) {
        g_autofree char *wire_name = g_strdup(name);
        char *to = wire_name;
        for (const char *from = wire_name; *from; from++)
            if (from[0] != '_' || from[1] != '_')
                *to++ = *from;
        *to = '\0';
        field = dm_field_find(cls, wire_name);
    }
    return field && !field->internal_only ? field : NULL;
}

static bool
parse_operand(struct parser *parser, struct operand *operand)
{
    bool is_field = parser->token == FIELD;

    if (is_field)
        advance(parser);
    if (parser->token != TEXT)
        return false;
    g_autofree char *text = g_strndup(parser->text, parser->text_length);
    advance(parser);
    if (!is_field) {
        operand->text = g_steal_pointer(&text);
        return true;
    }
    operand->field = field_find(parser->filter->cls, text);
    return operand->field != NULL;
}

static struct expression *parse_chain(struct parser *parser);

static struct expression *
parse_nested(struct parser *parser)
{
    if (parser->depth == FILTER_MAX_DEPTH)
        return NULL;
    parser->depth++;
    advance(parser);
    struct expression *expression = parse_chain(parser);
    parser->depth--;
    return expression;
}

static struct expression *
parse_term(struct parser *parser)
{
    g_autoptr(expression_owned) expression = g_new0(struct expression, 1);

    switch (parser->token) {
    case TRUE_:
    case FALSE_:
        expression->kind = CONSTANT;
        expression->constant = parser->token == TRUE_;
        advance(parser);
        return g_steal_pointer(&expression);
    case OPEN: {
        g_autoptr(expression_owned) inner = parse_nested(parser);
        if (!inner || parser->token != CLOSE)
            return NULL;
        advance(parser);
        return g_steal_pointer(&inner);
    }
    case NOT: {
        struct expression *inner = parse_nested(parser);
        if (!inner)
            return NULL;
        expression->kind = NEGATION;
        expression->members = g_ptr_array_new_with_free_func(expression_free);
        g_ptr_array_add(expression->members, inner);
        return g_steal_pointer(&expression);
    }
    default:
        expression->kind = COMPARISON;
        if (!parse_operand(parser, &expression->sides[0]) || parser->token != EQUALS)
            return NULL;
        advance(parser);
        return parse_operand(parser, &expression->sides[1]) ? g_steal_pointer(&expression) : NULL;
    }
}

static struct expression *
parse_chain(struct parser *parser)
{
    g_autoptr(expression_owned) first = parse_term(parser);

    if (!first || (parser->token != AND && parser->token != OR))
        return g_steal_pointer(&first);
    g_autoptr(expression_owned) chain = g_new0(struct expression, 1);
    chain->kind = CHAIN;
    chain->members = g_ptr_array_new_with_free_func(expression_free);
    chain->and = g_byte_array_new();
    g_ptr_array_add(chain->members, g_steal_pointer(&first));
    while (parser->token == AND || parser->token == OR) {
        guint8 and = parser->token == AND;
        advance(parser);
        struct expression *next = parse_term(parser);
        if (!next)
            return NULL;
        g_byte_array_append(chain->and, &and, 1);
        g_ptr_array_add(chain->members, next);
    }
    return g_steal_pointer(&chain);
}

struct filter *
filter_parse(const struct dm_class *cls, const char *text, GError **error)
{
    struct filter *filter = g_new0(struct filter, 1);
    struct parser parser = {.filter = filter, .at = text};

    filter->cls = cls;
    if (strnlen(text, FILTER_MAX_LENGTH + 1) <= FILTER_MAX_LENGTH) {
        advance(&parser);
        filter->root = parse_chain(&parser);
    }
    if (filter->root && parser.token == END)
        return filter;
    g_autofree char *start = g_strndup(text, 256);
    api_error_set(error, "INVALID_VALUE", "expr", start, NULL);
    filter_free(filter);
    return NULL;
}

void
filter_free(struct filter *filter)
{
    if (!filter)
        return;
    if (filter->root)
        expression_free(filter->root);
    g_free(filter);
}

static char *
operand_text(const struct operand *operand, const struct model *model, const char *ref)
{
    if (!operand->field)
        return g_strdup(operand->text);
    g_autoptr(GVariant) value = model_get(model, ref, operand->field);
    return value_text(operand->field->type, value);
}

static bool
expression_matches(const struct expression *expression, const struct model *model, const char *ref)
{
    switch (expression->kind) {
    case CONSTANT:
        return expression->constant;
    case NEGATION:
        return !expression_matches(expression->members->pdata[0], model, ref);
    case COMPARISON: {
        g_autofree char *left = operand_text(&expression->sides[0], model, ref);
        g_autofree char *right = operand_text(&expression->sides[1], model, ref);
        return g_str_equal(left, right);
    }
    case CHAIN:
        break;
    }
    bool result = expression_matches(expression->members->pdata[0], model, ref);
    for (guint i = 1; i < expression->members->len; i++)
        /* Only a member that can still turn the result is looked at. */
        if (result == (bool)expression->and->data[i - 1])
            result = expression_matches(expression->members->pdata[i], model, ref);
    return result;
}

bool
filter_matches(const struct filter *filter, const struct model *model, const char *ref)
{
    return model_has(model, filter->cls, ref) && expression_matches(filter->root, model, ref);
}
