/* What xapid-picture and who starts it agree on: what a guest's screen shows at one moment.
 *
 * It is started by xapid-domains with a stream on which the screen speaks RFB, and one to write to.
 * It writes a JPEG, once it has all of it, and ends; or writes nothing, and ends. */
#ifndef XAPID_PICTURE_PICTURE_H
#define XAPID_PICTURE_PICTURE_H

#define PICTURE_SCREEN_FD 3
#define PICTURE_OUT_FD 4

#define PICTURE_SIDE_MAX 8192          /* pixels, of width and height */
#define PICTURE_PIXELS_MAX (16U << 20) /* in all */
#define PICTURE_BYTES_MAX (16U << 20)  /* of the JPEG */
#define PICTURE_SECONDS 10             /* for all: then it is ended */
#define PICTURE_CPU_SECONDS 5
#define PICTURE_MEMORY (512UL << 20) /* bytes of address space */

#endif
