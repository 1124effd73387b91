#!/bin/bash
# The lab itself: Xen answers, a PVH guest runs, and dom0 is what our programs
# will expect. Needs none of them.
. "$(dirname "$0")/functions.sh"

in_dom0() { dom0 "$*" | grep -q "$EXPECT"; }

lab_host a
EXPECT='^xen_version *: 4\.17' check "xl info tells the version" in_dom0 xl info
EXPECT='hvm_directio\|pv hvm hap' check "PV and HVM guests can run" in_dom0 xl info

# The smallest PVH guest: GRUB, which draws its prompt on the console.
start_grub() {
	dom0_in 'cat > /tmp/grub.cfg && xl create -q /tmp/grub.cfg' <<-X
		name="grub"
		type="pvh"
		kernel="/var/lib/xcp/guest/grub-pvh.bin"
		memory=32
		vcpus=1
	X
}
console_has() { dom0 "grep -qa '$2' /var/log/xen/console/guest-$1.log"; }
gone() { ! dom0 "xl list $1" >/dev/null 2>&1; }
check "a PVH guest starts" start_grub
EXPECT=grub check "it is listed" in_dom0 xl list
check "its console shows a line" wait_for 30 console_has grub GRUB
check "it is destroyed" dom0 xl destroy grub
check "it is gone" wait_for 10 gone grub

# What our programs will find.
EXPECT='^\(vmlinux\|initrd\|grub-pv.bin\|grub-pvh.bin\)$'
kernels() { [ "$(dom0 ls /var/lib/xcp/guest | grep -c "$EXPECT")" = 4 ]; }
check "the folder of guest kernels" kernels
check "the daemon's user" dom0 id xapid
has_libraries() {
	local l have
	have=$(dom0 ldconfig -p)
	for l in glib-2.0.so.0 soup-3.0.so.0 sqlite3.so.0 pam.so.0 yajl.so.2 xml2.so.2 gnutls.so.30 xenlight.so.4.17; do
		grep -q "lib$l " <<<"$have" || { echo "no lib$l"; return 1; }
	done
}
check "the libraries" has_libraries
password_set() {
	set_password root <<<"lab secret" &&
		dom0 'grep "^root:" /etc/shadow | tee /dev/stderr | grep -q "^root:[$]y[$]"'
}
check "root gets a password" password_set

# The way in from outside, and no way out.
serve() { dom0 "setsid socat TCP-LISTEN:$1,fork,reuseaddr SYSTEM:'echo port $1' >/dev/null 2>&1 &"; }
answers() {
	local line=
	exec 5<>"/dev/tcp/$(lab_addr)/$1" && read -r -t 5 -u 5 line
	exec 5>&-
	[ "$line" = "port $1" ]
}
for p in 443 80; do
	serve "$p"
	check "port $p is reached from outside" wait_for 10 answers "$p"
done
# QEMU would take 10.0.2.2 for this machine's 127.0.0.1.
timeout 60 python3 -c 'import socket
s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1], flush=True)
while True: s.accept()' > "$LAB_HOSTS/port" &
lab_ends $!
wait_for 10 test -s "$LAB_HOSTS/port"
closed() { ! dom0 "timeout 5 socat -u /dev/null TCP:10.0.2.2:$(cat "$LAB_HOSTS/port")"; }
check "dom0 reaches nothing outside" closed
lab_done
