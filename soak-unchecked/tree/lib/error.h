/* The one error domain: a XenAPI error code with its parameters, carried by a GError.
 *
 * An error is made once, where the facts are, and passed on; the wire layer turns it into
 * ErrorDescription.  Errors of other domains that reach the wire become INTERNAL_ERROR.
 * Any thread may use these functions. */
#ifndef XAPID_LIB_ERROR_H
#define XAPID_LIB_ERROR_H

#include <glib.h>

#define API_ERROR (api_error_quark())
GQuark api_error_quark(void);

/* Sets *error (unless error is NULL) to code and the strings that follow, up to NULL.  Parameters
 * that are not UTF-8 or hold characters that XML forbids are cleaned.  Code is a literal. */
void api_error_set(GError **error, const char *code, ...) G_GNUC_NULL_TERMINATED;
GError *api_error_new(const char *code, ...) G_GNUC_NULL_TERMINATED;
/* The same with parameters from a vector (borrowed, NULL terminated). */
GError *api_error_newv(const char *code, const char *const *params);

/* The code of an error ("INTERNAL_ERROR" for a foreign domain), borrowed. */
const char *api_error_code(const GError *error);
/* Its parameters: a NULL-terminated vector borrowed from the error.  For a foreign domain NULL: use
 * the message as the only parameter. */
const char *const *api_error_params(const GError *error);
/* Code and parameters as "as", a new floating reference: what the wire and task.error_info carry.
 */
GVariant *api_error_to_variant(const GError *error);
/* The reverse: an error from "as" (at least one element). */
GError *api_error_from_variant(GVariant *description);

#define api_error_is(error, code) (g_strcmp0(api_error_code(error), (code)) == 0)

#endif
