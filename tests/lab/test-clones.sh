#!/bin/bash
# Clones and snapshots on real Xen that share what they have in common: by PV and PVH guests, by
# whole machines with their confined QEMU; what is shared stays as it is.
. "$(dirname "$0")/functions.sh"
. "$LAB/daemon.sh"

export SCENARIO_SECONDS=900
lab_host clones
dom0 'id xen-qemuuser-range-base >/dev/null 2>&1 || useradd -r -u 200000 -M -d /nonexistent -s /usr/sbin/nologin xen-qemuuser-range-base'
serve_xapid
check "a whole machine boots from a clone and writes" scenario clones hvm
# A QEMU serves both kinds alike.  XAPID_LAB_WHOLE: both.
one_of KINDS "kinds of guests beside their clones" pv pvh
for kind in "${KINDS[@]}"; do check "a $kind guest and its clone run beside each other" scenario clones "$kind"; done
check "a guest of a template goes back to a snapshot" scenario clones back
lab_done
