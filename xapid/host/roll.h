/* What the drivers that are there say of themselves.  Main loop only. */
#ifndef XAPID_HOST_ROLL_H
#define XAPID_HOST_ROLL_H

#include <glib.h>

/* Asks all of the folder (which outlives it) at once; done gets what they said (aa{sv}, floating)
 * when the last one has answered.  One that does not is left out, which is logged. */
void roll_call(const char *folder, void (*done)(GVariant *drivers, void *data), void *data);

#endif
