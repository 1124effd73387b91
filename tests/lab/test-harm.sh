#!/bin/bash
# What xapid stands on hangs or dies: QEMU, xenstored, a call of libxl.
. "$(dirname "$0")/functions.sh"
. "$LAB/daemon.sh"

lab_host harm
dom0 'id xen-qemuuser-range-base >/dev/null 2>&1 || useradd -r -u 200000 -M -d /nonexistent -s /usr/sbin/nologin xen-qemuuser-range-base'
serve_xapid
check "a guest whose QEMU died has crashed" scenario harm device_model
check "xenstored hangs, and all is as before" scenario harm xenstored_hangs
check "a call of libxl hangs, and its task is cancelled" scenario harm a_call_hangs
check "xenstored dies, and reads and guests go on" scenario harm xenstored_dies
lab_done
