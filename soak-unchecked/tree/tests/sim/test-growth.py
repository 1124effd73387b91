#!/usr/bin/python3
"""A host that starts and ends its guest again and again, and whose users come and go, is afterwards what
it was: no process of it has grown, and nothing is left.

XAPID_CYCLES: how many (1,000); `make soak` does 10,000."""
import os
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import settled
import tap
import world
from guests import memory
from host import GUEST, Client, Host, sanitized

FULL = 10000
CYCLES = int(os.environ.get("XAPID_CYCLES", "1000"))
WARM_UP = 300  # until every cache is full, every pool has its size
MIB = 1 << 20
POOL = 2  # threads that GLib keeps for a while, or not


def processes(host):
    """Ours, by name: one of several has a number behind it."""
    found, waiting = {}, [host.process.pid]
    while waiting:
        pid = waiting.pop()
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        found[f"{name} {sum(key.startswith(name + ' ') for key in found)}"] = pid
        waiting += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return found


def figures(pid):
    return {"descriptors": len(os.listdir(f"/proc/{pid}/fd")), "threads": len(os.listdir(f"/proc/{pid}/task")),
            "memory": memory(pid)}


def cycles(host, vm, count):
    for _ in range(count):
        x = Client(host).login()
        x.VM.start(vm, False, False)
        x.VM.hard_shutdown(vm)
        x.session.logout()


def test_nothing_grows():
    print(f"# sample/full: {CYCLES}/{FULL} cycles", flush=True)
    with Host("log_level=info") as host:
        x = host.client()
        if sanitized(host.child("xapid")):
            raise tap.Skip("sanitizers keep freed memory")
        vm = x.VM.create(GUEST)
        cycles(host, vm, WARM_UP)
        tap.wait_until(lambda: not settled.differences(host, x), "quiet")
        pids = processes(host)
        before = {name: figures(pid) for name, pid in pids.items()}
        rows = {name: len(getattr(x, name).get_all()) for name in ("VM", "task", "console", "VM_metrics", "host_cpu")}
        cycles(host, vm, CYCLES)
        tap.wait_until(lambda: not settled.differences(host, x), "quiet")
        assert processes(host) == pids, "a process has ended"

        def grown():
            """What has not come back; memory is given back a moment later."""
            pairs = [(name, old, figures(pids[name])) for name, old in before.items()]
            return [f"{name}: {old} and then {now}" for name, old, now in pairs
                    if now["descriptors"] != old["descriptors"] or now["threads"] > old["threads"] + POOL
                    or now["memory"] > old["memory"] + MIB]
        tap.wait_until(lambda: not grown() or print(*grown(), sep="\n# "), "figures as before", 5)
        growth = {name: (figures(pid)["memory"] - before[name]["memory"]) / MIB for name, pid in pids.items()}
        print(f"# {CYCLES} cycles; MiB grown: " +
              ", ".join(f"{name} {size:.2f}" for name, size in growth.items() if abs(size) >= 0.05))
        assert rows == {name: len(getattr(x, name).get_all()) for name in rows}, rows
        assert world.domains(host.sim) == [] and not host.violations()
        left = [str(path) for path in (host.sim / "images", host.dir / "disks") if path.exists() and any(path.iterdir())]
        assert not left, left


tap.run(test_nothing_grows)
