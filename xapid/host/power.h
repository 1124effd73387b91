/* Reboots the machine or powers it off: systemd does it, asked by its own program.  Main loop only.
 */
#ifndef XAPID_HOST_POWER_H
#define XAPID_HOST_POWER_H

#include <glib.h>
#include <stdbool.h>

#define POWER_SIM_FILE "power" /* of a simulated host's folder: what was asked of it last */

/* The command of "reboot" or "shutdown", for command_run (), static and NULL terminated; NULL: it
 * is another word. */
const char *const *power_command(const char *action);
/* Instead, for a simulated host. */
bool power_simulate(const char *sim_dir, const char *action, GError **error);

#endif
