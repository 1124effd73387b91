#!/bin/bash
# Every fuzz target for XAPID_FUZZ_SECONDS (20), in parallel, as TAP; built in fuzz of BUILDDIR.
set -uo pipefail
cd "$(dirname "$0")/../.."
build=${BUILDDIR:-.}/fuzz
mkdir -p "$build"
out=$(tests/fuzz/run "${XAPID_FUZZ_SECONDS:-20}" "$build" 2>&1)
n=0 runs=0
while read -r state rest; do
	case $state in
	ok)
		n=$((n + 1)); echo "ok $n - $rest"
		[[ $rest =~ ([0-9]+)\ runs ]] && runs=$((runs + BASH_REMATCH[1]))
		;;
	FAILED) n=$((n + 1)); echo "not ok $n - $rest" ;;
	*) echo "# $state $rest" ;;
	esac
done <<<"$out"
echo "# $runs runs, $n targets"
echo "1..$n"
[ "$n" -gt 0 ] && ! grep -q '^FAILED' <<<"$out"
