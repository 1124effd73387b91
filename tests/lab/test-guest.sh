#!/bin/bash
# What guests say of themselves, on real Xen: from their own writes into xenstore to the API.
. "$(dirname "$0")/functions.sh"
. "$LAB/daemon.sh"

lab_host guest
serve_xapid ready_domains=1 resync_seconds=2
declare -A STARTS=([sockets]="a guest sees its CPUs in sockets" [ahead]="a start takes the domain that was built ahead")
sample 1 WHAT "kinds of starts" sockets ahead
for what in "${WHAT[@]}"; do
	check "${STARTS[$what]}" scenario guest "$what"
done
check "xs-guestd holds no uid, files or network" scenario guest confined
sample 1 KINDS "kinds of guests that tell of themselves" pv pvh
for kind in "${KINDS[@]}"; do
	check "what a $kind guest writes shows in VM_guest_metrics" scenario guest "metrics_$kind"
done
check "a guest that floods xenstore slows nobody and costs no megabyte" scenario guest flood
check "killed, the processes in between come back" scenario guest kills
lab_done
