/* Trust in a server's certificate; see trust.h. */
#include "config.h"

#include "xtool/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "xtool/args.h"

struct trust {
    char *peer;
    char *file;   /* of the known hosts */
    char *wanted; /* a fingerprint, or NULL */
    bool given;   /* by the user, not by the file */
    bool learn;
    char *problem;
};

char *
fingerprint_parse(const char *text)
{
    GString *hex = g_string_new(NULL);

    if (g_ascii_strncasecmp(text, "sha256:", 7) == 0)
        text += 7;
    for (; *text && hex->len <= 64; text++)
        if (g_ascii_isxdigit(*text))
            g_string_append_c(hex, g_ascii_tolower(*text));
        else if (*text != ':')
            break;
    bool ok = !*text && hex->len == 64;
    return g_string_free(hex, !ok);
}

static char *
fingerprint_of(GTlsCertificate *certificate)
{
    g_autoptr(GByteArray) der = NULL;

    g_object_get(certificate, "certificate", &der, NULL);
    return g_compute_checksum_for_data(G_CHECKSUM_SHA256, der->data, der->len);
}

/* The fingerprint that the file has for the peer, or NULL. */
static char *
remembered(const struct trust *trust)
{
    g_autofree char *text = NULL;

    if (!g_file_get_contents(trust->file, &text, NULL, NULL))
        return NULL;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (unsigned i = 0; lines[i]; i++) {
        g_auto(GStrv) words = g_strsplit(g_strstrip(lines[i]), " ", 2);
        if (words[0] && words[1] && g_str_equal(words[0], trust->peer))
            return fingerprint_parse(g_strstrip(words[1]));
    }
    return NULL;
}

struct trust *
trust_new(const char *peer, const char *fingerprint, bool learn, GError **error)
{
    g_autoptr(trust_owned) trust = g_new0(struct trust, 1);

    trust->peer = g_strdup(peer);
    trust->learn = learn;
    trust->file = g_build_filename(g_get_user_config_dir(), "xapid", "known_hosts", NULL);
    if (fingerprint) {
        trust->given = true;
        trust->wanted = fingerprint_parse(fingerprint);
        if (!trust->wanted) {
            usage_set(error,
                      "A fingerprint is the SHA-256 of a certificate: 64 hexadecimal digits.");
            return NULL;
        }
    } else {
        trust->wanted = remembered(trust);
    }
    return g_steal_pointer(&trust);
}

void
trust_free(struct trust *trust)
{
    if (!trust)
        return;
    g_free(trust->peer);
    g_free(trust->file);
    g_free(trust->wanted);
    g_free(trust->problem);
    g_free(trust);
}

bool
trust_is_pinned(const struct trust *trust)
{
    return trust->wanted;
}

const char *
trust_problem(const struct trust *trust)
{
    return trust->problem;
}

static bool
remember(const struct trust *trust, const char *fingerprint)
{
    g_autofree char *folder = g_path_get_dirname(trust->file);
    g_autofree char *line = g_strdup_printf("%s %s\n", trust->peer, fingerprint);
    size_t length = strlen(line);

    g_mkdir_with_parents(folder, 0700);
    int fd = open(trust->file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, line, length) == (ssize_t)length;
    if (!ok)
        fprintf(stderr, "%s is not remembered: %s: %s\n", trust->peer, trust->file,
                g_strerror(errno));
    if (fd >= 0)
        close(fd);
    return ok;
}

/* The user's word, on the terminal; false without one. */
static bool
ask(const struct trust *trust, const char *fingerprint)
{
    char answer[16];

    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return false;
    fprintf(stderr,
            "No authority vouches for the certificate of %s.\nIts SHA-256 fingerprint is %s.\n"
            "Is this the right one, now and later (yes/no)? ",
            trust->peer, fingerprint);
    return fgets(answer, sizeof answer, stdin) && g_ascii_strcasecmp(answer, "yes\n") == 0;
}

bool
trust_accept(struct trust *trust, GTlsCertificate *certificate)
{
    g_autofree char *fingerprint = fingerprint_of(certificate);

    g_clear_pointer(&trust->problem, g_free);
    if (trust->wanted) {
        if (g_str_equal(trust->wanted, fingerprint))
            return true;
        trust->problem =
            trust->given
                ? g_strdup_printf("The certificate of %s has another fingerprint than the one "
                                  "given: %s.",
                                  trust->peer, fingerprint)
                : g_strdup_printf(
                      "The certificate of %s is not the one that is remembered: someone "
                      "may be listening in, or the host got a new one. It is %s now. If "
                      "that is right, remove the line of %s from %s.",
                      trust->peer, fingerprint, trust->peer, trust->file);
        return false;
    }
    if (trust->learn || ask(trust, fingerprint)) {
        remember(trust, fingerprint);
        trust->wanted = g_steal_pointer(&fingerprint);
        return true;
    }
    trust->problem = g_strdup_printf(
        "No authority vouches for the certificate of %s. Compare its fingerprint with the host's, "
        "then give it: --fingerprint %s, or --trust to remember it.",
        trust->peer, fingerprint);
    return false;
}
