# shellcheck shell=sh
# The half of the spikes that runs in dom0: sh dom0.sh PART. See README.md.
cd /root || exit 1
U=11111111-0000-4000-8000-000000000001

# state   all that a domain may leave behind, by name, sorted
state() {
	xenstore-ls -f | sed 's/ = .*//; s/^/xenstore /'
	for d in /var/lib/xen /run/xen /run/xen-hotplug; do
		find "$d" -type f | sed 's/^/file /'
	done
	losetup -a | sed 's/:.*(/ (/; s/^/loop /'
	ip -o link | awk '{ sub(/[@:].*/, "", $2); print "link", $2 }'
	ovs-vsctl list-ports br0 | sed 's/^/port /'
	processes
	./guest list | awk '$1 > 0 { print "domain", $2, $3, $6 }'
}
processes() { ps -eo args= | grep -E 'qemu|/etc/xen/scripts|libxl|/guest' | grep -v grep | cut -c1-60 | sed 's/^/process /'; }

prepare() {
	[ -e raw.img ] && return
	cp /srv/guest/hvm.img .
	truncate -s 64M raw.img
	qemu-img create -q -f qcow2 disk.qcow2 64M
	ovs-vsctl --may-exist add-br br0
	# once through, so that what stays for good is there before we compare
	./guest create warm "$U" pvh dqn >/dev/null
	./guest destroy "$U" >/dev/null
	sleep 1
}

# round MS TYPE DEVICES PAUSE   a build killed after MS, PAUSE seconds, then
# the recovery: found by uuid, destroyed; then what is left
round() {
	state | sort > before
	./guest killed "$1" create g "$U" "$2" "$3" > out 2>&1
	found=$(./guest list | awk -v u="$U" '$2 == u { print "domid=" $1, $3, $5, $6 }')
	d=$(./guest list | awk -v u="$U" '$2 == u { print $1 }')
	at=
	if [ -n "$d" ]; then
		xenstore-exists "/local/domain/$d" && at="$at local"
		xenstore-exists "/libxl/$d/type" && at="$at libxl"
		[ -e "/var/lib/xen/userdata-d.$d.$U.libxl-json" ] && at="$at json"
		[ -e "/var/lib/xen/userdata-d.$d.$U.xapid" ] && at="$at userdata"
		xenstore-exists "/local/domain/0/backend/vbd/$d" && at="$at vbd"
		xenstore-exists "/local/domain/0/backend/qdisk/$d" && at="$at qdisk"
		xenstore-exists "/local/domain/0/backend/vif/$d" && at="$at vif"
	fi
	echo "$1 ms $2 $3 pause $4: ${found:-no domain} |$at | $(grep -c created out) returned"
	processes | sort | comm -13 before - | sed 's/^/    still running: /'
	sleep "$4"
	./guest destroy "$U" 2>&1 | sed 's/^/    /'
	sleep 2
	state | sort > after
	comm -13 before after | sed 's/^/    LEFT: /'
	# what was left must not spoil the next round
	comm -13 before after > left
}

# a: kills spread over the build, without and with devices
part_a() {
	prepare
	for ms in 5 10 20 30 40 60 80 100 150 200 300 400 500 600 800 1000 1100 1200 1300 1400 1600; do
		round $ms pvh - 0
	done
	for ms in 1000 1200 1400 1500 1700 2000 2300 2600 3000 3400 3800 4200 4600 5000 5500 6000 6500 7000 8000; do
		round $ms pvh dqn 0
	done
	for ms in 1400 2000 3000 4000 5000; do
		round $ms pvh dqn 5
	done
}

# e: the same with a QEMU; and who keeps a killed worker's descriptors
part_e() {
	prepare
	for ms in 300 600 900 1200 1500; do
		round $ms hvm - 0
	done
	for ms in 600 700 800 900 1000 1100 1200 1300 1400; do
		PIPE=1 ./guest killed $ms create g "$U" hvm -
		processes
		./guest destroy "$U"
	done
}

# d: the destruction killed in the middle, too
part_d() {
	prepare
	for ms in 20 50 100 200 400 700 1000 1500 2000 2500 3000; do
		state | sort > before
		./guest create g "$U" pvh dqn >/dev/null
		./guest unpause "$U" >/dev/null
		./guest killed $ms destroy "$U" > out 2>&1
		d=$(./guest list | awk -v u="$U" '$2 == u { print $1 }')
		at=
		for p in "/local/domain/$d" "/libxl/$d" "/local/domain/0/backend/vbd/$d" "/local/domain/0/backend/vif/$d"; do
			[ -n "$d" ] && xenstore-exists "$p" && at="$at $p"
		done
		[ -e "/var/lib/xen/userdata-d.$d.$U.xapid" ] && at="$at userdata"
		echo "destroy killed at $ms ms: $(./guest list | awk -v u="$U" '$2 == u { print "domid=" $1, $3, $6 }') |$at | $(cat out)"
		./guest destroy "$U" 2>&1 | sed 's/^/    /'
		sleep 2
		state | sort > after
		comm -13 before after | sed 's/^/    LEFT: /'
	done
}

ticks() { grep -ac TICK /var/log/xen/console/guest-p.log; }
wait_line() { # FILE PATTERN
	n=0
	until grep -qia "$2" "$1" 2>/dev/null || [ $n -gt 150 ]; do sleep 0.2; n=$((n + 1)); done
}
qemu_pid() { xenstore-read "/local/domain/$1/image/device-model-pid"; }
domid() { ./guest list | awk -v u="$1" '$2 == u { print $1 }'; }

# b: guests outlive our programs
part_b() {
	prepare
	V=22222222-0000-4000-8000-000000000002
	echo "== a PVH guest, killed after create_new returned: adopted by another process"
	./guest killed 20000 create p "$U" pvh n
	./guest list | grep "$U"
	./guest unpause "$U"
	wait_line /var/log/xen/console/guest-p.log TICK
	a=$(ticks); sleep 2; echo "console lines in 2 s: $(($(ticks) - a))"
	echo "== a guest with a QEMU; its creator is SIGKILLed"
	./guest killed 20000 create h "$V" hvm -
	./guest unpause "$V"
	h=$(domid "$V") q=$(qemu_pid "$h")
	echo "QEMU $q: parent $(awk '{ print $4 }' "/proc/$q/stat"), session $(awk '{ print $6 }' "/proc/$q/stat")"
	tty=$(xenstore-read "/local/domain/$h/serial/0/tty" 2>/dev/null)
	sleep 10 # its BIOS
	timeout 4 cat "$tty" > lines; echo "serial in 4 s: $(grep -c HVM-BOOT lines) lines"
	xl list
	xl qemu-monitor-command h "info status"

	echo "== the watcher is SIGKILLed; the next one gets the death all the same"
	./guest watch "$U" > watch1 & w=$!
	wait_line watch1 watching
	kill -9 $w; wait $w 2>/dev/null
	./guest watch "$U" > watch2 & w=$!
	wait_line watch2 watching
	./guest shutdown "$U"
	wait_line watch2 SHUTDOWN
	cat watch2; ./guest list | grep "$U"
	./guest destroy "$U"; wait $w; tail -1 watch2

	echo "== it died while nobody watched: one who comes later"
	./guest create p "$U" pvh n; ./guest unpause "$U"
	n=0; until [ "$(ticks)" -gt 20 ] && [ $n -gt 50 ]; do sleep 0.2; n=$((n + 1)); [ $n -lt 150 ] || break; done
	./guest shutdown "$U"; sleep 8
	./guest list | grep "$U"
	./guest watch "$U" > watch3 & w=$!
	wait_line watch3 SHUTDOWN; cat watch3
	./guest destroy "$U"; wait $w; tail -1 watch3

	echo "== the guest with a QEMU: no PV drivers, so no shutdown; destroyed"
	./guest shutdown "$V"
	./guest destroy "$V"; sleep 1
	[ -d "/proc/$q" ] && echo "QEMU $q stays" || echo "QEMU $q is gone"
	./guest list

	echo "== QEMU is killed under the guest"
	./guest create h "$V" hvm - ; ./guest unpause "$V"
	h=$(domid "$V") q=$(qemu_pid "$h")
	./guest watch "$V" > watch4 & w=$!
	wait_line watch4 watching
	kill -9 "$q"; sleep 3
	cat watch4; ./guest list | grep "$V"; echo "device-model state: $(xenstore-read "/local/domain/0/device-model/$h/state")"
	./guest destroy "$V"; wait $w
	./guest list
}

"part_$1"
