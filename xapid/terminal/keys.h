/* Keys as RFB names them (X11's keysyms), for a terminal.  Any thread. */
#ifndef XAPID_TERMINAL_KEYS_H
#define XAPID_TERMINAL_KEYS_H

#include <glib.h>
#include <stdbool.h>
#include <vterm.h>

/* The modifier that a key is; VTERM_MOD_NONE: it is another one. */
VTermModifier key_modifier(guint32 symbol);
/* The character that it types; 0: none. */
gunichar key_character(guint32 symbol);
/* Another key of a terminal; VTERM_KEY_NONE: none that means anything. */
VTermKey key_function(guint32 symbol);

#endif
