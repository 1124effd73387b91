#!/bin/bash
# domains-on-xen.sh   xapid-domains on real Xen, in the lab: PV and PVH guests live and end, and
# what happens when its processes are killed. Prints TAP. BUILDDIR: where it was built (.).
#   domains-on-xen.sh [life|refusals|outlive|kills|aborts|foreign|delay]...   these parts alone
# shellcheck source=tests/lab/functions.sh
. "$(dirname "$0")/../lab/functions.sh"
BUILDDIR=${BUILDDIR:-.}
A=aaaaaaaa-0000-4000-8000-00000000000a
B=aaaaaaaa-0000-4000-8000-00000000000b
GUEST='memory=128 kernel=vmlinux ramdisk=initrd cmdline=console=hvc0 lab.count=0'

lab_host domains
tar -C "$BUILDDIR" -c xapid-domains tests/sim/domainsctl tests/sim/domains-delay |
	dom0_in 'mkdir -p /root/d && tar -x -C /root/d'

# ctl LINE...   runs them in one xapid-domains; fails when one fails
ctl() {
	printf '%s\n' "$@" |
		TMO=150 dom0_in "cd /root/d && ${FAULT:+XAPID_FAULT=$FAULT} tests/sim/domainsctl --program ./xapid-domains 2>&1"
}
# prints REGEXP COMMAND...   whether what it prints has it
prints() {
	local want=$1 out
	shift
	out=$("$@" 2>&1) || true
	printf '%s\n' "$out"
	grep -q -- "$want" <<<"$out"
}
xl_has() { prints "$1" dom0 'xl list -v'; }
xl_lacks() { ! xl_has "$1"; }

life() {
	check "the host is described" prints "'backend': <'libxl'>" ctl host-info
	check "dom0 is listed" prints "'name': <'Domain-0'>" ctl list
	for type in pv pvh; do
		check "$type: create, unpause, pause, shutdown, destroy" ctl \
			"create $A type=$type $GUEST" "wait-state $A paused 1" "unpause $A" "sleep 12" "pause $A" \
			"wait-state $A paused 1" "unpause $A" "shutdown $A poweroff 60" \
			"wait-state $A shutdown 1" "destroy $A" "wait-state $A absent 5"
		check "$type: reboot is asked for and seen" prints "'reason': <'reboot'>" ctl \
			"create $A type=$type $GUEST" "unpause $A" "sleep 12" "shutdown $A reboot 60" list "destroy $A"
	done
	check "nothing is left of them" xl_lacks "$A"
}

refusals() {
	check "a guest that does not listen" prints "VM_SHUTDOWN_TIMEOUT .$A, 5" ctl \
		"create $A type=pvh memory=32 kernel=grub-pvh.bin" "unpause $A" "sleep 3" "shutdown $A poweroff 5" "destroy $A"
	check "more memory than there is" prints HOST_NOT_ENOUGH_FREE_MEMORY ctl \
		"create $A type=pvh memory=65536 kernel=vmlinux"
	check "a kernel outside the folder" prints 'INVALID_VALUE \[kernel, missing\]' ctl \
		"create $A type=pvh memory=128 kernel=missing"
	check "a file that is no kernel" prints INTERNAL_ERROR ctl \
		"create $A type=pvh memory=128 kernel=initrd"
	check "nothing is left of those" xl_lacks "$A"
}

outlive() {
	check "a guest outlives xapid-domains" ctl "create $A type=pvh $GUEST" "unpause $A" kill \
		"wait-state $A running 1"
	check "xl has it" xl_has "$A"
	check "it is ours, and complete" prints "'ours': <true>.*'complete': <true>" ctl list
	check "its successor destroys it" ctl "destroy $A"
}

kills() {
	for point in create.before create.after-mark create.after-build; do
		FAULT=$point=kill check "a worker dies at $point" prints "^error INTERNAL_ERROR" ctl "create $B type=pv $GUEST"
		check "and nothing is left" xl_lacks "$B"
	done
	# Killed by the clock, anywhere in the build.
	for at in 0 0.1 0.2 0.3 0.4 0.6; do
		check "all workers die $at s into a build" dom0 "cd /root/d; rm -f out
			(echo host-info; sleep 3; echo 'create $B type=pvh memory=256 kernel=vmlinux ramdisk=initrd'; sleep 6; echo list) |
				tests/sim/domainsctl --program ./xapid-domains >> out 2>&1 &
			sleep \$(echo 3.0 $at | awk '{ print \$1 + \$2 }')
			kill -9 \$(pgrep -x domains-worker) && echo killed >> out
			wait; cat out | tee -a all; grep -q ^killed out || exit 1
			if grep -q '^ok create' out; then grep -q '$B.*complete.: <true>' out
			else ! grep -q '$B' out || grep -q '^error INTERNAL_ERROR' out; fi"
		check "and it is whole or absent" dom0 "cd /root/d; xl list -v
			if grep -q '^ok create' out; then echo 'destroy $B' | tests/sim/domainsctl --program ./xapid-domains; fi
			! xl list -v | grep -q '$B'"
	done
	check "some of them half way" dom0 'grep "is half built" /root/d/all'
	check "the whole program dies in a build; its successor removes the rest" dom0 "cd /root/d; rm -f out
		(echo host-info; sleep 3; echo 'create $B type=pvh memory=256 kernel=vmlinux ramdisk=initrd') |
			tests/sim/domainsctl --program ./xapid-domains >> out 2>&1 &
		sleep 3.2; kill -9 \$(pgrep -x xapid-domains) && echo killed >> out; wait; cat out; xl list -v
		echo list | tests/sim/domainsctl --program ./xapid-domains | tee out2
		grep -q ^killed out && ! grep -q '$B' out2"
}

# An abort may come too late; then the guest is whole.
aborts() {
	for ms in 0 50 150 300 500 700; do
		check "a build is aborted after $ms ms" dom0 "cd /root/d; rm -f out
			printf '%s\n' host-info 'abort-create $B $ms type=pvh memory=256 kernel=vmlinux ramdisk=initrd' list 'destroy $B' |
				tests/sim/domainsctl --program ./xapid-domains >> out 2>&1
			cat out
			if grep -q '^ok abort-create' out; then grep -q '$B.*complete.: <true>' out
			else grep -q '^error TASK_CANCELLED' out && ! grep -q '^domain.*$B' out; fi"
		check "and nothing is left" xl_lacks "$B"
	done
}

foreign() {
	check "xl's own guests are seen and not ours" dom0 "cd /root/d; rm -f out
		printf '%s\n' 'name=\"foreign\"' 'type=\"pvh\"' 'memory=32' \
			'kernel=\"/usr/lib/grub-xen/grub-i386-xen_pvh.bin\"' 'uuid=\"$B\"' > f.cfg
		(echo 'wait-state $B running 20'; echo list; echo 'wait-state $B absent 20') |
			tests/sim/domainsctl --program ./xapid-domains >> out 2>&1 &
		sleep 3; xl create f.cfg; sleep 2; xl destroy foreign; wait; cat out
		[ \$(grep -c '^ok wait-state' out) = 2 ]"
}

delay() {
	check "a guest's end is told within a second" dom0 "cd /root/d && tests/sim/domains-delay ./xapid-domains grub-pvh.bin 21 > delay
		awk '{ exit !(\$4 < 1000) }' delay"
	dom0 'cat /root/d/delay' | sed 's/^/# delay: /'
}

[ $# -gt 0 ] || set -- life refusals outlive kills aborts foreign delay
for part in "$@"; do
	"$part"
done
lab_done
