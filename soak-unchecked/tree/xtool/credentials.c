/* Who logs in; see credentials.h. */
#include "config.h"

#include "xtool/credentials.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* What the user types without an echo, or NULL.  An interrupt waits for the end of the line, so
 * that the terminal is never left without its echo. */
static char *
ask_password(const char *server, const char *user)
{
    struct termios old, quiet;
    sigset_t interrupts, before;
    char line[1024];

    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &old) != 0)
        return NULL;
    sigemptyset(&interrupts);
    sigaddset(&interrupts, SIGINT);
    sigaddset(&interrupts, SIGQUIT);
    sigaddset(&interrupts, SIGTSTP);
    sigprocmask(SIG_BLOCK, &interrupts, &before);
    quiet = old;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    fprintf(stderr, "Password of %s at %s: ", user, server);
    char *got = fgets(line, sizeof line, stdin);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
    sigprocmask(SIG_SETMASK, &before, NULL);
    fputc('\n', stderr);
    char *password = got ? g_strdup(g_strchomp(line)) : NULL;
    explicit_bzero(line, sizeof line);
    return password;
}

/* A password file: the user's name on the first line, the password on the second. */
static bool
read_password_file(const char *path, char **ret_user, char **ret_password, GError **error)
{
    g_autofree char *text = NULL;
    gsize length;
    g_autoptr(GError) cause = NULL;

    if (!g_file_get_contents(path, &text, &length, &cause)) {
        usage_set(error, "The password file: %s.", cause->message);
        return false;
    }
    g_auto(GStrv) lines = g_strsplit(text, "\n", 3);
    if (length > ARGS_FILE_MAX || !lines[0] || !lines[1]) {
        usage_set(error, "%s: the first line is the user's name, the second the password.", path);
        return false;
    }
    *ret_user = g_strdup(g_strchomp(lines[0]));
    *ret_password = g_strdup(g_strchomp(lines[1]));
    return true;
}

bool
credentials_find(struct args *args, const char *server, bool here, char **ret_user,
                 char **ret_password, GError **error)
{
    const char *user = args_get(args, "username"), *password = args_get(args, "password");
    const char *file = args_get(args, "passwordfile");
    g_autofree char *file_user = NULL;
    g_autofree char *file_password = NULL;

    if (file && !read_password_file(file, &file_user, &file_password, error))
        return false;
    user = user ? user : file_user ? file_user : "root";
    password = password ? password : file_password;
    /* Over the unix socket root needs none. */
    if (!password && here)
        password = "";
    g_autofree char *typed = password ? NULL : ask_password(server, user);
    if (!password && !typed) {
        usage_set(error, "No password: give -pw PASSWORD, or -pwf FILE with user and password.");
        return false;
    }
    *ret_user = g_strdup(user);
    *ret_password = password ? g_strdup(password) : g_steal_pointer(&typed);
    return true;
}
