#!/bin/bash
# Disks of guests on real Xen: raw and qcow2, read and written by PV and PVH guests; whole
# machines that boot from a disk and from a CD, with a QEMU that is nobody.
. "$(dirname "$0")/functions.sh"
. "$LAB/daemon.sh"

lab_host storage
dom0 'id xen-qemuuser-range-base >/dev/null 2>&1 || useradd -r -u 200000 -M -d /nonexistent -s /usr/sbin/nologin xen-qemuuser-range-base'
serve_xapid
sample 1 KINDS "kinds of guests with disks" pv pvh
for kind in "${KINDS[@]}"; do check "a $kind guest reads and writes its disks" scenario storage "disks_$kind"; done
check "HVM guests boot from a disk and from a CD" scenario storage hvm
check "a worker killed while it builds leaves nothing" scenario storage killed_builds
lab_done
