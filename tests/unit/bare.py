"""A machine where packages are missing, for tests of ./try and ./check: apt, dpkg, sudo and id are
programs of the test's own, before the real ones in PATH."""
import os
import shutil
import signal
import tempfile
from pathlib import Path

# What they are asked is written to $FAKE/calls; $FAKE/installed holds the packages that are there.
FAKES = {
    "id": 'echo "${FAKE_UID:-0}"\n',
    "sudo": 'echo "sudo $*" >>"$FAKE/calls"\n[ "$1" = -- ] && shift\nFAKE_UID=0 exec "$@"\n',
    "dpkg-query": 'grep -qx "${@: -1}" "$FAKE/installed" || exit 1\nprintf "install ok installed"\n',
    "apt-get": r'''
[ "$(id -u)" = 0 ] || case "$*" in *NoLocking*) ;; *) echo "are you root?" >&2; exit 100 ;; esac
packages() { for word in "$@"; do case $word in -*|install|update|*=*) ;; *) echo "$word" ;; esac; done; }
case "$*" in
*--assume-no*)
	packages "$@" | grep -qx unknown && { echo "E: Unable to locate package unknown"; exit 100; }
	echo "0 upgraded, $(packages "$@" | wc -l) newly installed, 0 to remove and 1 not upgraded."
	echo "Need to get 17 MB of archives."
	echo "After this operation, 85 MB of additional disk space will be used."
	exit 1 ;;
*" -s "*) packages "$@" | sed 's/^/Inst /'; exit ;;
esac
echo "$DEBIAN_FRONTEND apt-get $*" >>"$FAKE/calls"
[ ! -e "$FAKE/no-network" ] || { echo "E: no network"; exit 100; }
case "$*" in *update*) exit ;; esac
if [ -e "$FAKE/slow" ]; then sleep 600 & echo $! >"$FAKE/child"; echo $$ >"$FAKE/apt.new"; mv "$FAKE/apt.new" "$FAKE/apt"; wait; fi
[ ! -e "$FAKE/broken" ] || { echo "E: dpkg was interrupted"; exit 100; }
packages "$@" | while read -r package; do
	sleep "${FAKE_SECONDS:-0}"
	echo "Setting up $package (1.0) ..."
	echo "$package" >>"$FAKE/installed"
done
'''}


def heeds_interrupts():
    """For Popen's preexec_fn: what a shell began in the background ignores them, and so do its
    children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Machine:
    """`environment` is for what runs there; `tree` is an empty folder."""

    def __init__(self, installed=()):
        self.dir = Path(tempfile.mkdtemp(prefix="bare-"))
        self.tree, self.fake = self.dir / "tree", self.dir / "fake"
        for folder in (self.tree, self.fake):
            folder.mkdir()
        (self.fake / "installed").write_text("".join(f"{name}\n" for name in installed))
        (self.fake / "calls").touch()
        for name, text in FAKES.items():
            self.program(name, text)
        self.environment = {**os.environ, "FAKE": str(self.fake),
                            "PATH": f"{self.fake}:/usr/sbin:/usr/bin:/sbin:/bin"}
        for name in ("TRY_BUILDDIR", "MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
            self.environment.pop(name, None)

    def program(self, name, text, folder=None):
        path = (folder or self.fake) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/bash\n" + text)
        path.chmod(0o755)

    def calls(self):
        """What apt-get and sudo were asked, a line a call."""
        return (self.fake / "calls").read_text().splitlines()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir)
