#!/bin/bash
# xl's configuration files on real Xen: xtool makes the guests that xl makes of them, and goes to their
# consoles.
. "$(dirname "$0")/functions.sh"
. "$LAB/daemon.sh"

lab_host xl-files
dom0 'id xen-qemuuser-range-base >/dev/null 2>&1 || useradd -r -u 200000 -M -d /nonexistent -s /usr/sbin/nologin xen-qemuuser-range-base'
serve_xapid
sample 1 DEEDS "deeds with a file" console_of_it alike
for deed in "${DEEDS[@]}"; do
	case $deed in
	console_of_it) check "a guest of a file runs, and xtool goes to its console" scenario xlfiles console_of_it ;;
	alike) check "xl and xtool make the same guests of the same files" scenario xlfiles alike ;;
	esac
done
lab_done
