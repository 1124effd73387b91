/* The xapid-pictures: one for each picture of a guest's screen that is being made.  Main loop only.
 */
#ifndef XAPID_DOMAINS_PICTURES_H
#define XAPID_DOMAINS_PICTURES_H

#include <glib.h>

#define PICTURES_MAX 8 /* at once; beyond: refused */

struct pictures;

/* run_dir: working directory of each until it has none. */
struct pictures *pictures_new(const char *run_dir);
/* Waits for those that are being made. */
void pictures_free(struct pictures *pictures);
/* screen (taken): a stream that speaks RFB.  The end of a stream from which the JPEG is read, all
 * of it or nothing; -1 with an error. */
int pictures_take(struct pictures *pictures, int screen, GError **error);

#endif
