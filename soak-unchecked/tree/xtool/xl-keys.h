/* Keys of xl's that the XenAPI has no place for. */
#ifndef XAPID_XTOOL_XL_KEYS_H
#define XAPID_XTOOL_XL_KEYS_H

#include "xtool/xl-file.h"

/* Takes all of them.  A value that says what xapid does anyway is fine, and so are an empty list or
 * text, and what xl reads for HVM guests alone, of another guest; the rest is refused. */
void xl_keys_refuse(struct xl_file *file, bool hvm);

#endif
