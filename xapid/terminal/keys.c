#include "config.h"

#include "xapid/terminal/keys.h"

#include <rfb/keysym.h>

#define UNICODE 0x01000000 /* a keysym of any character is this and its number */

VTermModifier
key_modifier(guint32 symbol)
{
    switch (symbol) {
    case XK_Shift_L:
    case XK_Shift_R:
        return VTERM_MOD_SHIFT;
    case XK_Control_L:
    case XK_Control_R:
        return VTERM_MOD_CTRL;
    case XK_Alt_L:
    case XK_Meta_L:
    case XK_Meta_R:
        return VTERM_MOD_ALT;
    default:
        return VTERM_MOD_NONE;
    }
}

gunichar
key_character(guint32 symbol)
{
    static const char keypad[] = "*+,-./0123456789"; /* from XK_KP_Multiply on */

    if ((symbol >= 0x20 && symbol < 0x7f) || (symbol >= 0xa0 && symbol < 0x100))
        return symbol;
    if (symbol >= XK_KP_Multiply && symbol <= XK_KP_9)
        return (gunichar)keypad[symbol - XK_KP_Multiply];
    if (symbol > UNICODE && g_unichar_validate(symbol - UNICODE) && symbol - UNICODE >= 0xa0)
        return symbol - UNICODE;
    return 0;
}

VTermKey
key_function(guint32 symbol)
{
    static const struct {
        guint32 symbol;
        VTermKey key;
    } keys[] = {
        {XK_Return, VTERM_KEY_ENTER},
        {XK_KP_Enter, VTERM_KEY_ENTER},
        {XK_BackSpace, VTERM_KEY_BACKSPACE},
        {XK_Tab, VTERM_KEY_TAB},
        {XK_Escape, VTERM_KEY_ESCAPE},
        {XK_Up, VTERM_KEY_UP},
        {XK_Down, VTERM_KEY_DOWN},
        {XK_Left, VTERM_KEY_LEFT},
        {XK_Right, VTERM_KEY_RIGHT},
        {XK_Insert, VTERM_KEY_INS},
        {XK_Delete, VTERM_KEY_DEL},
        {XK_Home, VTERM_KEY_HOME},
        {XK_End, VTERM_KEY_END},
        {XK_Page_Up, VTERM_KEY_PAGEUP},
        {XK_Page_Down, VTERM_KEY_PAGEDOWN},
        {XK_KP_Up, VTERM_KEY_UP},
        {XK_KP_Down, VTERM_KEY_DOWN},
        {XK_KP_Left, VTERM_KEY_LEFT},
        {XK_KP_Right, VTERM_KEY_RIGHT},
        {XK_KP_Insert, VTERM_KEY_INS},
        {XK_KP_Delete, VTERM_KEY_DEL},
        {XK_KP_Home, VTERM_KEY_HOME},
        {XK_KP_End, VTERM_KEY_END},
        {XK_KP_Page_Up, VTERM_KEY_PAGEUP},
        {XK_KP_Page_Down, VTERM_KEY_PAGEDOWN},
    };

    if (symbol >= XK_F1 && symbol <= XK_F12)
        return VTERM_KEY_FUNCTION(1 + (int)(symbol - XK_F1));
    for (gsize i = 0; i < G_N_ELEMENTS(keys); i++)
        if (keys[i].symbol == symbol)
            return keys[i].key;
    return VTERM_KEY_NONE;
}
