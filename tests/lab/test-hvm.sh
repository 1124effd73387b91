#!/bin/bash
# Whole machines with a Linux on real Xen, their QEMU confined: disks by Xen's drivers and emulated,
# raw and qcow2, over suspend and resume; shutdown; and nothing of them left in dom0.
. "$(dirname "$0")/functions.sh"
. "$LAB/daemon.sh"

export SCENARIO_SECONDS=1000
lab_host hvm
dom0 'id xen-qemuuser-range-base >/dev/null 2>&1 || useradd -r -u 200000 -M -d /nonexistent -s /usr/sbin/nologin xen-qemuuser-range-base'
serve_xapid
check "a machine is made of what platform says" scenario hvm platform
check "screens and text consoles are read and typed at from outside" scenario hvm screens
sample 1 DRIVERS "drivers of a guest's disks" raw image
for drivers in "${DRIVERS[@]}"; do
	case $drivers in
	raw) check "a Linux with Xen's drivers keeps its raw disks" scenario hvm raw ;;
	image) check "a Linux without Xen's drivers keeps its qcow2 disk" scenario hvm image ;;
	esac
done
lab_done
