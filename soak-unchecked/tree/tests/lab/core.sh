#!/bin/bash
# The core of a crashed guest, on real Xen; `make soak` runs it, for it takes minutes.
. "$(dirname "$0")/functions.sh"
. "$LAB/daemon.sh"

lab_host core
serve_xapid
export SCENARIO_SECONDS=1000
check "a guest that crashes leaves a core and is started again" scenario live core
[ "$FAILED" = 0 ] && echo "# 1 cores"
lab_done
