/* What xapid-terminal and who starts it agree on: the text console of one guest for all who look at
 * it, as a screen (RFB) or as text.
 *
 * It is started by xapid-domains with the guest's terminal device and a socket on which viewers
 * come, a descriptor with each message, which is one of the letters below.  It ends when that
 * socket or the device hangs up, or when nobody has looked for TERMINAL_ALONE_SECONDS. */
#ifndef XAPID_TERMINAL_TERMINAL_H
#define XAPID_TERMINAL_TERMINAL_H

#define TERMINAL_DEVICE_FD 3
#define TERMINAL_VIEWERS_FD 4 /* SOCK_SEQPACKET */

#define TERMINAL_SCREEN 's'
#define TERMINAL_TEXT 't'

#define TERMINAL_VIEWERS_MAX 32       /* at once; further ones are closed */
#define TERMINAL_ALONE_SECONDS 600    /* its screen is kept for so long */
#define TERMINAL_MEMORY (256UL << 20) /* bytes of address space */
#define TERMINAL_TURN_CPU_SECONDS 3   /* for what has come at once: else it ends */

#endif
