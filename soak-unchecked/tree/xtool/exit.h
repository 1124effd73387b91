/* How a run of xtool ends; called by the name xe, 0 or 1. */
#ifndef XAPID_XTOOL_EXIT_H
#define XAPID_XTOOL_EXIT_H

enum xtool_exit {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,        /* the API said no */
    EXIT_USAGE = 2,         /* the command line was wrong */
    EXIT_CONNECTION = 3,    /* the server was not reached, or not trusted */
    EXIT_INTERRUPTED = 130, /* Ctrl-C */
};

#endif
