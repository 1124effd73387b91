/* Which server certificate is the right one: one that a CA of this system vouches for, or the one
 * whose fingerprint was given or is remembered in a file (~/.config/xapid/known_hosts, lines
 * "HOST:PORT SHA256-IN-HEX"). */
#ifndef XAPID_XTOOL_TRUST_H
#define XAPID_XTOOL_TRUST_H

#include <gio/gio.h>
#include <stdbool.h>

struct trust;

/* peer: "HOST:PORT".  fingerprint: that of the one certificate to take, or NULL.  learn: remember
 * an unknown one without a question. */
struct trust *trust_new(const char *peer, const char *fingerprint, bool learn, GError **error);
void trust_free(struct trust *trust);
typedef struct trust trust_owned;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(trust_owned, trust_free)

/* True when a fingerprint is known, so that no CA has a say. */
bool trust_is_pinned(const struct trust *trust);

/* Asked for a certificate that the CAs do not vouch for, or for any when pinned.  May ask on the
 * terminal.  When it says no, trust_problem () tells the user why and what to do. */
bool trust_accept(struct trust *trust, GTlsCertificate *certificate);
const char *trust_problem(const struct trust *trust);

/* 64 lower-case hexadecimal digits from any usual form (AA:BB..., "SHA256:..."), or NULL. */
char *fingerprint_parse(const char *text);

#endif
