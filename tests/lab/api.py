"""The daemon in a lab host's dom0, for tests outside: its API over TLS, and dom0 itself."""
import http.client
import os
import random
import re
import ssl
import subprocess
import sys
import time
from pathlib import Path

LAB = Path(__file__).resolve().parent
sys.path += [str(LAB.parent / "sim"), str(LAB.parent / "unit")]
from host import Client

# Emulated, a dom0 answers slowly: every wait is long, and ends as soon as it can.
WAIT = 120
# Beside other work an emulated Linux takes minutes to come up.
UP = 400
# Workers begin again after a moment, which grows with how often they ended.
KILL_WORKERS = "for i in $(seq 300); do pkill -9 -x domains-worker && echo killed && break; sleep 0.1; done"


def connect(address, timeout=WAIT):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(address, 443, timeout=timeout, context=context)


def client(address, password):
    return Client(None, connect=lambda: connect(address)).login("root", password)


def answering(address, session, condition):
    """A client of that session, once the daemon answers and the condition holds."""
    def answers():
        try:
            x = Client(None, connect=lambda: connect(address)).resume(session)
            return condition(x) and x
        except (OSError, http.client.HTTPException):
            return None
    return until(answers, "answer")


def dom0(name, command, timeout=WAIT):
    """What a shell command prints in the dom0 of the lab host `name`."""
    done = subprocess.run([LAB / "run-in-dom0", name, command], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def until(condition, what, seconds=WAIT):
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"no {what} within {seconds} s"
        time.sleep(0.2)
    return value


def guest(name, kind, args="console=hvc0"):
    """The record of a small Linux guest of the lab: PV or PVH."""
    return {"name_label": name, "domain_type": kind, "memory_static_max": str(160 << 20),
            "PV_kernel": "/var/lib/xcp/guest/vmlinux", "PV_ramdisk": "/var/lib/xcp/guest/initrd",
            "PV_args": args, "VCPUs_max": "1", "VCPUs_at_startup": "1",
            "actions_after_shutdown": "destroy", "actions_after_reboot": "restart",
            "actions_after_crash": "destroy"}


def domids(name):
    """uuid -> domid, as xl has it."""
    lines = dom0(name, "xl list -v").splitlines()[1:]
    return {line.split()[6]: int(line.split()[1]) for line in lines if len(line.split()) > 6}


def xl_row(name, domid):
    """Memory in MiB and VCPUs of a domain, as xl has them."""
    rows = (line.split() for line in dom0(name, "xl list").splitlines()[1:])
    return next((int(row[2]), int(row[3])) for row in rows if row[1] == str(domid))


def type_in(name, domid, command, terminal="console/tty"):
    """Types a line on a guest's terminal, where its shell reads it."""
    dom0(name, f"printf '%s\\r' '{command}' > $(xenstore-read /local/domain/{domid}/{terminal})")


def console(name, uuid):
    """What the guest has printed since its domain began."""
    return dom0(name, f"cat /var/log/xen/console/guest-{uuid}.log 2>/dev/null || true")


def prompted(name, uuid, prompt="/ # ", seconds=WAIT):
    """Waits for the prompt of the guest's shell.  The kernel may speak after it, so it is looked for since the last boot."""
    try:
        until(lambda: prompt in console(name, uuid).rpartition("LAB-GUEST-UP")[2], "prompt of the guest", seconds)
    except AssertionError as error:
        raise AssertionError(f"{error}; its console ends: {console(name, uuid)[-1000:]!r}") from None


def says(name, x, vm, command, word, seconds=60):
    """Types a command on the guest's console until its answer has the word."""
    uuid = x.VM.get_uuid(vm)
    before = console(name, uuid).count(word)
    try:
        until(lambda: type_in(name, domids(name)[uuid], command) or console(name, uuid).count(word) > before,
              word, seconds)
    except AssertionError:
        print(console(name, uuid)[-2000:])
        raise


def ticks(name, uuid):
    """(number, seconds) of each tick that a guest has printed, in order."""
    return [(int(number), float(at))
            for number, at in re.findall(r"TICK (\d+) ([\d.]+) [\d.]+\r?\n", console(name, uuid))]


def clear(name, address, password):
    """Ends what a scenario that failed left."""
    x = client(address, password)
    for vm, record in x.VM.get_all_records().items():
        if record["is_control_domain"] or record["is_default_template"]:
            continue
        if record["name_description"].startswith("Made by another tool"):
            dom0(name, f"xl destroy {record['domid']}")
            continue
        if record["power_state"] != "Halted":
            x.VM.hard_shutdown(vm)
        x.VM.destroy(vm)
    for vlan in x.VLAN.get_all():
        x.VLAN.destroy(vlan)
    for pif, record in x.PIF.get_all_records().items():
        if record["device"] != "eth0":
            x.PIF.forget(pif)
    dom0(name, "ip link del wire 2>/dev/null || true")
    for network in x.network.get_all():
        if not x.network.get_PIFs(network):
            x.network.destroy(network)


def sample(what, full, number):
    """So many of them, by XAPID_SEED; with XAPID_LAB_WHOLE, as `make soak` has it, all."""
    chosen = full if "XAPID_LAB_WHOLE" in os.environ else random.Random(os.environ.get("XAPID_SEED")).sample(full, number)
    print(f"# {what}, sample/full: {len(chosen)}/{len(full)}")
    return chosen


def run_scenario(scenarios):
    """Runs the one that the command line names: SCENARIO NAME ADDRESS PASSWORD."""
    clear(*sys.argv[2:])
    scenarios[sys.argv[1]](*sys.argv[2:])
