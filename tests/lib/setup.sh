# What ./check and ./try share: phases, packages, builds, runs.  Sourced by bash at the top of the tree.

started=$(date +%s)
phase() { printf '\n== %s (%ss)\n' "$*" $(($(date +%s) - started)); }
die() { echo "${0##*/}: $*" >&2; exit 1; }

# What stands before a command that needs root.
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)

# watched LOG TOTAL PATTERN COMMAND...: runs it with its output in LOG and says how many of TOTAL
# lines that match PATTERN have come (TOTAL 0: shows every new line; -: says nothing).  COMMAND is a
# program, no function.  An interruption ends it with all that belongs to it, and names the log.
watched() {
	local log=$1 total=$2 pattern=$3 status=0 seconds=0 count=0 traps; shift 3
	traps=$(trap -p INT TERM HUP)
	mkdir -p "${log%/*}"
	: >"$log"
	trap 'watched_stop "$watched_job" "$watched_log"' INT TERM HUP
	watched_log=$log
	setsid "$@" >"$log" 2>&1 </dev/null &
	watched_job=$!
	while kill -0 "$watched_job" 2>/dev/null; do
		sleep 0.5 || true
		seconds=$((seconds + 1))
		watched_tell
	done
	wait "$watched_job" || status=$?
	watched_tell
	[ "$total" = 0 ] || [ ! -t 1 ] || printf '\r\033[K'
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
	elif [ $((seconds % 20)) = 0 ]; then
		echo "  $(grep -c -- "$pattern" "$log") of $total"
	fi
}
watched_stop() {
	local i
	trap '' INT TERM HUP
	kill -TERM -- "-$1" 2>/dev/null || true
	for ((i = 0; i < 300; i++)); do
		kill -0 -- "-$1" 2>/dev/null || break
		sleep 0.1
	done
	kill -KILL -- "-$1" 2>/dev/null || true
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
	"${as_root[@]}" apt-get update -qq
	# shellcheck disable=SC2086
	apt_install build/apt.log $need
}

# apt_install LOG PACKAGE...
apt_install() {
	local log=$1 total; shift
	total=$(apt-get install -s -o Debug::NoLocking=1 --no-install-recommends "$@" 2>/dev/null | grep -c '^Inst' || true)
	watched "$log" "$((total > 0 ? total : $#))" '^Setting up ' "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
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
	total=$(make -C "$dir" -n all 2>/dev/null | grep -c 'echo "  CC ' || true)
	watched "$dir/build.log" "$((total > 0 ? total : 1))" '^  CC ' make -C "$dir" -j"$(nproc)" all ||
		{ grep -E 'error|\*\*\*' "$dir/build.log" | head -30 >&2; die "the build failed; log: $dir/build.log"; }
	echo "built in $dir"
}

# run_make_check DIR RESULT [MAKE-ARGUMENT]: automake's TESTS; RESULT gets a TAP line a test.  The
# logs that the TAP driver writes hold "PASS: program number name".
run_make_check() {
	local dir=$1 result=$2; shift 2
	find "$dir/tests" -name '*.trs' -delete
	make -C "$dir" -j"$(nproc)" -k check BUILDDIR="$dir" "$@" >"$dir/check.log" 2>&1 || true
	find "$dir/tests" -name '*.trs' | sort | sed 's/trs$/log/' | xargs -r awk '
		/^PASS: |^XPASS: / { $1 = ""; print "ok -" $0 }
		/^SKIP: / { $1 = ""; print "ok -" $0 " # SKIP" }
		/^(FAIL|ERROR|XFAIL): / { $1 = ""; print "not ok -" $0 }' >"$result.tap"
	grep '^not ok' "$result.tap" || true
	[ -s "$result.tap" ] || { tail -30 "$dir/check.log" >&2; die "no test ran"; }
	tally "$result.tap"
}

# run_taps RESULT BUILDDIR PROGRAM...: programs that print TAP, one after the other, each within 20 minutes.
run_taps() {
	local result=$1 dir=$2 program status began; shift 2
	: >"$result.tap"
	for program in "$@"; do
		[ -x "$program" ] || continue
		began=$(date +%s); status=0
		BUILDDIR=$dir timeout -k 10 1200 "$program" >"$result.out" 2>&1 </dev/null || status=$?
		cat "$result.out" >>"$result.log"
		grep -E '^(not )?ok ' "$result.out" | sed "s|^\(not ok\|ok\) [0-9]* *-* *|\1 - $program: |" >"$result.one" || true
		cat "$result.one" >>"$result.tap"
		if [ "$status" != 0 ] && ! grep -q '^not ok' "$result.one"; then
			echo "not ok - $program: ended with status $status" | tee -a "$result.tap"
		fi
		[ -s "$result.one" ] || [ "$status" != 0 ] || echo "not ok - $program: ran no test" | tee -a "$result.tap"
		if grep -q '^not ok' "$result.one"; then grep '^not ok' "$result.one"; tail -40 "$result.out"; fi
		echo "$program: $(grep -c '^ok' "$result.one" || true) ok in $(($(date +%s) - began))s"
	done
	rm -f "$result.one" "$result.out"
}

tally() {
	echo "$(grep -c '^ok' "$1" || true) ok, $(grep -c '^not ok' "$1" || true) not ok"
}

# summary DIR: the counts of every .tap in it, as the last line.
summary() {
	local passed failed skipped
	failed=$(cat "$1"/*.tap | grep -c '^not ok' || true)
	skipped=$(cat "$1"/*.tap | grep -c '^ok.*# SKIP' || true)
	passed=$(($(cat "$1"/*.tap | grep -c '^ok' || true) - skipped))
	phase "result"
	grep -h '^not ok' "$1"/*.tap || true
	grep -h '^ok.*# SKIP' "$1"/*.tap || true
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ] && [ "$skipped" = 0 ] && [ "$passed" -gt 0 ]
}
