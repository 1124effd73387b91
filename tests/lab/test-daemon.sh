#!/bin/bash
# xapid on real Xen: PV and PVH guests through the API, over TLS from outside.
. "$(dirname "$0")/functions.sh"

lab_host a
push_xapid
dom0_in 'cat >/etc/pam.d/xapid' <"$LAB/../../docs/pam.d/xapid"
password=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
set_password root <<<"$password"
dom0_in 'cat >/etc/xapid.conf' <<EOF
[xapid]
address=$(lab_addr)
listen=0.0.0.0
state_dir=/var/lib/xapid
log_level=debug
EOF
dom0 'mkdir -p /var/lib/xcp; setsid /usr/local/sbin/xapid-launch --config /etc/xapid.conf >/var/log/xapid.log 2>&1 </dev/null &'

serves() { timeout 10 curl -sk -o /dev/null "https://$(lab_addr)/"; }
check "the daemon serves" wait_for 60 serves
# scenario NAME   its comments go to the output, with the daemon's log when it fails
scenario() {
	if ! timeout 400 /usr/bin/python3 "$LAB/daemon.py" "$1" "$HOST" "$(lab_addr)" "$password" >"$LAB_HOSTS/out" 2>&1; then
		dom0 'grep -v ": building " /var/log/xapid.log | tail -20'; cat "$LAB_HOSTS/out"
		return 1
	fi
	grep '^#' "$LAB_HOSTS/out" >&3 || true
}
exec 3>&1
check "a PVH guest lives and ends" scenario pvh
check "a PV guest lives and ends" scenario pv
check "the end of a guest is told by event" scenario delay
check "guests that end by themselves are seen" scenario alone
check "killed programs disturb no guest" scenario kills
check "killed workers leave nothing behind" scenario builds
check "addresses open from outside" scenario addresses
check "xapid runs without root" dom0 '[ "$(stat -c %U /proc/$(pidof xapid))" = xapid ]'
lab_done
