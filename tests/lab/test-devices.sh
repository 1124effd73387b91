#!/bin/bash
# Disks of guests on block devices and on NFS, on real Xen, and their drivers by themselves (XAPID_LAB_WHOLE:
# killed at each of their fault points).
. "$(dirname "$0")/functions.sh"
. "$LAB/daemon.sh"
. "$LAB/drivers.sh"

lab_host devices
dom0 'id xen-qemuuser-range-base >/dev/null 2>&1 || useradd -r -u 200000 -M -d /nonexistent -s /usr/sbin/nologin xen-qemuuser-range-base'
serve_xapid
check "dom0 is an NFS server, too" export_folder
export DRIVER_ENVIRONMENT=XAPID_EXPORT=/srv/export
export SCENARIO_SECONDS=1800
check "a guest keeps its disks on block devices and on NFS" scenario devices kept
sample 1 DRIVERS "drivers by themselves" lvm nfs
for driver in "${DRIVERS[@]}"; do
	case $driver in
	lvm) check "the driver lvm does what drivers do" lab_drivers lvm disks_from_beginning_to_end disks_change_places kills ;;
	nfs) check "the driver nfs does what drivers do" lab_drivers nfs exports ;;
	esac
done
lab_done
