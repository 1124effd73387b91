#!/bin/bash
# start.sh [OUT]   guests started by xl and by us in one boot of a lab host; figures go to OUT, a file
# (start.json in BUILDDIR).  tests/bench/README.md tells how they are taken.
export LAB_TIMEOUT=14400 # on a machine that does other things, too
LAB=$(cd "$(dirname "$0")/../lab" && pwd)
. "$LAB/functions.sh"
. "$LAB/daemon.sh"

lab_host bench
dom0 'id xen-qemuuser-range-base >/dev/null 2>&1 || useradd -r -u 200000 -M -d /nonexistent -s /usr/sbin/nologin xen-qemuuser-range-base'
serve_xapid log_level=info ready_domains=1
# shellcheck disable=SC2154,SC2034 # password is serve_xapid's, FAILED is lab_done's
/usr/bin/python3 "$LAB/../bench/start.py" "$HOST" "$(lab_addr)" "$password" "${1:-${BUILDDIR:-.}/start.json}" || FAILED=1
lab_done
