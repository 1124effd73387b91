# shellcheck shell=bash
# Sourced by build-image: a dom0 of packages whose scripts never ran.  PID 1 is dom0-init.

# leaves_out FILE   packages that only scripts or systemd would need
leaves_out() {
	case $1 in systemd_* | dpkg_* | apt_* | perl_* | perl-modules* | debconf_* | cdebconf_* | python3-samba_* | python3-ldb_*) ;; *) false ;; esac
}

# settle   what the packages' scripts would have done, as far as the lab needs it
settle() {
	local db s t
	mkdir -p "$R"/var/{lib/{xen,openvswitch,xapid},log/{xen/console,openvswitch}} "$R/etc/openvswitch"
	ln -sf mawk "$R/usr/bin/awk"
	ln -sf /proc/mounts "$R/etc/mtab"
	ln -sf /usr/lib/openvswitch-switch/ovs-vswitchd "$R/usr/sbin/ovs-vswitchd"
	cp "$LAB/src/lvmlocal.conf" "$R/etc/lvm/lvmlocal.conf"
	ldconfig -r "$R"
	timeout 60 chroot "$R" /usr/bin/ovsdb-tool create /etc/openvswitch/conf.db /usr/share/openvswitch/vswitch.ovsschema

	# Accounts: root without a valid password until a test sets one, the daemon's user.
	sed -i 's/^\([^:]*\):\*:/\1:x:/' "$R/etc/passwd"
	echo 'xapid:x:990:990:XenAPI daemon:/var/lib/xapid:/usr/sbin/nologin' >> "$R/etc/passwd"
	echo 'xapid:x:990:' >> "$R/etc/group"
	chown 990:990 "$R/var/lib/xapid"; chmod 700 "$R/var/lib/xapid"
	sed 's/^\([^:]*\):.*/\1:*:19700:0:99999:7:::/' "$R/etc/passwd" > "$R/etc/shadow"
	sed 's/^\([^:]*\):.*/\1:*::/' "$R/etc/group" > "$R/etc/gshadow"
	chown 0:42 "$R"/etc/{shadow,gshadow}; chmod 640 "$R"/etc/{shadow,gshadow}
	for db in passwd group shadow gshadow hosts networks protocols services; do echo "$db: files"; done > "$R/etc/nsswitch.conf"
	for s in auth account password session session-noninteractive; do
		t=${s%-noninteractive}
		echo "$t required pam_unix.so" > "$R/etc/pam.d/common-$s"
	done
	echo "password required pam_unix.so yescrypt" > "$R/etc/pam.d/common-password"
	for t in auth account password session; do echo "$t required pam_deny.so"; done > "$R/etc/pam.d/other"
}

install_init() {
	install -m755 "$LAB/src/dom0-init" "$R/lab/init"
	ln -sf /lab/init "$R/usr/sbin/init"
}
