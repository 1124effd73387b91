#!/bin/bash
# The Debian packages: make deb, lintian, what is in them; and their life in a scratch root, from installing to
# purging, with a simulated host that runs as installed.  TAP; needs root; BUILDDIR names a configured tree.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$(realpath "${BUILDDIR:-.}")
work=$(mktemp -d)
root=$work/root
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

count=0 failed=0
# check NAME COMMAND...: ok when all of it succeeds; what it said is shown when it does not.
check() {
	local name=$1 status; shift
	count=$((count + 1))
	# In a condition bash would heed no failure but that of the last command.
	set +e
	(set -e; "$@") >"$work/said" 2>&1
	status=$?
	set -e
	if [ $status = 0 ]; then
		echo "ok $count - $name"
	else
		echo "not ok $count - $name"
		tail -40 "$work/said" | sed 's/^/# /'
		failed=1
	fi
}
end() { echo "1..$count"; exit $failed; }
same() { diff -u --label expected "$1" --label found "$2"; }
# Its file; the one for any architecture is the documentation's.
deb() { echo "$build/deb/$1_$(dpkg-parsechangelog -S Version)_$([ "$1" = xapid-doc ] && echo all || echo amd64).deb"; }

source_files() { find . .. -maxdepth 1 -name '*.deb' -o -maxdepth 1 -name '*.changes'; find debian; }
builds() {
	source_files >"$work/before"
	# As whoever calls make would; what builds the tree with sanitizers or for coverage is not asked.
	make -C "$build" deb
	source_files | same "$work/before" -
	ls "$(deb xapid)" "$(deb xapid-storage-drivers)" "$(deb xtool)" "$(deb xapid-doc)"
}

# gcc and make are everywhere where packages are built.
needs_what_the_build_needs() {
	awk '$2 ~ /(^|,)build(,|$)/ && $1 !~ /^(gcc|make)$/ { print $1 }' packages.debian | sort >"$work/listed"
	sed -n '/^Build-Depends:/,/^[^ B]/ s/^ \(.*\),$/\1/p' debian/control | grep -v debhelper-compat | sort |
		same "$work/listed" -
}
has_the_version_of_the_tree() { "$build/xapid/xapid" --version | grep -Fx "xapid $(dpkg-parsechangelog -S Version)"; }
# lintian is silent about what is clean.
lintian_is_content() { [ -z "$(lintian --allow-root --fail-on error,warning "$build"/deb/*.changes 2>&1 | tee /dev/stderr)" ]; }

# holds PACKAGE: its files but for documentation are those on stdin.
holds() {
	sort -k3 >"$work/expected"
	contents "$1" | grep -v '^d\|/usr/share/\(doc\|man\)/' | sort -k3 | same "$work/expected" -
}
contents() { dpkg-deb -c "$(deb "$1")" | awk '{ print $1, $2, substr($6, 2) }'; }
xapid_holds() {
	{
		cat <<-X
			-rw-r--r-- root/root /etc/pam.d/xapid
			-rw-r--r-- root/root /etc/xapid/xapid.conf
			-rw-r--r-- root/root /lib/systemd/system/xapid-guests.service
			-rw-r--r-- root/root /lib/systemd/system/xapid.service
			-rw-r--r-- root/root /usr/lib/sysusers.d/xapid.conf
			-rwxr-xr-x root/root /usr/libexec/xapid/disk-hotplug
			-rwxr-xr-x root/root /usr/libexec/xapid/nic-hotplug
			-rwxr-xr-x root/root /usr/libexec/xapid/xapid
			-rwxr-xr-x root/root /usr/libexec/xapid/xapid-db
			-rwxr-xr-x root/root /usr/libexec/xapid/xapid-domains
			-rwxr-xr-x root/root /usr/libexec/xapid/xapid-host
			-rwxr-xr-x root/root /usr/libexec/xapid/xapid-picture
			-rwxr-xr-x root/root /usr/libexec/xapid/xapid-stream
			-rwxr-xr-x root/root /usr/libexec/xapid/xapid-terminal
			-rwxr-xr-x root/root /usr/libexec/xapid/xs-guestd
			-rwxr-xr-x root/root /usr/libexec/xapid/xtool-xl
			-rwxr-xr-x root/root /usr/sbin/xapid-launch
		X
		for file in xapid/page/*.{css,html,js}; do echo "-rw-r--r-- root/root /usr/share/$file"; done
	} | holds xapid
	contents xapid | grep -Fx "drwxr-xr-x root/root /var/lib/xcp/guest/"
	dpkg-deb --ctrl-tarfile "$(deb xapid)" | tar -xO ./conffiles | same <(printf '/etc/pam.d/xapid\n/etc/xapid/xapid.conf\n') -
	dpkg-deb --fsys-tarfile "$(deb xapid)" | tar -xO ./etc/xapid/xapid.conf | same docs/xapid.conf.sample -
}
drivers_hold() {
	holds xapid-storage-drivers <<-X
		-rwxr-xr-x root/root /usr/libexec/xapid/storage/ext
		-rwxr-xr-x root/root /usr/libexec/xapid/storage/file
		-rwxr-xr-x root/root /usr/libexec/xapid/storage/iso
		-rwxr-xr-x root/root /usr/libexec/xapid/storage/lvm
		-rwxr-xr-x root/root /usr/libexec/xapid/storage/lvmohba
		-rwxr-xr-x root/root /usr/libexec/xapid/storage/lvmoiscsi
		-rwxr-xr-x root/root /usr/libexec/xapid/storage/nfs
	X
}
xtool_holds() {
	holds xtool <<-X
		-rwxr-xr-x root/root /usr/bin/xtool
		-rw-r--r-- root/root /usr/share/bash-completion/completions/xtool
	X
	if dpkg-deb -f "$(deb xtool)" Depends | grep -i xen; then return 1; fi
}

doc_holds() {
	holds xapid-doc <<<"-rw-r--r-- root/root /usr/share/doc-base/xapid-doc.xapid-api"
	dpkg-deb -x "$(deb xapid-doc)" "$work/doc"
	# What tests/sim/test-reference.py has looked at.
	diff -r "$build/docs/api" "$work/doc/usr/share/doc/xapid/api"
}

# apart COMMAND...: where neither this machine's systemd nor its network is seen.
apart() {
	unshare --mount --net --pid --fork --kill-child --mount-proc --propagation private \
		bash -ec 'mount -t tmpfs tmpfs /run; exec "$@"' apart "$@"
}
in_root() { apart dpkg --root="$root" --force-depends --force-script-chrootless "$@"; }
installs() {
	mkdir -p "$root"/etc "$root"/var/lib/dpkg/{info,updates,triggers} "$root"/var/log
	: >"$root/var/lib/dpkg/status"
	printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n' >"$root/etc/passwd"
	printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
	in_root -i "$(deb xapid)" "$(deb xapid-storage-drivers)" "$(deb xtool)"
	grep '^xapid:' "$root/etc/passwd" "$root/etc/group"
	test -L "$root/etc/systemd/system/multi-user.target.wants/xapid.service"
	test -L "$root/etc/systemd/system/multi-user.target.wants/xapid-guests.service"
}
# systemd-analyze looks for what a unit starts on this machine.
units_are_valid() {
	sed "s|^ExecStart=|&$root|" "$root/lib/systemd/system/xapid.service" >"$work/xapid.service"
	cp "$root/lib/systemd/system/xapid-guests.service" "$work/"
	systemd-analyze verify --man=no "$work/xapid.service" "$work/xapid-guests.service"
}
programs_run() {
	local program
	for program in /usr/bin/xtool /usr/sbin/xapid-launch /usr/libexec/xapid/{xapid,xapid-db,xapid-domains,xapid-host,xapid-picture,xapid-terminal,xs-guestd,xtool-xl}; do
		"$root$program" --version | grep -F "${program##*/} $(dpkg-parsechangelog -S Version)"
	done
	"$root/usr/bin/xtool" api-coverage | same <("$build/xtool/xtool" api-coverage) -
}

# The host as installed, but for Xen; the programs find their files where they are on a real one.
# shellcheck disable=SC2016
host='
	for place in /usr/libexec /var/lib /etc; do mount --bind "$1$place" $place; done
	"$1/usr/sbin/xapid-launch" --sim /run/sim &
	xtool=$1/usr/bin/xtool
	drivers() { "$xtool" sm-list --minimal params=type | tr , "\n" | sort | tr "\n" " "; }
	for ((i = 0; i < 200; i++)); do
		[ "$(drivers 2>/dev/null)" != "ext file iso lvm lvmohba lvmoiscsi nfs " ] || break
		sleep 0.1
	done
	drivers | grep -Fx "ext file iso lvm lvmohba lvmoiscsi nfs "
	mkdir -m 700 /run/disks
	sr=$("$xtool" sr-create type=file name-label=disks device-config:location=/run/disks)
	"$xtool" vdi-create sr-uuid="$sr" name-label=disk virtual-size=1MiB | grep .
	kill %1
	wait %1'
serves() { apart bash -ec "$host" host "$root"; }
serves_with_an_empty_configuration() {
	local sample=$root/etc/xapid/xapid.conf
	mv "$sample" "$work/conf"
	: >"$sample"
	serves
	mv "$work/conf" "$sample"
}
removes() {
	echo kernel >"$root/var/lib/xcp/guest/vmlinux"
	mkdir -p "$root/var/lib/xapid-domains/images"
	in_root -r xapid xapid-storage-drivers xtool
	test ! -e "$root/usr/libexec/xapid" -a -s "$root/var/lib/xapid/xapid.db" -a -d "$root/var/lib/xapid-domains/images" \
		-a -e "$root/etc/xapid/xapid.conf"
}
purges() {
	in_root -P xapid >"$work/purge"
	grep -F "xapid: removing /var/lib/xapid: " "$work/purge"
	grep -F "xapid: removing /var/lib/xapid-domains: " "$work/purge"
	same <(echo "$root/var/lib/xcp/guest/vmlinux") <(find "$root" -path '*/x*' -type f)
}

check "make deb builds them and leaves nothing in the source tree" builds
[ $failed = 0 ] || end
check "they need for the build what packages.debian lists" needs_what_the_build_needs
check "their version is the tree's" has_the_version_of_the_tree
check "lintian finds no error and no warning" lintian_is_content
check "xapid holds the daemon, its configuration and its unit" xapid_holds
check "xapid-storage-drivers holds the drivers" drivers_hold
check "xtool holds the command line and needs no Xen" xtool_holds
check "xapid-doc holds the reference of the API" doc_holds
check "they install; the user is there and the unit enabled" installs
check "systemd understands the units" units_are_valid
check "the programs run, and xtool tells what the tree's tells" programs_run
check "a host serves as installed, with its storage drivers" serves
check "a host serves with an empty configuration" serves_with_an_empty_configuration
check "removing leaves the database and the configuration" removes
check "purging says what it removes, and leaves the kernels of guests" purges
end
