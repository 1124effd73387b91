/* What the files of the verbs share; nobody else includes it. */
#ifndef XAPID_DOMAINS_VERBS_INTERNAL_H
#define XAPID_DOMAINS_VERBS_INTERNAL_H

#include "xapid/domains/verbs.h"

GVariant *verbs_no_result(void);
/* The domid. */
GVariant *verbs_domid_result(int domid);
/* TASK_CANCELLED, when so. */
bool verbs_check_aborted(struct verbs *v, GError **error);
/* VM_BAD_POWER_STATE [uuid, expected, actual]; always false. */
bool verbs_bad_power_state(GError **error, const char *uuid, const char *expected,
                           const char *actual);
/* A broken build: marked, and nothing on it says otherwise. */
bool verbs_is_half_built(const struct domain_info *info, const char *mark);
/* Until it is gone, or has had its time to. */
bool verbs_destroy(struct verbs *v, const char *uuid, int domid, GError **error);
/* Removes what a broken build left and its mark.  A whole domain keeps and only loses the mark. */
bool verbs_clean_up(struct verbs *v, const char *uuid, GError **error);
/* The domain of that uuid that is not dying; *ret_info NULL when there is none. */
bool verbs_find_any(struct verbs *v, const char *uuid, struct domain_info **ret_info,
                    GError **error);
/* The same, but one that was built ahead is none. */
bool verbs_find(struct verbs *v, const char *uuid, struct domain_info **ret_info, GError **error);
/* The same for a verb that needs a domain that runs, or is paused; NULL with an error. */
struct domain_info *verbs_find_live(struct verbs *v, const char *uuid, bool may_be_paused,
                                    GError **error);
/* The folder of the disks' handles, which is xapid-host's to make; -1 with an error. */
int verbs_open_disks(struct verbs *v, GError **error);

/* --- verbs-consoles.c --- */

/* Text in parts, none of which cuts a character. */
bool verb_dmesg(struct verbs *v, bool clear, verbs_part_fn part, void *data, GVariant **ret_result,
                GError **error);
bool verb_consoles(struct verbs *v, const char *uuid, GVariant **ret_result, GError **error);

/* --- verbs-create.c --- */

bool verb_create(struct verbs *v, const char *uuid, const char *op_id, GVariant *args, bool restore,
                 GVariant **ret_result, GError **error);
/* Of ready_is (): removes it. */
bool verbs_drop_ready(struct verbs *v, const struct domain_info *ready, GError **error);
bool verb_prepare(struct verbs *v, const char *uuid, GVariant *args, GVariant **ret_result,
                  GError **error);

/* --- verbs-live.c --- */

bool verb_adjust(struct verbs *v, const char *uuid, GVariant *args, GVariant **ret_result,
                 GError **error);
bool verb_signal(struct verbs *v, const char *uuid, GVariant *args, GVariant **ret_result,
                 GError **error);

/* --- verbs-drives.c --- */

bool verb_plug(struct verbs *v, const char *uuid, GVariant *args, GVariant **ret_result,
               GError **error);
bool verb_hold(struct verbs *v, const char *uuid, GVariant *args, GVariant **ret_result,
               GError **error);
bool verb_release(struct verbs *v, const char *uuid, GVariant *args, GVariant **ret_result,
                  GError **error);
bool verb_unplug(struct verbs *v, const char *uuid, GVariant *args, GVariant **ret_result,
                 GError **error);
bool verb_medium(struct verbs *v, const char *uuid, GVariant *args, GVariant **ret_result,
                 GError **error);

/* --- verbs-nics.c --- */

bool verb_plug_nic(struct verbs *v, const char *uuid, GVariant *args, GVariant **ret_result,
                   GError **error);
bool verb_unplug_nic(struct verbs *v, const char *uuid, GVariant *args, GVariant **ret_result,
                     GError **error);
bool verb_set_nic(struct verbs *v, const char *uuid, GVariant *args, GVariant **ret_result,
                  GError **error);

/* --- verbs-memory.c --- */

bool verb_guest_memory(struct verbs *v, const char *uuid, GVariant *args, GVariant **ret_result,
                       GError **error);

/* --- verbs-image.c --- */

bool verb_save(struct verbs *v, const char *uuid, GVariant **ret_result, GError **error);
bool verb_continue(struct verbs *v, const char *uuid, GVariant **ret_result, GError **error);
bool verb_dump(struct verbs *v, const char *uuid, GVariant **ret_result, GError **error);
bool verb_discard(struct verbs *v, const char *uuid, GVariant **ret_result, GError **error);
/* Undoes a save that a lost worker began: the guest goes on. */
bool verbs_undo_save(struct verbs *v, const char *uuid, GError **error);

#endif
