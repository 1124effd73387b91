# shellcheck shell=bash
# Sourced by tests/lab/test-*.sh. A test prints TAP and exits 0 or 1:
#
#   . "$(dirname "$0")/functions.sh"
#   lab_host a                      # a frozen host, thawed; stopped at exit
#   push_xapid                      # if it needs our programs there
#   check "xl answers" dom0 xl info
#   lab_done
#
# Every wait is bounded; TMO=seconds before dom0 changes its limit of 60. Run a
# test under timeout(1): TERM makes it stop its hosts. Each run has its own
# LAB_HOSTS, so tests do not meet. A test that fails leaves the hosts' consoles
# and QEMU's messages in LAB_LOGS (default LAB_DIR/logs), in a folder of the test's name.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
. "$LAB/../lib/sample.sh"

TEST=$(basename "$0" .sh)
LOGS=${LAB_LOGS:-$LAB_DIR/logs}/$TEST
LAB_HOSTS=$LAB_DIR/run/$TEST.$$
export LAB_HOSTS
HOST= # the one that dom0 talks to: the last of lab_host, or set by the test
CHECKS=0 FAILED=0 DONE=
LAB_PIDS=() # lab_ends PID: a process of the test's own, to end with it
lab_ends() { LAB_PIDS+=("$1"); }

# lab_end   what ends with the test, however it ends
lab_end() {
	local rc=$? d
	trap '' INT TERM HUP
	if [ -z "$DONE" ]; then
		echo "Bail out! $TEST ended early, status $rc"
		FAILED=$((FAILED + 1))
	fi
	rm -rf "$LOGS"
	[ ${#LAB_PIDS[@]} = 0 ] || kill "${LAB_PIDS[@]}" 2>/dev/null || true
	for d in "$LAB_HOSTS"/*/; do
		[ -d "$d" ] || continue
		host_end "${d%/}"
		[ "$FAILED" = 0 ] || lab_keep "$d"
	done
	rm -rf "$LAB_HOSTS"
}
lab_keep() {
	local to
	to=$LOGS/$(basename "$1")
	mkdir -p "$to"
	cp "$1/console" "$1/qemu.log" "$to/" 2>/dev/null || true
	echo "# logs of $(basename "$1"): $to"
}
trap lab_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# lab_sweep   ends what tests left that could not end it themselves
lab_sweep() {
	local d h
	for d in "$LAB_DIR"/run/*.*; do
		[ -d "$d" ] && [ ! -e "/proc/${d##*.}" ] || continue
		for h in "$d"/*/; do host_end "${h%/}"; done
		rm -rf "$d"
	done
}

# lab_host NAME   a host just after its boot. Boot-host's variables apply.
lab_host() {
	[ "$CHECKS" != 0 ] || lab_sweep
	timeout 1800 "$LAB/prepare" >&2
	timeout 120 "$LAB/boot-host" "$1" -r base >&2
	HOST=$1
}

# dom0 COMMAND...   runs it in HOST's dom0, within TMO seconds, without stdin;
# dom0_in gives it ours
dom0() { timeout "${TMO:-60}" "$LAB/run-in-dom0" "$HOST" "$@" </dev/null; }
dom0_in() { timeout "${TMO:-60}" "$LAB/run-in-dom0" "$HOST" "$@"; }

# lab_addr   the address of HOST on this machine; ports 443 and 80 are dom0's
lab_addr() { cat "$LAB_HOSTS/$HOST/addr"; }

# set_password USER   reads the password from stdin
set_password() { local pw; read -r pw; dom0_in chpasswd <<<"$1:$pw"; }

# push_xapid   installs what BUILDDIR (default: the top of the tree) built into
# HOST's dom0, as "make install" does, and then the files of tests/lab/dom0 over it
push_xapid() {
	local stage
	stage=$LAB_HOSTS/stage.d
	if [ ! -d "$stage" ]; then
		timeout 300 make -s -C "${BUILDDIR:-$LAB/../..}" install DESTDIR="$stage" >&2
		[ ! -d "$LAB/dom0" ] || cp -R "$LAB/dom0/." "$stage/"
	fi
	tar -C "$stage" --owner=0 --group=0 -c . |
		TMO=120 dom0_in 'tar -C / -x -m --keep-directory-symlink && ldconfig'
}

# wait_for SECONDS COMMAND...   tries it until it succeeds
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt "$end" ] || return 1
		sleep 0.2
	done
}

# check TEXT COMMAND...   one line of TAP; what the command prints is shown when
# it fails
check() {
	local text=$1 out
	shift
	CHECKS=$((CHECKS + 1))
	if out=$("$@" 2>&1); then
		echo "ok $CHECKS - $text"
	else
		FAILED=$((FAILED + 1))
		echo "not ok $CHECKS - $text"
		printf '%s\n' "$out" | tail -n 40 | sed 's/^/# /'
	fi
}

# lab_done   the plan, and the test's exit status
lab_done() {
	DONE=1
	echo "1..$CHECKS"
	[ "$FAILED" = 0 ] && exit 0
	exit 1
}
