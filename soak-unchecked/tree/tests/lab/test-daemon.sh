#!/bin/bash
# xapid on real Xen: PV and PVH guests through the API, over TLS from outside.  XAPID_LAB_WHOLE: all kills,
# and not a sample of them (sample () of api.py).
. "$(dirname "$0")/functions.sh"
. "$LAB/daemon.sh"

lab_host a
serve_xapid
check "a PVH guest lives and ends" scenario daemon pvh
check "a PV guest lives and ends" scenario daemon pv
check "the end of a guest is told by event" scenario daemon delay
check "guests that end by themselves are seen" scenario daemon alone
check "killed programs disturb no guest" scenario daemon kills
check "killed workers leave nothing behind" scenario daemon builds
check "programs killed in a build leave it whole or undone" scenario daemon crashes
check "addresses open from outside" scenario daemon addresses
check "xapid runs without root" dom0 '[ "$(stat -c %U /proc/$(pidof xapid))" = xapid ]'
lab_done
