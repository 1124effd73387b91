/* Reboots the machine or powers it off: systemd does it, asked by its own program.  Main loop only.
 */
#ifndef XAPID_HOST_POWER_H
#define XAPID_HOST_POWER_H

#include <gio/gio.h>
#include <stdbool.h>

#define POWER_SIM_FILE "power" /* of a simulated host's folder: what was asked of it last */

/* The command of "reboot" or "shutdown", static and NULL terminated; NULL: it is another word. */
const char *const *power_command(const char *action);
/* error: NULL when the command ended well; borrowed. */
typedef void (*power_done_fn)(const GError *error, void *data);
/* Runs it, without a shell; `done` is called later. False with an error: it could not be started.
 */
bool power_run(const char *const *command, power_done_fn done, void *data, GError **error);
/* Instead, for a simulated host. */
bool power_simulate(const char *sim_dir, const char *action, GError **error);

#endif
