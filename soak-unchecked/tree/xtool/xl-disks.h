/* disk=[] of xl's configuration. */
#ifndef XAPID_XTOOL_XL_DISKS_H
#define XAPID_XTOOL_XL_DISKS_H

#include "xtool/xl-file.h"
#include "xtool/xl-record.h"

/* struct xl_disk; the caller's.  What cannot be had is noted. */
GPtrArray *xl_disks_take(struct xl_file *file);

#endif
