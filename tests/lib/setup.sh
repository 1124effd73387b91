# What ./check and ./try share: phases, packages, builds, runs.  Sourced by bash at the top of the tree.

started=$(date +%s)
phase() { printf '\n== %s (%ss)\n' "$*" $(($(date +%s) - started)); }
die() { echo "${0##*/}: $*" >&2; exit 1; }

# as_root COMMAND...: with sudo where it is needed.
as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# missing_packages PURPOSE...: those of packages.debian that are not installed.
missing_packages() {
	local package purpose wanted
	while read -r package purpose _; do
		case $package in '' | '#'*) continue ;; esac
		case " $* " in *" $purpose "*) ;; *) continue ;; esac
		# A Node.js that is there serves, wherever it came from.
		case $package in nodejs) command -v node >/dev/null && continue ;; npm) command -v npm >/dev/null && continue ;; esac
		wanted=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
		[ "$wanted" = "install ok installed" ] || echo "$package"
	done <packages.debian
}

install_packages() {
	local need
	need=$(missing_packages "$@" | tr '\n' ' ')
	if [ -z "${need// /}" ]; then echo "all there"; return; fi
	echo "installing with apt: $need"
	as_root apt-get update -qq
	# shellcheck disable=SC2086
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $need >"${TMPDIR:-/tmp}/xapid-apt.$$" 2>&1 ||
		{ tail -20 "${TMPDIR:-/tmp}/xapid-apt.$$" >&2; rm -f "${TMPDIR:-/tmp}/xapid-apt.$$"; die "apt could not install them"; }
	rm -f "${TMPDIR:-/tmp}/xapid-apt.$$"
}

# build_tree DIR CONFIGURE-ARGUMENT...: all programs, in a folder of its own; quiet unless it fails.
build_tree() {
	local dir=$1; shift
	mkdir -p "$dir"
	[ -x configure ] || autoreconf -fi >"$dir/autoreconf.log" 2>&1 || { cat "$dir/autoreconf.log" >&2; die "autoreconf failed"; }
	local top=$PWD
	[ -e "$dir/Makefile" ] || (cd "$dir" && "$top/configure" --enable-werror "$@" >configure.log 2>&1) ||
		{ tail -20 "$dir/configure.log" >&2; die "configure failed"; }
	make -C "$dir" -j"$(nproc)" all >"$dir/build.log" 2>&1 || { grep -E 'error|\*\*\*' "$dir/build.log" | head -30 >&2; die "the build failed: $dir/build.log"; }
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
