/* From the keys that a guest wrote into xenstore to what they mean; pure. */
#ifndef XAPID_GUEST_PARSE_H
#define XAPID_GUEST_PARSE_H

#include <glib.h>

/* keys: a(ayay), paths below /local/domain/N and values, bytes of any kind.  A record that
 * guest_record_check () lets pass, floating.  What makes no sense is left out, whatever it is;
 * which keys mean what: xenstore-helpers/README.md. */
GVariant *guest_parse(GVariant *keys);

#endif
