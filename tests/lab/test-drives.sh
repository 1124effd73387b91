#!/bin/bash
# Drives of guests that run, on real Xen: disks plugged and unplugged, discs changed.
. "$(dirname "$0")/functions.sh"
. "$LAB/daemon.sh"

lab_host drives
dom0 'id xen-qemuuser-range-base >/dev/null 2>&1 || useradd -r -u 200000 -M -d /nonexistent -s /usr/sbin/nologin xen-qemuuser-range-base'
serve_xapid
check "a PV guest's disk is plugged and unplugged" scenario drives plugging_pv
check "a PVH guest's disk is plugged and unplugged" scenario drives plugging_pvh
check "a worker killed while it plugs leaves the disk whole or none" scenario drives killed
check "discs are inserted and ejected" scenario drives discs
lab_done
