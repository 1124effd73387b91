#!/bin/bash
# Disks of guests on block devices and on NFS, on real Xen, and their drivers by themselves (XAPID_LAB_WHOLE:
# killed at each of their fault points).
. "$(dirname "$0")/functions.sh"
. "$LAB/daemon.sh"

# lab_drivers NAME TEST...   these of the suite of drivers, or with XAPID_LAB_WHOLE all, in dom0, whose
# kernel has what this machine's may lack
lab_drivers() {
	local kills=1 program=/usr/local/libexec/xapid/storage/$1 out rc=0
	shift
	[ -z "${XAPID_LAB_WHOLE-}" ] || { kills=1000; set --; }
	tar -C "$LAB/../.." -c tests/storage tests/unit/tap.py tests/unit/covers.py | dom0_in 'mkdir -p /root/tmp; tar -x -m -C /root'
	out=$(TMO=7200 dom0 "cd /root; TMPDIR=/root/tmp XAPID_EXPORT=/srv/export XAPID_KILLS=$kills python3 tests/storage/test-drivers.py $program $*") || rc=$?
	grep '^# [0-9]* faults' >&3 <<<"$out" || true
	[ $rc = 0 ] || { printf '%s\n' "$out"; return 1; }
}

# export_folder   dom0 exports /srv/export to itself
export_folder() {
	dom0 'set -e; modprobe -a nfsd nfs nfsv3 nfsv4; mount -t nfsd nfsd /proc/fs/nfsd; mkdir -p /srv/export /run/rpcbind
		echo "/srv/export 127.0.0.1(rw,no_root_squash,no_subtree_check)" >/etc/exports
		useradd -r -M -d /run/rpcbind -s /usr/sbin/nologin _rpc; rpcbind' &&
	wait_for 60 dom0 'rpcinfo -p 127.0.0.1 >/dev/null' &&
	dom0 'set -e; exportfs -ra; rpc.nfsd --grace-time 10 --lease-time 10 2; rpc.mountd' &&
	wait_for 60 dom0 'mkdir -p /root/export; mount -t nfs -o vers=4.1 127.0.0.1:/srv/export /root/export && umount /root/export'
}

lab_host devices
dom0 'id xen-qemuuser-range-base >/dev/null 2>&1 || useradd -r -u 200000 -M -d /nonexistent -s /usr/sbin/nologin xen-qemuuser-range-base'
serve_xapid
check "dom0 is an NFS server, too" export_folder
export SCENARIO_SECONDS=900
check "a guest keeps its disks on block devices and on NFS" scenario devices kept
sample 1 DRIVERS "drivers by themselves" lvm nfs
for driver in "${DRIVERS[@]}"; do
	case $driver in
	lvm) check "the driver lvm does what drivers do" lab_drivers lvm disks_from_beginning_to_end kills ;;
	nfs) check "the driver nfs does what drivers do" lab_drivers nfs exports ;;
	esac
done
lab_done
