/* Inside lib/wire: a forward reader of XML-RPC documents, and of the values in them.
 *
 * The reader stands on a node; every function that fails has set *error (which must not be NULL).
 * One document, one thread. */
#ifndef XAPID_LIB_XMLRPC_READER_H
#define XAPID_LIB_XMLRPC_READER_H

#include <glib.h>
#include <libxml/xmlreader.h>
#include <stdbool.h>

struct xml_parser {
    xmlTextReaderPtr reader;
    int node;            /* type of the current node; 0 at the end */
    unsigned count;      /* values so far */
    unsigned max_values; /* an error beyond */
    GError **error;
};

/* XMLRPC_UNMARSHAL_FAILURE [expected, received]. */
void xml_set_failure(GError **error, const char *expected, const char *received);
/* The same from where the reader stands, unless an error is set already; always false. */
bool xml_unexpected(struct xml_parser *p, const char *expected);

/* Opens the document and stands on its root element.  Close it in any case. */
bool xml_open(struct xml_parser *p, const char *body, size_t length, const char *root);
/* True when nothing but the end of a well-formed document follows. */
bool xml_finish(struct xml_parser *p);
void xml_close(struct xml_parser *p);

/* Moves to the next start or end of an element; only blank text may stand between. */
bool xml_advance_tag(struct xml_parser *p);
bool xml_at_start(const struct xml_parser *p, const char *name);
bool xml_at_end(const struct xml_parser *p, const char *name);
bool xml_is_empty(const struct xml_parser *p);
/* The text inside the current element, up to its end tag; NULL on an error. */
char *xml_read_text(struct xml_parser *p, const char *name);
/* <value>: the reader stands on it, and on its end tag afterwards.  Untyped (see value.h) and
 * floating; NULL on an error. */
GVariant *xml_read_value(struct xml_parser *p);

#endif
