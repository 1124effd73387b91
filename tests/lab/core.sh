#!/bin/bash
# The core of a crashed PV and PVH guest, on real Xen; `make soak` runs it, for it takes minutes.
. "$(dirname "$0")/functions.sh"
. "$LAB/daemon.sh"

lab_host core
serve_xapid
export SCENARIO_SECONDS=1000
for kind in pv pvh; do check "a $kind guest that crashes leaves a core and is started again" scenario live "core_$kind"; done
[ "$FAILED" = 0 ] && echo "# 2 cores"
lab_done
