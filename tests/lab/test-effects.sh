#!/bin/bash
# What the kernel sees our programs change on real Xen is what their fault points say.
export SCENARIO_SECONDS=1200
. "$(dirname "$0")/functions.sh"
. "$LAB/daemon.sh"

lab_host effects
serve_xapid
check "strace sees no effect outside fault points" scenario effects traced
lab_done
