#!/bin/bash
# Drives of guests that run, on real Xen: disks plugged and unplugged, discs changed.
. "$(dirname "$0")/functions.sh"
. "$LAB/daemon.sh"

lab_host drives
dom0 'id xen-qemuuser-range-base >/dev/null 2>&1 || useradd -r -u 200000 -M -d /nonexistent -s /usr/sbin/nologin xen-qemuuser-range-base'
serve_xapid
sample 1 KINDS "kinds of guests that get disks" pv pvh
for kind in "${KINDS[@]}"; do check "a $kind guest's disk is plugged and unplugged" scenario drives "plugging_$kind"; done
check "a worker killed while it plugs leaves the disk whole or none" scenario drives killed
check "discs are inserted and ejected" scenario drives discs
lab_done
