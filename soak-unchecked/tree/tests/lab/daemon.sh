# shellcheck shell=bash
# Sourced behind functions.sh by the tests that talk to the daemon in dom0.
#
#   serve_xapid [LINE...]        # installs it in HOST's dom0, and has it serve; further lines of
#                                # its configuration's [xapid]
#   check "..." scenario FILE NAME    # runs scenario NAME of tests/lab/FILE.py

serve_xapid() {
	push_xapid
	dom0_in 'cat >/etc/pam.d/xapid' <"$LAB/../../docs/pam.d/xapid"
	password=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
	set_password root <<<"$password"
	dom0_in 'cat >/etc/xapid.conf' <<-EOF
		[xapid]
		address=$(lab_addr)
		listen=0.0.0.0
		state_dir=/var/lib/xapid
		log_level=debug
		$(printf '%s\n' "$@")
	EOF
	dom0_in 'cat >/root/launch' <<-EOF
		mkdir -p /var/lib/xcp
		setsid /usr/local/sbin/xapid-launch --config /etc/xapid.conf >>/var/log/xapid.log 2>&1 </dev/null &
	EOF
	dom0 sh /root/launch
	check "the daemon serves" wait_for 60 serves
}
serves() { timeout 10 curl -sk -o /dev/null "https://$(lab_addr)/"; }

daemon_log() { dom0 'grep -v ": building " /var/log/xapid.log | tail -20'; }
# Its comments go to the output, with the daemon's log when it fails.
exec 3>&1
scenario() {
	if ! timeout "${SCENARIO_SECONDS:-400}" /usr/bin/python3 "$LAB/$1.py" "$2" "$HOST" "$(lab_addr)" "$password" >"$LAB_HOSTS/out" 2>&1; then
		daemon_log; cat "$LAB_HOSTS/out"
		return 1
	fi
	grep '^#' "$LAB_HOSTS/out" >&3 || true
}
