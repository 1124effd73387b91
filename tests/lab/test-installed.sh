#!/bin/bash
# Our packages on a Xen host as Debian is installed (systemd, PAM, dbus, sshd, udev): README's commands install
# them, dom0 reboots, and guests run on whatever an administrator then does to xapid.
export LAB_FLAVOUR=systemd SCENARIO_SECONDS=1000
. "$(dirname "$0")/functions.sh"
. "$LAB/daemon.sh"
TOP=$(cd "$LAB/../.." && pwd)
BUILD=$(realpath "${BUILDDIR:-$TOP}")
PACKAGES=(xapid xapid-storage-drivers xtool)
daemon_log() { dom0 'journalctl -u xapid --no-pager -n 30'; }
# in_bash   runs what comes on stdin in dom0, until a command of it fails
in_bash() { TMO=${TMO:-400} dom0_in 'cat >/run/script; exec bash -e /run/script </dev/null'; }

# The packages of this tree; tests/deb/test-deb.sh may have built them a moment ago.
packages_are_built() {
	[ -e "$(deb xapid)" ] && [ -z "$(cd "$TOP" && find README.md configure.ac Makefile.am debian docs lib storage-repos xapid \
		xenstore-helpers xtool -newer "$(deb xapid)" -print -quit)" ] || TMO=900 make -s -C "$BUILD" deb
}
deb() { (cd "$TOP" && echo "$BUILD/deb/$1_$(dpkg-parsechangelog -S Version)_amd64.deb"); }

# again   the same with a higher version, in the folder again of dom0
again() {
	local p tree=$LAB_HOSTS/again.d
	mkdir -p "$tree/again"
	for p in "${PACKAGES[@]}"; do
		dpkg-deb -R "$(deb "$p")" "$tree/$p"
		sed -i 's/^Version: .*/&+again/' "$tree/$p/DEBIAN/control"
		dpkg-deb --root-owner-group -Zgzip -b "$tree/$p" "$tree/again" >/dev/null
	done
	tar -C "$tree" -c again | dom0_in 'tar -C /root -x'
}

# What README has an administrator do, from where the packages are there.
readme() {
	sed -n '/^## On a Xen host/,/^## /s/^    //p' "$TOP/README.md" | sed 's/.*make deb && //' |
		grep -E '^(sudo apt install|systemctl|sudo xtool) '
	grep -o '`useradd [^`]*`' "$TOP/README.md" | tr -d '`'
}
installs() {
	readme >"$LAB_HOSTS/readme"
	[ "$(wc -l <"$LAB_HOSTS/readme")" = 4 ] || { cat "$LAB_HOSTS/readme"; return 1; }
	tar -C "$BUILD" -c deb | dom0_in 'tar -C /root -x'
	{ echo "cd /root; set -x"; cat "$LAB_HOSTS/readme"; } | in_bash
}
# Nothing of the machine has failed, xapid has not been restarted, and has nothing to complain of.
runs_well() {
	in_bash <<-'X'
		set -x
		systemctl is-system-running --wait
		systemctl is-active xapid
		systemctl is-enabled xapid
		[ "$(systemctl show xapid -P NRestarts)" = 0 ]
		[ "$(ps -o user= -C xapid)" = xapid ]
		[ "$(xtool sm-list --minimal params=type | tr , '\n' | sort | paste -sd ' ')" = "ext file iso lvm lvmohba lvmoiscsi nfs" ]
		journalctl -b -u xapid -o cat | grep -x 'xapid-domains: serving'
		[ -z "$(journalctl -q -b -u xapid -p warning | tee /dev/stderr)" ]
	X
}
boot_id() { dom0 cat /proc/sys/kernel/random/boot_id 2>/dev/null; }
rebooted() { [ -n "$(boot_id)" ] && [ "$(boot_id)" != "$1" ]; }
# As who sits at dom0 does where guests are to be shut down, else by the API.
reboots() {
	local before reboot='xtool host-disable host=$(hostname); xtool host-reboot host=$(hostname)'
	[ -z "${XAPID_LAB_WHOLE-}" ] || { scenario installed before_reboot && reboot='systemctl --no-block reboot'; } || return 1
	before=$(boot_id)
	in_bash <<<"$reboot" || return 1
	wait_for 600 rebooted "$before" || return 1
	TMO=400 runs_well || return 1
	[ -z "${XAPID_LAB_WHOLE-}" ] || scenario installed after_reboot
}
updates() { again && in_bash <<<'cd /root; apt install -y ./again/*.deb; dpkg -l xapid xtool | grep +again; systemctl is-active xapid'; }
removes() { in_bash <<<'apt remove -y xapid xapid-storage-drivers xtool'; }
is_gone() {
	in_bash <<-'X'
		for program in xapid domains- xs-guestd; do ! pgrep -a "$program" || exit 1; done
		[ "$(systemctl show xapid -P LoadState)" = not-found ]
		[ -s /var/lib/xapid/xapid.db ]
		[ -s /etc/xapid/xapid.conf ]
	X
}
purges() { in_bash <<<'apt purge -y xapid xapid-storage-drivers xtool'; }
nothing_is_left() {
	in_bash <<-'X'
		for program in xapid domains- xs-guestd; do ! pgrep -a "$program" || exit 1; done
		# Of guests that run: /run/xapid holds their disks, /var/lib/xen what xapid noted of them.
		left=$(find /etc /usr /lib/systemd /var/lib -xdev -name '*xapid*' ! -path '/var/lib/dpkg/*' ! -path '/var/lib/xen/userdata-*')
		[ -z "$left" ] || { echo "$left"; exit 1; }
		[ -s /var/lib/xcp/guest/vmlinux ]
		systemctl is-system-running
	X
}

check "the packages are built" packages_are_built
lab_host installed
check "README's commands install them" installs
password=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
set_password root <<<"$password"
check "the programs run" runs_well
check "after a reboot they run; with XAPID_LAB_WHOLE guests shut down before it, and start again" reboots
check "root logs in by password, and guests start" scenario installed starts
check "killed programs disturb no guest" scenario installed kills
check "nor does a restart of the unit" scenario installed restarts
check "newer packages install" updates
check "guests are undisturbed, and obey" scenario installed goes_on
check "the packages can be removed" removes
check "their programs have ended, the database is there" is_gone
check "guests are undisturbed" scenario installed undisturbed
check "the packages are purged" purges
check "nothing of them is left but guests' kernels" nothing_is_left
check "guests are undisturbed still" scenario installed undisturbed
lab_done
