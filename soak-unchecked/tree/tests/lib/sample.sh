# shellcheck shell=bash disable=SC2034
# Sourced by ./check and by the tests of the lab.

# sample NUMBER ARRAY WHAT WORD...   puts so many of the words, by XAPID_SEED and in their order, into the array; with
# XAPID_LAB_WHOLE, as "make soak" has it, all
sample() {
	local -n chosen=$2
	local number=$1 what=$3
	shift 3
	[ -z "${XAPID_LAB_WHOLE-}" ] || number=$#
	mapfile -t chosen < <(printf '%s\n' "$@" | grep -n . | shuf -n "$number" --random-source=<(printf "${XAPID_SEED-$RANDOM}%.0s" {1..999}) |
		sort -n | cut -d: -f2-)
	echo "# $what, sample/full: $number/$#"
}
