/* xtool: the command line of xapid, in the grammar of xe.  Everything is in libxtool. */
#include "config.h"

#include "xtool/xtool.h"

int
main(int argc, char **argv)
{
    return xtool_main(argc, argv);
}
