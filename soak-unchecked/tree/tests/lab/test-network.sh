#!/bin/bash
# Network cards of guests on bridges, on real Xen.
. "$(dirname "$0")/functions.sh"
. "$LAB/daemon.sh"

lab_host network
serve_xapid
sample 1 KINDS "kinds of guests on networks" pv pvh
for kind in "${KINDS[@]}"; do
	check "$kind guests of one network reach each other, those of two do not" scenario network "exchange_$kind"
done
check "a PVH guest finds a card that is plugged, though a worker is killed, and keeps it as it moves" scenario network plugging
check "a guest sends what its lock and its limit let it" scenario network locks
sample 1 OTHERS "other lives of cards" suspended machine administrators
for other in "${OTHERS[@]}"; do
	case $other in
	suspended) check "a suspended guest has its card again" scenario network suspended ;;
	machine) check "a whole machine has both its cards on the bridge" scenario network machine ;;
	administrators) check "the administrator's bridges are used and left" scenario network administrators ;;
	esac
done
lab_done
