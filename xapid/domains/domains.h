/* Limits and names that all processes of xapid-domains share: the parent, its workers, the events
 * and the guests process.  They are one program, started again with --worker, --events or --guests.
 */
#ifndef XAPID_DOMAINS_DOMAINS_H
#define XAPID_DOMAINS_DOMAINS_H

#define DOMAINS_PATH "/org/xapid/Domains1"
#define DOMAINS_KERNELS_DIR "/var/lib/xcp/guest" /* default of --kernels */
#define DOMAINS_DISKS_DIR "/run/xapid/disks"
#define DOMAINS_STATE_DIR "/var/lib/xapid-domains" /* images, cores; with --sim DIR: DIR itself */
#define DOMAINS_RUN_DIR "/run/xapid-domains"       /* marks and lock; with --sim DIR: DIR itself */

#define UUID_LENGTH 36
#define CONSOLE_MAX (16 * 1024 * 1024) /* bytes of the hypervisor's console that are read */
#define OP_ID_MAX 64                   /* bytes */
#define OPERATIONS_MAX 16384           /* kept until Forget; Start refuses more */

#define WORKERS_DEFAULT 4
#define WORKERS_MAX 64

/* Descriptors of a --worker or --events process. */
#define CHILD_WORK_FD 3  /* SOCK_SEQPACKET to the parent */
#define CHILD_ABORT_FD 4 /* the same, for aborts alone (--worker) */
#define CHILD_LOCK_FD 5  /* holds the program's lock until the last child is gone */

/* Long before it is killed, a worker that is silent for so many seconds is told of: what it waits
 * for, libxl or xenstored, may hang.  One that is asked nothing is asked now and then whether it is
 * there, so that all is seen within ten seconds. */
#define WORKER_HANGS_S 5
#define WORKER_PROBE_S 3

/* Seconds that a worker has for one request before it is killed. */
#define TIMEOUT_CREATE_S 600
#define TIMEOUT_SAVE_S 7200 /* 256 GB at 40 MB/s */
#define TIMEOUT_DESTROY_S 180
#define TIMEOUT_QUICK_S 60  /* pause, unpause, asking a guest to shut down, recovery of a domain */
#define TIMEOUT_ABORT_S 10  /* after Abort */
#define TIMEOUT_START_S 60  /* of a new worker's hello */
#define TIMEOUT_LOCK_S 30   /* of the workers of a dead predecessor to go */
#define RECOVERY_TRIES 3    /* before an operation ends with what is known */
#define RESPAWN_DELAY_MS 50 /* of a worker that ended; doubles up to the maximum */
#define RESPAWN_DELAY_MAX_MS 5000

#define CHANGED_PENDING_MAX 4096 /* more uuids than this wait as one "look at all" */
#define CHANGED_BATCH_MAX 256    /* Changed signals sent before the peer has taken the last ones */
#define SHUTDOWN_TIMEOUT_MAX_S 86400

#endif
