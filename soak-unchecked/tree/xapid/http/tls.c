/* TLS sessions; see tls.h. */
#include "config.h"

#include "xapid/http/tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>

#include "lib/error.h"

/* Forward secrecy and AEAD only: every client we know offers ECDHE-RSA with AES-GCM. */
#define TLS_PRIORITY                                                                               \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:-DHE-RSA:-AES-128-CBC:-AES-256-CBC:"          \
    "-AES-128-CCM:-AES-256-CCM:%SERVER_PRECEDENCE"

struct tls_context {
    gatomicrefcount refs;
    gnutls_certificate_credentials_t credentials;
    gnutls_priority_t priority;
    gnutls_datum_t ticket_key;
};

struct tls_session {
    gnutls_session_t session;
    struct tls_context *context;
    bool established;
};

static char *
certificate_chain_pem(GTlsCertificate *cert)
{
    GString *pem = g_string_new(NULL);

    for (GTlsCertificate *c = cert; c; c = g_tls_certificate_get_issuer(c)) {
        g_autofree char *one = NULL;

        g_object_get(c, "certificate-pem", &one, NULL);
        g_string_append(pem, one);
    }
    return g_string_free(pem, FALSE);
}

struct tls_context *
tls_context_new(GTlsCertificate *cert, GError **error)
{
    struct tls_context *context = g_new0(struct tls_context, 1);
    g_autofree char *chain = certificate_chain_pem(cert);
    g_autofree char *key = NULL;
    int r = GNUTLS_E_NO_CERTIFICATE_FOUND;

    g_atomic_ref_count_init(&context->refs);
    g_object_get(cert, "private-key-pem", &key, NULL);
    if (!key)
        goto fail;
    gnutls_datum_t chain_pem = {(guchar *)chain, (unsigned)strlen(chain)};
    gnutls_datum_t key_pem = {(guchar *)key, (unsigned)strlen(key)};
    if ((r = gnutls_certificate_allocate_credentials(&context->credentials)) < 0 ||
        (r = gnutls_certificate_set_x509_key_mem(context->credentials, &chain_pem, &key_pem,
                                                 GNUTLS_X509_FMT_PEM)) < 0 ||
        (r = gnutls_priority_init(&context->priority, TLS_PRIORITY, NULL)) < 0 ||
        (r = gnutls_session_ticket_key_generate(&context->ticket_key)) < 0)
        goto fail;
    gnutls_memset(key, 0, strlen(key));
    return context;

fail:
    api_error_set(error, "INTERNAL_ERROR", "TLS certificate", gnutls_strerror(r), NULL);
    tls_context_unref(context);
    return NULL;
}

struct tls_context *
tls_context_ref(struct tls_context *context)
{
    g_atomic_ref_count_inc(&context->refs);
    return context;
}

void
tls_context_unref(struct tls_context *context)
{
    if (!context || !g_atomic_ref_count_dec(&context->refs))
        return;
    if (context->credentials)
        gnutls_certificate_free_credentials(context->credentials);
    if (context->priority)
        gnutls_priority_deinit(context->priority);
    if (context->ticket_key.data) {
        gnutls_memset(context->ticket_key.data, 0, context->ticket_key.size);
        gnutls_free(context->ticket_key.data);
    }
    g_free(context);
}

struct tls_session *
tls_session_new(struct tls_context *context, int fd)
{
    struct tls_session *session = g_new0(struct tls_session, 1);

    session->context = tls_context_ref(context);
    if (gnutls_init(&session->session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0)
        g_error("gnutls_init: out of memory");
    gnutls_priority_set(session->session, context->priority);
    gnutls_credentials_set(session->session, GNUTLS_CRD_CERTIFICATE, context->credentials);
    gnutls_session_ticket_enable_server(session->session, &context->ticket_key);
    gnutls_handshake_set_timeout(session->session, 0); /* the door has its own */
    gnutls_transport_set_int(session->session, fd);
    return session;
}

void
tls_session_free(struct tls_session *session)
{
    if (!session)
        return;
    gnutls_deinit(session->session);
    tls_context_unref(session->context);
    g_free(session);
}

enum tls_step
tls_session_handshake(struct tls_session *session)
{
    int r;

    do
        r = gnutls_handshake(session->session);
    while (r == GNUTLS_E_INTERRUPTED || r == GNUTLS_E_WARNING_ALERT_RECEIVED);
    if (r == GNUTLS_E_SUCCESS) {
        session->established = true;
        return TLS_DONE;
    }
    if (r == GNUTLS_E_AGAIN)
        return gnutls_record_get_direction(session->session) ? TLS_WANT_WRITE : TLS_WANT_READ;
    gnutls_alert_send_appropriate(session->session, r);
    return TLS_FAILED;
}

static gssize
tls_result(gssize r)
{
    if (r >= 0)
        return r;
    errno = r == GNUTLS_E_AGAIN ? EAGAIN : r == GNUTLS_E_INTERRUPTED ? EINTR : EPROTO;
    return -1;
}

gssize
tls_session_recv(struct tls_session *session, void *buffer, gsize size)
{
    gssize r = gnutls_record_recv(session->session, buffer, size);

    /* A peer that closes without a good-bye has closed all the same. */
    if (r == GNUTLS_E_PREMATURE_TERMINATION)
        return 0;
    return tls_result(r);
}

gssize
tls_session_send(struct tls_session *session, const void *buffer, gsize size)
{
    return tls_result(gnutls_record_send(session->session, buffer, size));
}

bool
tls_session_pending(const struct tls_session *session)
{
    return session->established && gnutls_record_check_pending(session->session) > 0;
}

void
tls_session_bye(struct tls_session *session)
{
    if (session->established)
        gnutls_bye(session->session, GNUTLS_SHUT_WR);
}
