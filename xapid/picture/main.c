/* xapid-picture: what a guest's screen shows, as a JPEG; see picture.h.  What it reads is the
 * guest's, and its QEMU's: it gives up all that it could do harm with before. */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

/* It needs stdio's types. */
#include <jpeglib.h>
#include <rfb/rfbclient.h>

#include "lib/confine.h"
#include "lib/error.h"
#include "lib/helper.h"
#include "lib/log.h"
#include "xapid/picture/picture.h"

#define USER "nobody"
#define QUALITY 85 /* of a hundred: letters stay sharp */
#define PIXEL_BYTES 4
#define SETTLE_US (300 * 1000)
#define SETTLE_MAX_US (2 * G_USEC_PER_SEC)
#define WAIT_US (PICTURE_SECONDS * 1000 * 1000U)

static const int calls[] = {SYS_read,        SYS_recvfrom,
                            SYS_sendto,      SYS_poll,
                            SYS_select,      SYS_pselect6,
                            SYS_fcntl,       SYS_getsockopt,
                            SYS_getpeername, SYS_close,
                            SYS_shutdown,    SYS_newfstatat,
                            SYS_fstat,       -1};

/* The tag of our counter in a client of libvncclient's. */
static char seen_tag;

/* ---- what the screen says ---- */

/* Of its size as it is from now on: what was seen before counts no more. */
static rfbBool
make_room(rfbClient *client)
{
    guint64 *seen = rfbClientGetClientData(client, &seen_tag);
    guint64 pixels = (guint64)client->width * (guint64)client->height;

    if (client->width <= 0 || client->height <= 0 || client->width > PICTURE_SIDE_MAX ||
        client->height > PICTURE_SIDE_MAX || pixels > PICTURE_PIXELS_MAX)
        return FALSE;
    *seen = 0;
    free(client->frameBuffer);
    client->frameBuffer = calloc(pixels, PIXEL_BYTES);
    return client->frameBuffer != NULL;
}

static void
count_pixels(rfbClient *client, int x, int y, int width, int height)
{
    guint64 *seen = rfbClientGetClientData(client, &seen_tag);

    (void)x;
    (void)y;
    *seen += (guint64)width * (guint64)height;
}

static void
say_nothing(const char *format, ...)
{
    (void)format;
}

static bool
failed(GError **error, const char *what)
{
    api_error_set(error, "INTERNAL_ERROR", "the guest's screen", what, NULL);
    return false;
}

static bool
is_whole(rfbClient *client)
{
    const guint64 *seen = rfbClientGetClientData(client, &seen_tag);

    return *seen >= (guint64)client->width * (guint64)client->height;
}

/* Whether a message comes, or what libvncclient has read already begins one; WaitForMessage () does
 * not look at that. */
static bool
comes(rfbClient *client, unsigned us)
{
    return client->buffered > 0 || WaitForMessage(client, us) > 0;
}

/* Until nothing has changed for a moment. */
static bool
settle(rfbClient *client)
{
    gint64 end = g_get_monotonic_time() + SETTLE_MAX_US;

    while (g_get_monotonic_time() < end && comes(client, SETTLE_US))
        if (!HandleRFBServerMessage(client))
            return false;
    return true;
}

/* In which form it is to say it: raw, for nothing is to be unpacked, and with a word when its size
 * changes.  SetFormatAndEncodings () would ask for the newer kind of that, too, of which QEMU's has
 * a screen of number 0, and that is one that libvncclient leaves out. */
static bool
send_wishes(rfbClient *client)
{
    rfbSetPixelFormatMsg format;
    struct {
        rfbSetEncodingsMsg head;
        guint32 encodings[2];
    } encodings = {{.type = rfbSetEncodings, .nEncodings = GUINT16_TO_BE(2)},
                   {GUINT32_TO_BE(rfbEncodingRaw), GUINT32_TO_BE(rfbEncodingNewFBSize)}};

    memset(&format, 0, sizeof format);
    format.type = rfbSetPixelFormat;
    format.format = client->format;
    format.format.redMax = GUINT16_TO_BE(format.format.redMax);
    format.format.greenMax = GUINT16_TO_BE(format.format.greenMax);
    format.format.blueMax = GUINT16_TO_BE(format.format.blueMax);
    return WriteToRFBServer(client, (const char *)&format, sz_rfbSetPixelFormatMsg) &&
           WriteToRFBServer(client, (const char *)&encodings, sizeof encodings);
}

/* All of it; an update that is asked for whole may come in parts.  A QEMU at whose screen nobody
 * has looked sends the picture of when somebody did, and then what has changed. */
static bool
read_screen(rfbClient *client, GError **error)
{
    if (!InitialiseRFBConnection(client))
        return failed(error, "it does not speak RFB");
    client->width = client->si.framebufferWidth;
    client->height = client->si.framebufferHeight;
    if (!make_room(client))
        return failed(error, "it has no size, or too much of it");
    client->updateRect = (typeof(client->updateRect)){0, 0, client->width, client->height};
    if (!send_wishes(client) ||
        !SendFramebufferUpdateRequest(client, 0, 0, client->width, client->height, FALSE))
        return failed(error, "it takes no request");
    do {
        while (!is_whole(client))
            if (!comes(client, WAIT_US) || !HandleRFBServerMessage(client))
                return failed(error, "it sent no picture");
        if (!settle(client))
            return failed(error, "it sent no update");
    } while (!is_whole(client));
    return true;
}

/* ---- the picture ---- */

static G_NORETURN void
jpeg_failed(j_common_ptr jpeg)
{
    char text[JMSG_LENGTH_MAX];

    jpeg->err->format_message(jpeg, text);
    log_error("JPEG: %s", text);
    _exit(EXIT_FAILURE);
}

/* The caller frees with free (). */
static unsigned char *
encode(const rfbClient *client, unsigned long *ret_length)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL;

    jpeg.err = jpeg_std_error(&errors);
    errors.error_exit = jpeg_failed;
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &bytes, ret_length);
    jpeg.image_width = (JDIMENSION)client->width;
    jpeg.image_height = (JDIMENSION)client->height;
    jpeg.input_components = PIXEL_BYTES;
    jpeg.in_color_space = JCS_EXT_RGBX;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, QUALITY, TRUE);
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < jpeg.image_height) {
        JSAMPROW row =
            client->frameBuffer + (gsize)jpeg.next_scanline * jpeg.image_width * PIXEL_BYTES;
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    return bytes;
}

static bool
write_all(const unsigned char *bytes, unsigned long length, GError **error)
{
    if (length > PICTURE_BYTES_MAX)
        return failed(error, "its picture is too large");
    while (length > 0) {
        gssize n = write(PICTURE_OUT_FD, bytes, length);

        if (n < 0)
            return failed(error, g_strerror(errno));
        bytes += n;
        length -= (unsigned long)n;
    }
    return true;
}

/* ---- the process ---- */

static rfbClient *
client_new(guint64 *seen)
{
    rfbClient *client = rfbGetClient(8, 3, PIXEL_BYTES);

    rfbClientLog = rfbClientErr = say_nothing;
    client->sock = PICTURE_SCREEN_FD;
    client->MallocFrameBuffer = make_room;
    client->GotFrameBufferUpdate = count_pixels;
    client->canHandleNewFBSize = TRUE;
    client->appData.shareDesktop = TRUE;
    client->appData.useRemoteCursor = FALSE;
    /* Red, green, blue, nothing: in this order in memory. */
    client->format.redShift = 0;
    client->format.greenShift = 8;
    client->format.blueShift = 16;
    rfbClientSetClientData(client, &seen_tag, seen);
    return client;
}

/* However a screen behaves, this ends. */
static void
limit_time(void)
{
    const struct itimerval wall = {.it_value = {.tv_sec = PICTURE_SECONDS}};
    const struct itimerval cpu = {.it_value = {.tv_sec = PICTURE_CPU_SECONDS}};

    setitimer(ITIMER_REAL, &wall, NULL);
    setitimer(ITIMER_PROF, &cpu, NULL);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    guint64 seen = 0;
    unsigned long length = 0;
    int status;

    if (!helper_begin("xapid-picture", argc, argv, &status))
        return status;
    signal(SIGPIPE, SIG_IGN);
    rfbClient *client = client_new(&seen);
    limit_time();
    if (confine(USER, PICTURE_OUT_FD + 1, PICTURE_OUT_FD + 1, PICTURE_MEMORY, calls, &error) &&
        read_screen(client, &error)) {
        unsigned char *bytes = encode(client, &length);
        write_all(bytes, length, &error);
    }
    if (error)
        log_warning("%s", error->message);
    _exit(error ? EXIT_FAILURE : EXIT_SUCCESS);
}
