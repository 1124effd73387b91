#!/bin/bash
# CD images on an NFS server and on an SMB server: the driver iso by itself.
. "$(dirname "$0")/functions.sh"
. "$LAB/drivers.sh"

lab_host shares
push_xapid
check "dom0 is an SMB server, too" serve_share
check "dom0 is an NFS server, too" export_folder
export DRIVER_ENVIRONMENT="XAPID_EXPORT=/srv/export XAPID_SHARE_PATH=$SHARE_PATH XAPID_SHARE='$SHARE'"
check "the driver iso does what drivers do" lab_drivers iso images
lab_done
