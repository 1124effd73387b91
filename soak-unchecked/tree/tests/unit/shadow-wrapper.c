/* Preloaded beside libnss-wrapper, which has getspnam () but not the getspnam_r () that PAM uses.
 */
#include <errno.h>
#include <shadow.h>
#include <stdio.h>
#include <string.h>

int
getspnam_r(const char *name, struct spwd *entry, char *buffer, size_t size, struct spwd **result)
{
    const struct spwd *found = getspnam(name);
    int n;

    *result = NULL;
    if (!found)
        return 0;
    n = snprintf(buffer, size, "%s%c%s", found->sp_namp, '\0', found->sp_pwdp);
    if (n < 0 || (size_t)n >= size)
        return ERANGE;
    *entry = *found;
    entry->sp_namp = buffer;
    entry->sp_pwdp = buffer + strlen(buffer) + 1;
    *result = entry;
    return 0;
}
