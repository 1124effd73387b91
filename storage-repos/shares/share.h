/* Folders of servers: exports of NFS and shares of SMB.  One is mounted at mount_path () while its
 * repository is attached, or for one call alone where only this process sees it.
 *
 * A mount is soft: a server that is gone makes errors after a while, not processes that nobody can
 * end.  No link of a server's is followed, so what is reached through one stays on it. */
#ifndef STORAGE_REPOS_SHARES_SHARE_H
#define STORAGE_REPOS_SHARES_SHARE_H

#include "storage-repos/common/driver.h"

struct share {
    const char *tool;            /* that mounts it */
    enum driver_failure failure; /* when it cannot */
    char *source, *options;      /* as the tool takes them */
    char *login;                 /* the tool's file of a name and a password; NULL: none */
};

typedef struct share share_t;
void share_clear(struct share *share);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(share_t, share_clear)

/* The folder that args are about.  Each of these drivers has its own.  False with an error. */
bool share_of(GVariant *args, share_t *ret_share, GError **error);
/* More options of mount(8), each of which begins with a comma. */
void share_add_options(struct share *share, const char *options);

/* --- share.c --- */

/* A name of a server, or its address: letters, digits, dots, dashes, and colons of an address. */
bool share_server_is_valid(const char *server);
/* What the path of one is made of: ASCII, no comma, no name `..`. */
bool share_path_is_valid(const char *path);
/* It is mounted there then.  False with the share's failure, SR_BACKEND_FAILURE_52. */
bool share_mount(const struct share *share, const char *path, GError **error);
/* The folder, mounted at `path` for this call alone, which is closed by the caller; -1 with an
 * error. */
int share_open_aside(const struct share *share, const char *path, GError **error);
/* sr.detach, of each of these drivers: nothing is mounted any more.  When somebody has a file of it
 * open, that is SR_DEVICE_IN_USE as long as the server answers; else it is left to them. */
bool share_detach(GVariant *args, GVariantDict *result, GError **error);

/* --- nfs.c --- */

/* An export; device_config's nfsversion counts.  SR_BACKEND_FAILURE_91 and _72. */
bool share_nfs(GVariant *args, const char *server, const char *path, share_t *ret_share,
               GError **error);

/* --- smb.c --- */

/* \\server\share or //server/share, and folders of it; device_config's username and vers count.
 * SR_BACKEND_FAILURE_91, _94 and _227. */
bool share_smb(GVariant *args, const char *location, const char *password, share_t *ret_share,
               GError **error);

/* --- watch.c --- */

#define SHARE_SECONDS 60 /* without a word of the server */

/* struct driver's `make`: the call ends, with SR_BACKEND_FAILURE_47, once the server that share_of
 * () tells has not answered for SHARE_SECONDS, whatever waits for it. */
bool share_make_call(const struct driver_call *call, GVariant *args, GVariantDict *result,
                     GError **error);

/* --- folders.c: repositories of files, each a folder that is named by the uuid of its SR --- */

extern const char *const share_capabilities[];
extern const struct driver_call share_calls[];

#endif
