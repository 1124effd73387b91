#!/usr/bin/python3
"""The hosts and guests of ./try: starts hosts, takes guests through their life by the API, tells.

main.py [--sim] [--keep] [--hosts N] --build DIR --logs DIR --dir DIR       main.py --stop --dir DIR
Environment: TRY_STARTED, when ./try was, in seconds since 1970."""
import os
import signal


def interrupted_early(*_):
    os.write(2, b"try: interrupted; nothing was left\n")
    os._exit(130)


for stopper in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(stopper, interrupted_early)

import argparse
import contextlib
import http.client
import json
import shlex
import shutil
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "sim"), str(HERE.parent / "unit")]
from guest import GUESTS, print_table
from host import Failure
from machines import KINDS
from processes import STOPPERS, Trouble

MARK = "try.json"  # says that the folder is ours, and what is in it
STARTED = float(os.environ.get("TRY_STARTED", time.time()))
BAD = (Trouble, Failure, OSError, http.client.HTTPException, AssertionError)


def say(text):
    print(f"[{time.time() - STARTED:5.1f}s] {text}", flush=True)


class Place:
    """The folder where the hosts live; everything in it is listed in its mark."""

    def __init__(self, path):
        self.path = Path(path)
        self.machines = []

    def read(self):
        try:
            mark = json.loads((self.path / MARK).read_text())
        except FileNotFoundError:
            raise Trouble(f"no hosts of ./try are in {self.path}") from None
        self.made = mark["made"]
        self.machines = [KINDS[mark["kind"]](self.path, name) for name in mark["hosts"]]

    def make(self, kind, count, builddir, keep):
        if (self.path / MARK).exists():
            raise Trouble(f"{self.path} holds hosts already: ./try --stop --dir {self.path}")
        if self.path.exists() and any(self.path.iterdir()):
            raise Trouble(f"{self.path} is not empty")
        self.made = [str(path) for path in (self.path, *self.path.parents) if not path.exists()]
        self.path.mkdir(parents=True, exist_ok=True)
        self.machines = [KINDS[kind](self.path, f"host{n}", builddir) for n in range(1, count + 1)]
        for machine in self.machines:
            machine.keep = keep
        self.write(MARK, json.dumps({"kind": kind, "made": self.made,
                                     "hosts": [machine.name for machine in self.machines]}))

    def write(self, name, text):
        """A file that its owner alone reads: whoever called sudo, if someone did."""
        descriptor = os.open(self.path / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        if os.environ.get("SUDO_UID", "").isdigit():
            os.chown(self.path / name, int(os.environ["SUDO_UID"]), int(os.environ["SUDO_GID"]))

    def write_entries(self):
        entries = [machine.entry() for machine in self.machines]
        self.write("hosts.json", json.dumps(entries, indent=1) + "\n")
        first = entries[0]
        self.write("env", f"ADDRESS={self.machines[0].address}\nURL={first['url']}\n"
                   f"PASSWORD={first['password']}\nFINGERPRINT={first['ssl_fingerprint']}\n")

    def save_logs(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        for machine in self.machines:
            with contextlib.suppress(*BAD):
                for name, text in machine.logs().items():
                    (folder / f"{machine.name}.{name}").write_text(text)

    def end(self):
        """Ends every host and removes what we made; a host that cannot be ended stops no other."""
        troubles = []
        for machine in self.machines:
            try:
                machine.stop()
                machine.remove()
            except BAD as trouble:
                troubles.append(f"{machine.name}: {trouble}")
        if troubles:
            raise Trouble("; ".join(troubles))
        for name in ("hosts.json", "env", MARK):
            (self.path / name).unlink(missing_ok=True)
        for made in self.made:
            with contextlib.suppress(OSError):
                os.rmdir(made)


def next_lines(place, builddir, keep, sim):
    env = shlex.quote(str(place.path / "env"))
    login = ('{"jsonrpc":"2.0","id":1,"method":"session.login_with_password",'
             '"params":["root","\'$PASSWORD\'"]}')
    python = (f'import json, ssl, xmlrpc.client as x; h = json.load(open("{place.path}/hosts.json"))[0]; '
              'a = x.ServerProxy(h["url"], context=ssl._create_unverified_context()); '
              's = a.session.login_with_password(h["user"], h["password"])["Value"]; '
              'print([vm["name_label"] for vm in a.VM.get_all_records(s)["Value"].values()])')
    if keep:
        print(f"\nThe hosts stay until ./try --stop --dir {place.path}; {place.path}/hosts.json says how "
              "to reach them.")
        for machine in place.machines:
            print(f"In a browser: https://{machine.address}/ (its user and password are in that file)")
        print("To paste next:")
    else:
        print(f"\nTo paste next, after ./try --keep{sim}, which leaves the hosts running:")
    print(f"  . {env}; {builddir}/xtool/xtool -s $ADDRESS -u root -pw $PASSWORD --fingerprint $FINGERPRINT vm-list\n"
          f"  . {env}; curl -sk $URL/jsonrpc -d '{login}'\n"
          f"  python3 -c '{python}'", flush=True)


def live(place):
    """Starts each host and its guests, and returns these; those that failed have no row."""
    guests = []
    for machine in place.machines:
        machine.start(say)
        say(f"{machine.name}: xapid serves https://{machine.address}")
        for kind, made in GUESTS.items():
            guest = made(machine, kind, say)
            guests.append(guest)
            try:
                guest.live(lambda: len(guests) > 1 or say("the first guest is up"))
            except BAD as trouble:
                say(f"{guest.name}: failed: {trouble}")
    return guests


stopping = False


def interrupt(*_):
    """The first signal interrupts, further ones do nothing: the impatient press Ctrl-C twice."""
    global stopping
    if not stopping:
        stopping = True
        raise KeyboardInterrupt


def ignore_signals():
    global stopping
    stopping = True
    for number in STOPPERS:
        signal.signal(number, interrupt)


def run(options):
    place, logs, guests, why = Place(options.dir), Path(options.logs), [], None
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPERS)
    for number in STOPPERS:
        signal.signal(number, interrupt)
    place.make("sim" if options.sim else "lab", options.hosts, Path(options.build), options.keep)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPERS)
        guests = live(place)
        if all(guest.row for guest in guests):
            place.write_entries()
        else:
            why = "a row is missing"
    except KeyboardInterrupt:
        why = "interrupted"
    except BAD as trouble:
        why = str(trouble)
    except BaseException:
        ignore_signals()
        place.end()
        raise
    if why or not options.keep:
        ignore_signals()
        if why:
            place.save_logs(logs)
        place.end()
    if not why:
        shutil.rmtree(logs, ignore_errors=True)
    if guests:
        print_table(guests)
    if why:
        sys.exit(f"\ntry: {why}; nothing is left of it but the logs in {logs}")
    next_lines(place, options.build, options.keep, " --sim" if options.sim else "")


def stop(options):
    place = Place(options.dir)
    place.read()
    ignore_signals()
    place.end()
    print(f"{place.path}: all hosts have ended")


def main():
    parser = argparse.ArgumentParser()
    for flag in ("--sim", "--keep", "--stop"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--hosts", type=int, default=1)
    for option in ("--build", "--logs"):
        parser.add_argument(option)
    parser.add_argument("--dir", required=True)
    options = parser.parse_args()
    os.umask(0o022)
    try:
        stop(options) if options.stop else run(options)
    except (Trouble, OSError) as trouble:
        sys.exit(f"try: {trouble}")


main()
