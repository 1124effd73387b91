#!/bin/bash
# ./try on real Xen, from outside: what it leaves running, prints and tells, and that its end or an
# interruption leaves nothing.
. "$(dirname "$0")/functions.sh"
TOP=$(cd "$LAB/../.." && pwd)
export TRY_BUILDDIR=${BUILDDIR:-$TOP} XAPID_LAB_DIR=$LAB_DIR
OUT=$LAB_DIR/run/out.$$

# The hosts are where this test's hosts are, so that they end with it.
start_try() {
	: >"$OUT" # what the last one said is not taken for its words
	env --default-signal=INT setsid "$TOP/try" --dir "$LAB_HOSTS" "$@" </dev/null >"$OUT" 2>&1 &
	TRY=$!
}
finish() { rm -f "$OUT" "$OUT".*; lab_end; }
trap finish EXIT
mkdir -p "$LAB_DIR/run"
said() { grep -q -- "$1" "$OUT"; }
# has_said TEXT   within 3 minutes, or ./try has ended
has_said() { wait_for 180 said_or_ended "$1" && said "$1"; }
said_or_ended() { said "$1" || ! kill -0 "$TRY" 2>/dev/null; }

# Where an image is made. The name ends in our pid: other tests take a folder whose owner is
# gone for a left-over (lab_sweep).
MAKING=$LAB_DIR/run/$TEST-image.$$

# ours   prints what still belongs to this test's hosts
ours() {
	local p
	for p in /proc/[0-9]*; do
		case "$(readlink "$p/cwd" 2>/dev/null) $(tr '\0' ' ' 2>/dev/null <"$p/cmdline")" in
		*"$LAB_HOSTS"* | *"$MAKING"*) [ "${p#/proc/}" = $$ ] || echo "$p $(tr '\0' ' ' <"$p/cmdline")" ;;
		esac
	done 2>/dev/null
	grep -F -e "$LAB_HOSTS" -e "$MAKING" /proc/mounts || true
	find "$LAB_HOSTS" "$MAKING" 2>/dev/null || true
}
nothing() { [ -z "$(ours)" ]; }
nothing_left() {
	wait_for 20 nothing && return
	ours
	return 1
}

# ---- a run that stays ----
# shellcheck disable=SC2034
HOST=host1
start_try --keep --hosts 2
lab_ends "$TRY"
# What dom0 itself has had, as the table should tell it.
{
	wait_for 120 test -s "$LAB_HOSTS/host1/addr"
	wait_for 60 dom0 true
	TMO=600 dom0 'while :; do xl list -v; sleep 0.2; done'
} >"$OUT.xl" 2>/dev/null &
XL=$!
lab_ends $XL
STATUS=0
wait "$TRY" || STATUS=$?
kill $XL || true
ended_well() { cat "$OUT"; [ $STATUS = 0 ]; }
check "./try --keep --hosts 2 ends well" ended_well
table() { sed -n '/^name .*domain_type/,/^$/p' "$OUT" | sed '1d;/^$/d'; }
a_row_each() {
	table
	[ "$(table | awk '{ print $1 $2 }' | tr '\n' ' ')" = "host1-pvpv host1-pvhpvh host1-hvmhvm host2-pvpv host2-pvhpvh host2-hvmhvm " ]
}
check "the table has a row for each guest" a_row_each
# A guest a line in both, in the order in which they came: its last domid.
as_xl_had_it() {
	awk '/^[^ ]+ +[1-9]/ { if (!($7 in last)) uuids[++n] = $7; last[$7] = $2 }
		END { for (i = 1; i <= n; i++) print last[uuids[i]] }' "$OUT.xl" >"$OUT.theirs"
	table | awk '/^host1-/ { print $3 }' >"$OUT.ours"
	[ -s "$OUT.ours" ] && diff "$OUT.ours" "$OUT.theirs"
}
states_passed_through() {
	table
	[ "$(table | awk '{ print $4, $5, $6, $7, $8, $9, NF }' | uniq)" = "Halted Running Paused Running Running Halted 10" ]
}
check "its domids are those of xl list" as_xl_had_it
check "its power states are those of the life that was asked for" states_passed_through
said_first() { sed -n 's/^\(\[.*s\]\) the first guest is up/\1/p' "$OUT" | grep .; }
echo "# the first guest is up, with $(nproc) CPUs at load $(cut -d' ' -f1 /proc/loadavg): $(said_first || echo never)"

entry() { /usr/bin/python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[int(sys.argv[2])][sys.argv[3]])' "$LAB_HOSTS/hosts.json" "$@"; }
private() { [ "$(stat -c %a "$LAB_HOSTS/hosts.json")" = 600 ]; }
check "hosts.json is its owner's alone" private
for n in 0 1; do
	fingerprint() {
		local address=$1 wanted=$2
		openssl s_client -connect "$address:443" </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256 | grep -F "=$wanted"
	}
	address=$(entry $n url) address=${address#https://}
	check "host$((n + 1)) has an address of its own" [ "$address" = "$(cat "$LAB_HOSTS/host$((n + 1))/addr")" ]
	check "host$((n + 1)) shows the fingerprint of hosts.json" fingerprint "$address" "$(entry $n ssl_fingerprint)"
	check "addresses that host$((n + 1)) gives out open from here" timeout 300 /usr/bin/python3 "$LAB/daemon.py" \
		addresses "host$((n + 1))" "$address" "$(entry $n password)"
done

# pasted WORD TEXT   the line to paste that holds WORD, as it stands, prints TEXT
pasted() {
	grep -F -- "$1" "$OUT" >"$OUT.line"
	timeout 60 bash "$OUT.line" | tee "$OUT.said"
	grep -qF -- "$2" "$OUT.said"
}
check "the curl line works" pasted "curl -sk" OpaqueRef:
check "the Python line works" pasted "python3 -c" "Control domain"
[ ! -x "$TRY_BUILDDIR/xtool/xtool" ] || check "the xtool line works" pasted "xtool/xtool -s" "Control domain"
refused() { ! "$TOP/try" --dir "$LAB_HOSTS" >"$OUT.said" 2>&1 && grep -q -- "--stop" "$OUT.said"; }
check "a second run there is refused" refused
no_limit() { ps -o args= -p "$(cat "$LAB_HOSTS/host1/pid")" | grep '^timeout -s KILL 0 '; }
check "the hosts have no time limit" no_limit
check "--stop ends them" "$TOP/try" --stop --dir "$LAB_HOSTS"
check "--stop leaves no process, mount or file" nothing_left

# ---- interruptions ----
# interrupted TEXT   Ctrl-C once ./try has said TEXT
interrupted() {
	local status=0 logs missed=
	start_try
	has_said "$1" || missed=1
	kill -INT -- "-$TRY"
	wait "$TRY" || status=$?
	cat "$OUT"
	logs=$(sed -n 's/^try: interrupted.*logs in //p' "$OUT")
	[ -z "$missed" ] && [ "$status" = 1 ] && [ -n "$(ls "$logs")" ]
}
sample 1 TEXTS "moments of an interruption" "starting Xen" "installing xapid" "host1-pv: VM.create"
for text in "${TEXTS[@]}"; do
	check "Ctrl-C after \"$text\" ends it and names the logs" interrupted "$text"
	check "nothing is left then" nothing_left
done
# The image's making, with the packages that are here already.
image_interrupted() {
	local status=0
	mkdir -p "$MAKING"
	cp -al "$LAB_DIR/debs" "$MAKING/"
	XAPID_LAB_DIR=$MAKING start_try
	has_said "packages downloaded" || true
	kill -INT -- "-$TRY"
	wait "$TRY" || status=$?
	cat "$OUT"
	[ "$status" = 130 ] && said "packages downloaded" && said "interrupted; log: .*image.log" && [ -z "$(ls "$MAKING/images")" ]
}
check "Ctrl-C while the image is made ends it and names the log" image_interrupted
rm -rf "$MAKING"
check "nothing is left then" nothing_left
rm -rf "$TRY_BUILDDIR/try-logs"
lab_done
