#!/bin/bash
# Network cards of guests on bridges, on real Xen.
. "$(dirname "$0")/functions.sh"
. "$LAB/daemon.sh"

sample 1 BACKENDS "kinds of bridges" bridge openvswitch
for backend in "${BACKENDS[@]}"; do
	lab_host "network-$backend"
	serve_xapid "network_backend=$backend"
	sample 1 KINDS "kinds of guests on networks" pv pvh
	for kind in "${KINDS[@]}"; do
		check "$kind guests of one network reach each other, those of two do not" scenario network "exchange_$kind"
	done
	check "a PVH guest finds a card that is plugged, though a worker is killed, and keeps it as it moves" scenario network plugging
	check "a guest sends what its lock and its limit let it" scenario network locks
	dom0_in 'cat >/root/test-uplink && chmod +x /root/test-uplink' <"${BUILDDIR:-$LAB/../..}/tests/unit/test-uplink"
	uplinks() { TMO=300 dom0 '/root/test-uplink | grep -c ^ok' | grep -qx 8; }
	check "interfaces and VLANs come into bridges, and nothing of the administrator's does" uplinks
	# The bonds of this kernel, whatever the daemon uses.
	bonds() {
		dom0_in 'cat >/root/test-bonds && chmod +x /root/test-bonds' <"${BUILDDIR:-$LAB/../..}/tests/unit/test-bonds-linux"
		TMO=300 dom0 'modprobe bonding max_bonds=0; /root/test-bonds | grep -c ^ok' | grep -qx 4
	}
	sample 1 OTHERS "other lives of cards" suspended machine administrators bonds
	[ -z "${XAPID_LAB_WHOLE:-}" ] || OTHERS+=(vlans many) # these take minutes
	for other in "${OTHERS[@]}"; do
		case $other in
		suspended) check "a suspended guest has its card again" scenario network suspended ;;
		bonds) check "a bond survives the loss of a link, and whoever ends while it is made" bonds ;;
		machine) check "a whole machine has both its cards on the bridge" scenario network machine ;;
		vlans) check "guests of one VLAN reach each other, those of two do not, and dom0's own card is left" scenario network vlans ;;
		many) check "many VLANs come, stay and go" scenario network many ;;
		administrators) check "the administrator's bridges are used and left" scenario network administrators ;;
		esac
	done
done
lab_done
