#!/bin/bash
# Clones and snapshots on real Xen that share what they have in common: by PV and PVH guests, by
# whole machines with their confined QEMU; what is shared stays as it is.
. "$(dirname "$0")/functions.sh"
. "$LAB/daemon.sh"

export SCENARIO_SECONDS=900
lab_host clones
dom0 'id xen-qemuuser-range-base >/dev/null 2>&1 || useradd -r -u 200000 -M -d /nonexistent -s /usr/sbin/nologin xen-qemuuser-range-base'
serve_xapid
sample 1 KINDS "kinds of guests beside their clones" hvm pvh pv
for kind in "${KINDS[@]}"; do check "a $kind guest and its clone write" scenario clones "$kind"; done
check "a guest of a template goes back to a snapshot" scenario clones back
lab_done
