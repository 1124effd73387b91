# shellcheck shell=bash
# Shared by the lab's scripts; sourced after "set -euo pipefail".
#   LAB_DIR     what is built and kept: images and snapshots
#   LAB_HOSTS   what runs: one directory a host
# Both may be deleted when no host runs.
#   LAB_FLAVOUR the kind of dom0: plain, or systemd
LAB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
LAB_DIR=${LAB_DIR:-${XAPID_LAB_DIR:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/xapid-lab}}
LAB_HOSTS=${LAB_HOSTS:-$LAB_DIR/hosts}
LAB_FLAVOUR=${LAB_FLAVOUR:-plain}

die() { echo "${0##*/}: $*" >&2; exit 1; }
now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f", b - a }'; }

# QEMU's option syntax gives commas, spaces and quotes a meaning.
case $LAB_DIR in
/*[!A-Za-z0-9._/+@=~-]*|[!/]*) die "LAB_DIR must be an absolute path of plain characters: $LAB_DIR" ;;
esac
case $LAB_FLAVOUR in
plain) PACKAGE_LISTS="packages.dom0 packages.plain" IMAGE_PREFIX= ;;
systemd) PACKAGE_LISTS="packages.dom0 packages.systemd" IMAGE_PREFIX=systemd- ;;
*) die "LAB_FLAVOUR is plain or systemd, not $LAB_FLAVOUR" ;;
esac
[[ $LAB_HOSTS = /* ]] || die "LAB_HOSTS must be an absolute path: $LAB_HOSTS"

# packages FILE   the package names of a list
packages() { sed 's/#.*//' "$1" | tr -s ' \n' '\n' | grep .; }

# image_key   names the image by everything that goes into it, except the
# versions that apt finds on the day
image_key() {
	# shellcheck disable=SC2086
	(cd "$LAB" && cat build-image $PACKAGE_LISTS src/*
		echo "${LAB_KERNEL:-} ${LAB_EXTRA_PKGS:-}") | sha256sum | cut -c1-12
}
IMG=$LAB_DIR/images/$IMAGE_PREFIX$(image_key)

# host_dir NAME   a name comes from a person or a test: one plain word
host_dir() {
	[[ ${1:-} =~ ^[A-Za-z0-9][A-Za-z0-9._-]*$ ]] || die "bad host name: ${1:-}"
	printf '%s/%s\n' "$LAB_HOSTS" "$1"
}

# host_pid DIR   prints the process that runs the machine of DIR; fails when
# there is none. The number alone is not believed: it may be another's by now.
host_pid() {
	local p
	p=$(cat "$1/pid" 2>/dev/null) && [ -n "$p" ] || return 1
	[ "$(readlink "/proc/$p/cwd" 2>/dev/null)" = "$(realpath "$1")" ] || return 1
	printf '%s\n' "$p"
}

# host_end DIR   ends the machine of DIR, if one runs. The pid is that of
# timeout(1), which leads a process group with QEMU in it.
host_end() {
	local p i
	p=$(host_pid "$1") || return 0
	kill -TERM "$p" 2>/dev/null || true
	for ((i = 0; i < 50; i++)); do
		host_pid "$1" >/dev/null || return 0
		sleep 0.1
	done
	kill -KILL -- "-$p" 2>/dev/null || true
}

# qmp DIR JSON...   gives commands to a host's QEMU, prints the answers
qmp() { (cd "$1" && shift && exec timeout 20 "$IMG/qmp" mon "$@"); }
IGNORE_SHARED='{"execute":"migrate-set-capabilities","arguments":{"capabilities":[{"capability":"x-ignore-shared","state":true}]}}'
