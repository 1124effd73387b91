#!/bin/bash
# What the kernel sees our programs change on real Xen is what their fault points say; `make soak` runs it,
# for strace makes an emulated machine slow.
export SCENARIO_SECONDS=1200
. "$(dirname "$0")/functions.sh"
. "$LAB/daemon.sh"

lab_host effects
serve_xapid
check "strace sees no effect outside fault points" scenario effects traced
[ "$FAILED" = 0 ] && echo "# 1 lives"
lab_done
