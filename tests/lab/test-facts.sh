#!/bin/bash
# Records against what Xen itself says: the host, dom0, and guests on their way.
. "$(dirname "$0")/functions.sh"
. "$LAB/daemon.sh"

lab_host facts
serve_xapid resync_seconds=2
check "the records of the host and of dom0 are as xl has them" scenario facts host
check "what Xen printed is as xl has it" scenario facts dmesg
sample 1 KINDS "kinds of guests that are followed" pv pvh
for kind in "${KINDS[@]}"; do
	check "a $kind guest's record follows it" scenario facts "guests_$kind"
done
check "how busy a guest is, is told" scenario facts busy
check "what xl does to a guest is seen" scenario facts elsewhere
sample 1 FOREIGN "kinds of guests that xl made" pv pvh
for kind in "${FOREIGN[@]}"; do
	check "a $kind guest that xl made is shown and left alone" scenario facts "foreign_$kind"
done
check "the host is rebooted and powered off by systemd" scenario facts power
lab_done
