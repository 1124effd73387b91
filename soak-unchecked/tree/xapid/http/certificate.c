/* The host's certificate: loaded from its PEM file, or made anew and self-signed. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "xapid/http/http.h"

#define PARTIAL_SUFFIX ".partial"
#define KEY_BITS 3072
#define SERIAL_BYTES 20
#define YEARS 10
#define DAY (24 * 60 * 60)
#define COMMON_NAME_MAX 64 /* RFC 5280, ub-common-name */

static void
set_gnutls_error(GError **error, const char *what, int r)
{
    api_error_set(error, "INTERNAL_ERROR", what, gnutls_strerror(r), NULL);
}

static int
add_names(gnutls_x509_crt_t crt, const char *hostname, const char *const *addresses)
{
    gsize name_length = MIN(strlen(hostname), COMMON_NAME_MAX);
    int r = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, hostname,
                                          (unsigned)name_length);

    if (r >= 0)
        r = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, hostname,
                                                 (unsigned)strlen(hostname), GNUTLS_FSAN_SET);
    for (gsize i = 0; r >= 0 && addresses && addresses[i]; i++) {
        guint8 ip[sizeof(struct in6_addr)];
        unsigned size = inet_pton(AF_INET, addresses[i], ip) == 1    ? sizeof(struct in_addr)
                        : inet_pton(AF_INET6, addresses[i], ip) == 1 ? sizeof(struct in6_addr)
                                                                     : 0;

        if (size)
            r = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, ip, size,
                                                     GNUTLS_FSAN_APPEND);
    }
    return r;
}

static int
fill(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const char *hostname,
     const char *const *addresses)
{
    guint8 serial[SERIAL_BYTES], id[64];
    gsize id_size = sizeof id;
    time_t now = time(NULL);
    int r;

    if ((r = gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof serial)) < 0)
        return r;
    serial[0] = (serial[0] & 0x7f) | 0x40; /* positive, and of full length */
    if ((r = gnutls_x509_crt_set_version(crt, 3)) < 0 ||
        (r = gnutls_x509_crt_set_serial(crt, serial, sizeof serial)) < 0 ||
        (r = gnutls_x509_crt_set_activation_time(crt, now - DAY)) < 0 ||
        (r = gnutls_x509_crt_set_expiration_time(crt, now + (time_t)YEARS * 365 * DAY)) < 0 ||
        (r = gnutls_x509_crt_set_key(crt, key)) < 0 ||
        (r = add_names(crt, hostname, addresses)) < 0 ||
        (r = gnutls_x509_crt_set_basic_constraints(crt, 0, -1)) < 0 ||
        (r = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE |
                                                    GNUTLS_KEY_KEY_ENCIPHERMENT)) < 0 ||
        (r = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0)) < 0 ||
        (r = gnutls_x509_crt_get_key_id(crt, 0, id, &id_size)) < 0 ||
        (r = gnutls_x509_crt_set_subject_key_id(crt, id, id_size)) < 0)
        return r;
    return gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0);
}

/* Key and certificate as PEM. The caller wipes and frees. */
static char *
make_pem(const char *hostname, const char *const *addresses, GError **error)
{
    gnutls_x509_privkey_t key = NULL;
    gnutls_x509_crt_t crt = NULL;
    gnutls_datum_t key_pem = {0}, crt_pem = {0};
    char *pem = NULL;
    int r;

    if ((r = gnutls_x509_privkey_init(&key)) < 0 || (r = gnutls_x509_crt_init(&crt)) < 0 ||
        (r = gnutls_x509_privkey_generate(key, GNUTLS_PK_RSA, KEY_BITS, 0)) < 0 ||
        (r = fill(crt, key, hostname, addresses)) < 0 ||
        (r = gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN,
                                               &key_pem)) < 0 ||
        (r = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &crt_pem)) < 0)
        set_gnutls_error(error, "making a certificate", r);
    else
        pem = g_strdup_printf("%.*s%.*s", (int)key_pem.size, key_pem.data, (int)crt_pem.size,
                              crt_pem.data);
    if (key_pem.data)
        gnutls_memset(key_pem.data, 0, key_pem.size);
    gnutls_free(key_pem.data);
    gnutls_free(crt_pem.data);
    if (crt)
        gnutls_x509_crt_deinit(crt);
    if (key)
        gnutls_x509_privkey_deinit(key);
    return pem;
}

static bool
write_all(int fd, const char *text)
{
    gsize length = strlen(text);

    while (length > 0) {
        gssize n = write(fd, text, length);

        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            text += n;
            length -= (gsize)n;
        }
    }
    return fsync(fd) == 0;
}

/* The whole file or none of it, also after a power cut.  What is left of one that was broken off is
 * written over. */
static bool
write_secret(const char *path, const char *text, GError **error)
{
    g_autofree char *temporary = g_strconcat(path, PARTIAL_SUFFIX, NULL);
    g_autofree char *folder = g_path_get_dirname(path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    int folder_fd = -1;
    bool ok = false;

    if (fd < 0)
        goto out;
    if (!FAULT_POINT("certificate.before", NULL) || fchmod(fd, 0600) < 0 || !write_all(fd, text) ||
        !FAULT_POINT("certificate.written", NULL) || rename(temporary, path) < 0) {
        int saved = errno;

        unlink(temporary);
        errno = saved;
        goto out;
    }
    folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ok = folder_fd >= 0 && FAULT_POINT("certificate.renamed", NULL) && fsync(folder_fd) == 0 &&
         FAULT_POINT("certificate.after", NULL);

out:
    if (!ok)
        api_error_set(error, "INTERNAL_ERROR", path, g_strerror(errno), NULL);
    if (folder_fd >= 0)
        close(folder_fd);
    if (fd >= 0)
        close(fd);
    return ok;
}

static GTlsCertificate *
load(const char *path, GError **error)
{
    g_autoptr(GError) foreign = NULL;
    GTlsCertificate *cert = g_tls_certificate_new_from_file(path, &foreign);
    g_autofree char *key = NULL;

    if (cert)
        g_object_get(cert, "private-key-pem", &key, NULL);
    if (cert && key) {
        gnutls_memset(key, 0, strlen(key));
        return cert;
    }
    api_error_set(error, "INTERNAL_ERROR", path, cert ? "no private key in it" : foreign->message,
                  NULL);
    g_clear_object(&cert);
    return NULL;
}

GTlsCertificate *
certificate_load_or_make(const char *path, const char *hostname, const char *const *addresses,
                         GError **error)
{
    if (access(path, F_OK) < 0 && errno == ENOENT) {
        g_autofree char *pem = make_pem(hostname, addresses, error);
        bool ok = pem && write_secret(path, pem, error);

        if (pem)
            gnutls_memset(pem, 0, strlen(pem));
        if (!ok)
            return NULL;
    }
    return load(path, error);
}

char *
certificate_fingerprint(GTlsCertificate *cert)
{
    g_autoptr(GByteArray) der = NULL;
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    guint8 digest[32];
    gsize size = sizeof digest;
    GString *text = g_string_new(NULL);

    g_object_get(cert, "certificate", &der, NULL);
    g_checksum_update(sum, der->data, der->len);
    g_checksum_get_digest(sum, digest, &size);
    for (gsize i = 0; i < size; i++)
        g_string_append_printf(text, "%s%02X", i ? ":" : "", digest[i]);
    return g_string_free(text, FALSE);
}
