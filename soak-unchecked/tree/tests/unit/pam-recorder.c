/* A PAM module for tests: asks for a new password twice, as pam_unix does for root, and writes it
 * to the file that its argument names. */
#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
pam_sm_chauthtok(pam_handle_t *pam, int flags, int argc, const char **argv)
{
    char *first = NULL, *second = NULL;
    int status = PAM_AUTHTOK_ERR;
    FILE *file;

    if (flags & PAM_PRELIM_CHECK)
        return PAM_SUCCESS;
    if (argc == 1 && pam_prompt(pam, PAM_PROMPT_ECHO_OFF, &first, "New password: ") == 0 &&
        pam_prompt(pam, PAM_PROMPT_ECHO_OFF, &second, "Again: ") == 0 && first && second &&
        strcmp(first, second) == 0 && (file = fopen(argv[0], "w"))) {
        status = fputs(first, file) < 0 ? PAM_AUTHTOK_ERR : PAM_SUCCESS;
        fclose(file);
    }
    free(first);
    free(second);
    return status;
}
