# shellcheck shell=bash
# Sourced behind functions.sh by the tests of storage drivers whose dom0 serves storage to itself: over
# NFS, over SMB (by Samba), over iSCSI (by tgt), and as a disk of a SCSI bus (the kernel's scsi_debug).

DRIVER_ENVIRONMENT= # of the suite; words for a shell
# lab_drivers NAME TEST...   these of the suite of drivers, or with XAPID_LAB_WHOLE all, in dom0, whose
# kernel has what this machine's may lack
lab_drivers() {
	local kills=1 program=/usr/local/libexec/xapid/storage/$1 out rc=0
	shift
	[ -z "${XAPID_LAB_WHOLE-}" ] || { kills=1000; set --; }
	tar -C "$LAB/../.." -c tests/storage tests/unit/tap.py tests/unit/covers.py | dom0_in 'mkdir -p /root/tmp; tar -x -m -C /root'
	out=$(TMO=7200 dom0 "cd /root; TMPDIR=/root/tmp $DRIVER_ENVIRONMENT XAPID_KILLS=$kills python3 tests/storage/test-drivers.py $program $*") || rc=$?
	grep '^# [0-9]* faults' >&3 <<<"$out" || true
	[ $rc = 0 ] || { printf '%s\n' "$out"; return 1; }
}

# export_folder   dom0 exports /srv/export to itself
export_folder() {
	dom0 'set -e; modprobe -a nfsd nfs nfsv3 nfsv4; mount -t nfsd nfsd /proc/fs/nfsd; mkdir -p /srv/export /srv/cds /run/rpcbind
		echo "/srv/export 127.0.0.1(rw,no_root_squash,no_subtree_check)" >/etc/exports
		echo "/srv/cds 127.0.0.1(ro,no_subtree_check)" >>/etc/exports
		useradd -r -M -d /run/rpcbind -s /usr/sbin/nologin _rpc; rpcbind' &&
	wait_for 60 dom0 'rpcinfo -p 127.0.0.1 >/dev/null' &&
	dom0 'set -e; exportfs -ra; rpc.nfsd --grace-time 10 --lease-time 10 2; rpc.mountd' &&
	wait_for 60 dom0 'mkdir -p /root/export; mount -t nfs -o vers=4.1 127.0.0.1:/srv/export /root/export && umount /root/export'
}

SHARE='{"server": "//127.0.0.1/disks", "username": "share-user", "password": "$(reboot);, #share=1"}'
SHARE_PATH=/srv/shared
# serve_share   Samba of dom0 shares a folder
serve_share() {
	dom0_in 'cat >/root/serve-share' <<-EOF
		set -e
		modprobe cifs
		mkdir -p $SHARE_PATH /srv/cds /run/samba /var/lib/samba/private /var/log/samba /var/cache/samba
		cat >/etc/samba/smb.conf <<-END
			[global]
			workgroup = LAB
			server role = standalone server
			smb ports = 445
			interfaces = lo
			bind interfaces only = yes
			disable netbios = yes
			load printers = no
			[disks]
			path = $SHARE_PATH
			valid users = share-user
			force user = root
			read only = no
			[cds]
			path = /srv/cds
			valid users = share-user
			force user = root
		END
		useradd -r -M -d /nonexistent -s /usr/sbin/nologin share-user
		printf '%s\\n' '\$(reboot);, #share=1' '\$(reboot);, #share=1' | smbpasswd -s -a share-user
		smbd -D
	EOF
	dom0 sh /root/serve-share && wait_for 60 dom0 'socat -u OPEN:/dev/null TCP:127.0.0.1:445'
}

TARGET_IQN=iqn.2026-01.org.xapid:lab
TARGET_FILE=/srv/lun1
TARGET_USER=chap-user
TARGET_PASSWORD='$(reboot);chap-1'

serve_target() {
	dom0_in 'cat >/root/serve-target' <<-EOF
		set -e
		modprobe -a iscsi_tcp sd_mod
		mkdir -p /run/tgt /run/lock/iscsi
		echo "InitiatorName=iqn.2026-01.org.xapid:dom0" >/etc/iscsi/initiatorname.iscsi
		truncate -s 128M $TARGET_FILE
		tgtd --iscsi portal=127.0.0.1:3260
		n=0; until tgtadm --op show --mode sys >/dev/null 2>&1 || [ \$n -ge 100 ]; do sleep 0.2; n=\$((n + 1)); done
		tgtadm --lld iscsi --op new --mode target --tid 1 -T $TARGET_IQN
		tgtadm --lld iscsi --op new --mode logicalunit --tid 1 --lun 1 -b $TARGET_FILE
		tgtadm --lld iscsi --op bind --mode target --tid 1 -I ALL
		tgtadm --lld iscsi --op new --mode account --user $TARGET_USER --password '$TARGET_PASSWORD'
		tgtadm --lld iscsi --op bind --mode account --tid 1 --user $TARGET_USER
		iscsid
	EOF
	dom0 sh /root/serve-target
}

# The disk's SCSIid is what the kernel module says of its first one.
serve_bus() { dom0 modprobe scsi_debug dev_size_mb=128 && wait_for 60 bus_disk; }
bus_disk() { dom0 'for f in /sys/block/sd*/device/wwid; do grep -q ^naa.3333 $f && sed s/^naa./3/ $f && exit; done; exit 1'; }

# target_config   device_config of the target's disk, whose name is tgt's of the first disk of the first target
target_config() {
	printf '{"target": "127.0.0.1", "targetIQN": "%s", "SCSIid": "%s", "chapuser": "%s", "chappassword": "%s"}' \
		"$TARGET_IQN" 360000000000000000e00000000010001 "$TARGET_USER" "$TARGET_PASSWORD"
}
