#!/bin/bash
# What xapid stands on hangs or dies: QEMU, xenstored, a call of libxl.
. "$(dirname "$0")/functions.sh"
. "$LAB/daemon.sh"

lab_host harm
dom0 'id xen-qemuuser-range-base >/dev/null 2>&1 || useradd -r -u 200000 -M -d /nonexistent -s /usr/sbin/nologin xen-qemuuser-range-base'
serve_xapid
sample 2 HARM "kinds of harm" device_model xenstored_hangs a_call_hangs xenstored_dies
for harm in "${HARM[@]}"; do
	case $harm in
	device_model) check "a guest whose QEMU died has crashed" scenario harm device_model ;;
	xenstored_hangs) check "xenstored hangs, and all is as before" scenario harm xenstored_hangs ;;
	a_call_hangs) check "a call of libxl hangs, and its task is cancelled" scenario harm a_call_hangs ;;
	xenstored_dies) check "xenstored dies, and reads and guests go on" scenario harm xenstored_dies ;;
	esac
done
lab_done
