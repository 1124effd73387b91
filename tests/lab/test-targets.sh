#!/bin/bash
# Disks of guests on a target of iSCSI and on a disk of a SCSI bus, on real Xen, and the drivers by themselves
# (XAPID_LAB_WHOLE: killed at each of their fault points, and with a target that is gone).
. "$(dirname "$0")/functions.sh"
. "$LAB/daemon.sh"
. "$LAB/drivers.sh"

lab_host targets
serve_xapid
check "dom0 has a target of iSCSI, too" serve_target
check "dom0 has a disk of a bus" serve_bus
export SCENARIO_SECONDS=900
check "a guest keeps its disks on a target and on a bus" scenario targets kept
sample 1 DRIVERS "drivers by themselves" lvmoiscsi lvmohba
bus=$(bus_disk) target=$(target_config)
export DRIVER_ENVIRONMENT="XAPID_DISK=$bus XAPID_TARGET_FILE=$TARGET_FILE XAPID_TARGET='$target'"
for driver in "${DRIVERS[@]}"; do
	case $driver in
	lvmoiscsi) check "the driver lvmoiscsi does what drivers do" lab_drivers lvmoiscsi targets ;;
	lvmohba) check "the driver lvmohba does what drivers do" lab_drivers lvmohba disks_of_buses kills ;;
	esac
done
lab_done
