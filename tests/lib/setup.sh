# What ./check and ./try share: phases, packages, builds, runs.  Sourced by bash at the top of the tree.
# shellcheck shell=bash

started=$(date +%s)
JOBS=$((2 * $(nproc))) # tests wait more than they work
phase() { printf '\n== %s (%ss)\n' "$*" $(($(date +%s) - started)); }
die() { echo "${0##*/}: $*" >&2; exit 1; }
# No command fails without a word.
set -E
trap 'echo "${0##*/}: line $LINENO: this failed: $BASH_COMMAND" >&2' ERR

# as_root FOLDER PROGRAM ARGUMENT...: unless we are root, sudo goes on in our place, in FOLDER.
as_root() {
	[ "$(id -u)" != 0 ] && command -v sudo >/dev/null || return 0
	echo "${0##*/} needs root: going on with sudo"
	cd "$1" || exit; shift
	exec sudo -- "$@"
}

# watched LOG TOTAL PATTERN COMMAND...: runs it with its output in LOG and says how many of TOTAL
# lines that match PATTERN have come (TOTAL 0: shows every new line; -: says nothing).  COMMAND is a
# program, no function.  An interruption ends it with all that belongs to it, and names the log.
watched() {
	local log=$1 total=$2 pattern=$3 status=0 rounds=0 count=0 job traps; shift 3
	traps=$(trap -p INT TERM HUP)
	mkdir -p "$(dirname "$log")"
	: >"$log"
	watched_log=$log
	# $! is there as soon as the process is.
	trap 'watched_stop "${!:-}" "$watched_log"' INT TERM HUP
	setsid "$@" >"$log" 2>&1 </dev/null &
	job=$!
	while kill -0 "$job" 2>/dev/null; do
		sleep 0.2 || true
		rounds=$((rounds + 1))
		watched_tell
	done
	wait "$job" || status=$?
	watched_tell
	[ "$total" = 0 ] || [ "$total" = - ] || [ ! -t 1 ] || printf '\r\033[K'
	trap - INT TERM HUP
	eval "$traps"
	return $status
}
watched_tell() {
	if [ "$total" = - ]; then
		:
	elif [ "$total" = 0 ]; then
		tail -n "+$((count + 1))" "$log" | sed 's/^/  /'
		count=$(wc -l <"$log")
	elif [ -t 1 ]; then
		printf '\r  %s of %s' "$(grep -c -- "$pattern" "$log")" "$total"
	elif [ $((rounds % 25)) = 0 ]; then
		echo "  $(grep -c -- "$pattern" "$log") of $total"
	fi
}
watched_stop() {
	local i
	trap '' INT TERM HUP
	[ -z "$1" ] || kill -TERM -- "-$1" 2>/dev/null || true
	for ((i = 0; i < 300; i++)); do
		kill -0 -- "-$1" 2>/dev/null || break
		sleep 0.1
	done
	[ -z "$1" ] || kill -KILL -- "-$1" 2>/dev/null || true
	wait 2>/dev/null || true
	echo >&2
	echo "${0##*/}: interrupted; log: $2" >&2
	exit 130
}

# missing_packages PURPOSE...: those of packages.debian that are not installed.
missing_packages() {
	local package purposes wanted purpose
	while read -r package purposes _; do
		case $package in '' | '#'*) continue ;; esac
		wanted=
		for purpose in "$@"; do
			case ",$purposes," in *",$purpose,"*) wanted=1 ;; esac
		done
		[ -n "$wanted" ] || continue
		# A Node.js that is there serves, wherever it came from.
		case $package in nodejs) command -v node >/dev/null && continue ;; npm) command -v npm >/dev/null && continue ;; esac
		is_installed "$package" || echo "$package"
	done <packages.debian
}
is_installed() { [ "$(dpkg-query -W -f '${Status}' "$1" 2>/dev/null || true)" = "install ok installed" ]; }

install_packages() {
	local need
	need=$(missing_packages "$@" | tr '\n' ' ')
	if [ -z "${need// /}" ]; then echo "all there"; return; fi
	echo "installing with apt: $need"
	apt_update build/apt-update.log || { tail -20 build/apt-update.log >&2; die "apt cannot be reached; log: build/apt-update.log"; }
	# shellcheck disable=SC2086
	apt_install build/apt.log $need
}

apt_update() {
	watched "$1" - . timeout 180 apt-get update -qq -o APT::Update::Error-Mode=any -o DPkg::Lock::Timeout=60
}

# apt_plan LOG PACKAGE...: prints what apt would do, and how much; fails when apt cannot do it.
apt_plan() {
	local log=$1; shift
	# apt is told "no", and so it fails in any case.
	LC_ALL=C apt-get install --assume-no --no-install-recommends -o Debug::NoLocking=1 "$@" >"$log" 2>&1 </dev/null || true
	grep -q '^After this operation' "$log" || return 1
	sed -n 's/^\([0-9]* upgraded, [0-9]* newly installed\).*/\1/p; /^Need to get/p; /^After this/p' "$log"
}

# apt_install LOG PACKAGE...
apt_install() {
	local log=$1 total; shift
	total=$(apt-get install -s -o Debug::NoLocking=1 --no-install-recommends "$@" 2>/dev/null | grep -c '^Inst' || true)
	watched "$log" "$((total > 0 ? total : $#))" '^Setting up ' env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@" ||
		{ tail -20 "$log" >&2; die "apt could not install them; log: $log"; }
}

# build_tree DIR CONFIGURE-ARGUMENT...: all programs, in a folder of its own; quiet unless it fails.
build_tree() {
	local dir=$1 total; shift
	mkdir -p "$dir"
	if [ ! -x configure ]; then
		watched "$dir/autoreconf.log" - . autoreconf -fi ||
			die "autoreconf failed; log: $dir/autoreconf.log"
	fi
	if [ ! -e "$dir/Makefile" ]; then
		watched "$dir/configure.log" 80 '^checking ' env -C "$dir" "$PWD/configure" --enable-werror "$@" ||
			{ tail -20 "$dir/configure.log" >&2; rm -f "$dir/Makefile"; die "configure failed; log: $dir/configure.log"; }
	fi
	# Without -o, make would think everything older than config.h, which it would not make anew.
	total=$(make -C "$dir" -n -o config.h all-am 2>/dev/null | grep -c 'echo "  CC ' || true)
	[ "$total" != 0 ] || total=-
	watched "$dir/build.log" "$total" '^  CC ' make -C "$dir" -j"$(nproc)" all ||
		{ grep -E 'error|\*\*\*' "$dir/build.log" | head -30 >&2 || true; die "the build failed; log: $dir/build.log"; }
	echo "built in $dir"
}

# make_tests DIR: the programs that tests need beside our own.
make_tests() {
	watched "$1/tests.log" - . make -C "$1" -j"$(nproc)" check TESTS= ||
		{ grep -E 'error|\*\*\*' "$1/tests.log" | head -30 >&2 || true; die "the tests' programs failed to build; log: $1/tests.log"; }
}

# run_make_check DIR RESULT: automake's TESTS; RESULT gets a TAP line a test.  The
# logs that the TAP driver writes hold "PASS: program number name".
# What of a test's words is shown although it passed: how much of a big count it did, and delays.
FIGURES='^# .*\(sample/full\|median\)'
run_make_check() {
	local dir=$1 result=$2 status=0
	make_tests "$dir"
	find "$dir/tests" -name '*.trs' -delete
	make -C "$dir" -j"$JOBS" -k check BUILDDIR="$dir" >"$dir/check.log" 2>&1 || status=$?
	find "$dir/tests" -name '*.trs' | sort | sed 's/trs$/log/' >"$result.logs"
	xargs -r awk '
		/^PASS: |^XPASS: / { $1 = ""; print "ok -" $0 }
		/^SKIP: / { $1 = ""; print "ok -" $0 " # SKIP" }
		/^(FAIL|ERROR|XFAIL): / { $1 = ""; print "not ok -" $0 }' <"$result.logs" >"$result.tap"
	[ "$status" = 0 ] || grep -q '^not ok' "$result.tap" ||
		echo "not ok - make check ended with status $status; log: $dir/check.log" >>"$result.tap"
	grep '^not ok' "$result.tap" || true
	xargs -r grep -lE '^(FAIL|ERROR|XFAIL): ' <"$result.logs" | xargs -r tail -n 40 || true
	xargs -r grep -h "$FIGURES" <"$result.logs" | sort -u || true
	[ -s "$result.tap" ] || { tail -30 "$dir/check.log" >&2; die "no test ran"; }
	tally "$result.tap"
}

# run_taps [-j JOBS] [-t SECONDS] RESULT BUILDDIR PROGRAM...: programs that print TAP, of the source or
# of BUILDDIR, in which they run; JOBS (1) at a time, each within SECONDS (TAP_SECONDS).  One that
# cannot run has failed.  An interruption ends those that run.
TAP_SECONDS=1500
run_taps() {
	local jobs=1 seconds=$TAP_SECONDS result dir program path
	local -A running=() began=() # by pid: the program, and when
	if [ "$1" = -j ]; then jobs=$2; shift 2; fi
	if [ "$1" = -t ]; then seconds=$2; shift 2; fi
	result=$1 dir=$2; shift 2
	: >"$result.tap"
	trap 'kill "${!running[@]}" 2>/dev/null; wait; exit 130' INT TERM HUP
	for program in "$@"; do
		[ ${#running[@]} -lt "$jobs" ] || end_tap
		path=$PWD/$program
		[ -e "$path" ] || path=$dir/$program
		BUILDDIR=$dir env -C "$dir" timeout -k 30 "$seconds" "$path" >"$result.${program##*/}.out" 2>&1 </dev/null &
		running[$!]=$program began[$!]=$(date +%s)
	done
	while [ ${#running[@]} != 0 ]; do end_tap; done
	trap - INT TERM HUP
}
# The next program of run_taps that ends.
end_tap() {
	local pid='' status=0 program out
	wait -n -p pid "${!running[@]}" || status=$?
	if [ -z "${pid-}" ]; then # one ended before, and wait -n tells of it no more
		for pid in "${!running[@]}"; do kill -0 "$pid" 2>/dev/null || break; done
		status=0
		wait "$pid" || status=$?
	fi
	program=${running[$pid]} out=$result.${program##*/}.out
	cat "$out" >>"$result.log"
	read_tap "$program" "$status" <"$out" >"$result.one"
	cat "$result.one" >>"$result.tap"
	if grep '^not ok' "$result.one"; then tail -40 "$out"; fi
	grep -h "$FIGURES" "$out" || true
	echo "$program: $(grep -c '^ok' "$result.one" || true) ok in $(($(date +%s) - began[$pid]))s"
	rm -f "$result.one" "$out"
	unset "running[$pid]"
}

# read_tap PROGRAM STATUS: what a program printed, as a line a test.  What it skipped, what its plan
# has and it did not run, and an end that its tests do not explain are failures too.
read_tap() {
	LC_ALL=C awk -v name="$1" -v status="$2" '
		function failure(text) { print "not ok - " name ": " text; failed = 1 }
		/^1\.\.[0-9]+/ { plans++; plan = substr($1, 4) + 0 }
		/^Bail out!/ { failure($0); bailed = 1 }
		/^(not )?ok( |$)/ {
			ran++
			bad = /^not/ || toupper($0) ~ /# *SKIP/
			sub(/^(not )?ok *[0-9]* *-* */, "")
			if (bad) failure($0)
			else print "ok - " name ": " $0
		}
		END {
			if (bailed) exit
			if (status == 126 || status == 127) failure("cannot be run")
			else if (plans != 1) failure("printed " plans + 0 " plans after " ran + 0 " tests, status " status)
			else if (plan != ran) failure("planned " plan " tests and ran " ran + 0 ", status " status)
			else if (!ran) failure("ran no test")
			else if (status != 0 && !failed) failure("ended with status " status)
		}'
}

tally() {
	echo "$(grep -c '^ok' "$1" || true) ok, $(grep -c '^not ok' "$1" || true) not ok"
}

# summary DIR: the whole time, and as the last line the counts of every .tap in it.
summary() {
	local passed failed skipped seconds=$(($(date +%s) - started))
	failed=$(cat "$1"/*.tap | grep -c '^not ok' || true)
	skipped=$(cat "$1"/*.tap | grep -c '^ok.*# SKIP' || true)
	passed=$(($(cat "$1"/*.tap | grep -c '^ok' || true) - skipped))
	phase "result"
	grep -h '^not ok' "$1"/*.tap || true
	grep -h '^ok.*# SKIP' "$1"/*.tap || true
	echo "in $((seconds / 60)) min $((seconds % 60)) s"
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ] && [ "$skipped" = 0 ] && [ "$passed" -gt 0 ]
}
