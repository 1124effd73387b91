#!/bin/bash
# Guests that run, on real Xen: VCPUs, memory, scheduling, events, suspending and resuming.
. "$(dirname "$0")/functions.sh"
. "$LAB/daemon.sh"

lab_host live
serve_xapid
sample 1 ALIVE "kinds of guests that get resources" pv pvh
for kind in "${ALIVE[@]}"; do
	check "a $kind guest gets VCPUs, memory and shares while it runs" scenario live "resources_$kind"
done
check "of two guests that take all memory one is started" scenario live race
sample 1 HEAR "kinds of guests that hear" pv pvh
for kind in "${HEAR[@]}"; do check "a $kind guest hears SysRq and NMI" scenario live "signals_$kind"; done
sample 1 SLEEP "kinds of guests that are suspended" pv pvh
for kind in "${SLEEP[@]}"; do check "a $kind guest is suspended and resumed" scenario live "suspend_$kind"; done
check "killed workers do not lose a suspended guest" scenario live kills
lab_done
