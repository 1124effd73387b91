# shellcheck shell=bash
# Sourced by build-image: a dom0 as Debian's installer leaves it.  dpkg knows the packages and has run
# their scripts, systemd is PID 1, and Xen's daemons are started by Debian's own script.

leaves_out() { false; }

# known FILE   tells dpkg that a package is unpacked, so that it is left to configure it
known() {
	local deb=$LAB_DIR/debs/$1 info=$R/var/lib/dpkg/info name f
	mkdir -p "$W/control"
	dpkg-deb --ctrl-tarfile "$deb" | tar -x -C "$W/control"
	name=$(dpkg-deb -f "$deb" Package)
	! grep -qx 'Multi-Arch: same' "$W/control/control" || name=$name:amd64
	{ sed '/^$/d' "$W/control/control"; printf 'Status: install ok unpacked\n\n'; } >> "$R/var/lib/dpkg/status"
	rm "$W/control/control"
	for f in "$W/control"/*; do
		[ ! -e "$f" ] || mv "$f" "$info/$name.${f##*/}"
	done
	dpkg-deb --fsys-tarfile "$deb" | tar -t | sed 's|^\./$|/.|; s|^\.||; s|/$||' > "$info/$name.list"
}

# settle   Debian's own scripts, where neither this machine's processes nor its network are seen
settle() {
	local f
	mkdir -p "$R"/var/lib/dpkg/{info,updates,triggers} "$R"/var/log/xen/console
	: > "$R/var/lib/dpkg/status"
	while read -r f; do known "$f"; done < "$W/debs"
	printf '#!/bin/sh\nexit 101\n' > "$R/usr/sbin/policy-rc.d" # starts nothing
	chmod 755 "$R/usr/sbin/policy-rc.d"
	# shellcheck disable=SC2016
	timeout 600 unshare --mount --pid --net --fork --kill-child --propagation private env -i \
		PATH=/usr/sbin:/usr/bin LC_ALL=C.UTF-8 HOME=/root DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true \
		bash -ec 'mount -t proc proc "$0/proc"; exec chroot "$0" dpkg --configure -a' "$R" > "$W/configure.log" 2>&1 ||
		{ tail -30 "$W/configure.log" >&2; die "the packages' scripts failed"; }
	rm "$R/usr/sbin/policy-rc.d"
	step "packages configured"
	# What would be in the way of a test: apt's own runs, prompts on consoles, a card named by its place, and limits
	# that a boot under emulation exceeds.
	chroot "$R" systemctl -q mask apt-daily.timer apt-daily-upgrade.timer getty.target
	ln -sf /dev/null "$R/etc/systemd/network/99-default.link"
	mkdir -p "$R/etc/systemd/system.conf.d"
	printf '[Manager]\nDefaultTimeoutStartSec=900\nDefaultDeviceTimeoutSec=900\n' > "$R/etc/systemd/system.conf.d/lab.conf"
	# Guests' consoles are written down, as the lab's tests read them.
	echo 'XENCONSOLED_ARGS=--log=guest' >> "$R/etc/default/xen"
}

install_init() {
	install -m755 "$LAB/src/dom0-net" "$R/lab/net"
	install -m644 "$LAB"/src/lab{,-ready}.service "$R/etc/systemd/system/"
	chroot "$R" systemctl -q enable lab.service lab-ready.service
}
