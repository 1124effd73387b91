#!/usr/bin/python3
"""What guests may cost by what they write, and what may go to the one that reads it."""
import os
import sys
import threading
import time
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from guests import memory, processes, shown, started
from host import Host, sanitized

MIB = 1 << 20


def test_too_much():
    """Values of a megabyte and 10,000 keys: what fits is shown, and costs no megabyte in any process."""
    with Host() as host:
        x = host.client()
        vm, store = started(host, x)
        store.write_all({"data/os_name": "x" * 1000, "data/os_uname": "short"})
        shown(x, vm, os_version={"name": "x" * 1000, "uname": "short"})
        pids = {name: pid for name in ("xs-guestd", "domains-guests") for pid in processes(host, name)}
        assert len(pids) == 2, pids
        pids.update({name: host.child(name) for name in ("xapid-domains", "xapid")})
        before = {name: memory(pid) for name, pid in pids.items()}
        store.put("data/os_name", "y" * MIB)
        for number in range(10000):
            store.put(f"data/service/s{number % 100}/{number}", "z" * 100)
            store.put(f"drivers/{number}", "V N 1")
        store.put("data/service/" + "/".join("d" * 20), "deep")
        for _ in range(3):
            store.write(attr__vif__0__ipv4__0="10.0.0.9")
            time.sleep(1.2)
        row = shown(x, vm, networks={"0/ip": "10.0.0.9", "0/ipv4/0": "10.0.0.9"})
        assert row["os_version"] == {"uname": "short"}, row["os_version"]
        assert sum(len(row[name]) for name in ("services", "PV_drivers_version")) <= 256
        grown = {name: (memory(pid) - before[name]) / MIB for name, pid in pids.items()}
        print("# MiB grown by a guest with 20,000 keys: " +
              ", ".join(f"{name} {size:.2f}" for name, size in grown.items()))
        assert sanitized(pids["xapid"]) or all(size <= 1 for size in grown.values()), grown
        assert host.log.read_text().count("more or longer xenstore keys") == 1


def test_a_flood_slows_nobody():
    with Host() as host:
        x = host.client()
        vm, store = started(host, x)
        flooder, flood = started(host, x, name_label="flooder")
        number = 0

        def latency():
            nonlocal number
            number += 1
            began = time.monotonic()
            store.write(data__os_name=f"name {number}")
            shown(x, vm, os_version={"name": f"name {number}"})
            return time.monotonic() - began

        idle = max(latency() for _ in range(4))
        names = ("xs-guestd", "domains-guests")
        pids = [processes(host, name)[0] for name in names] + [host.child(n) for n in ("xapid-domains", "xapid")]
        ref = x.raw("event.from", x.session_ref, ["VM_guest_metrics"], "", 1.0)["token"]
        before, writes, ends = [memory(pid) for pid in pids], 0, threading.Event()

        def hose():
            nonlocal writes
            while not ends.is_set():
                flood.write_all({"data/os_name": f"flood {writes}", f"data/service/x/{writes % 300}": "y" * 900})
                writes += 1
        thread = threading.Thread(target=hose)
        thread.start()
        began, flooded, looks = time.monotonic(), 0.0, 0
        try:
            # As much of a flood as this host can make.
            while looks < 4 or (writes < 400 and looks < 100):
                flooded, looks = max(flooded, latency()), looks + 1
        finally:
            ends.set()
            thread.join()
        seconds = time.monotonic() - began
        grown = [(memory(pid) - old) / MIB for pid, old in zip(pids, before)]
        print(f"# {writes} writes in {seconds:.1f} s: another guest's word shows after at most {flooded:.2f} s "
              f"(idle {idle:.2f} s); MiB grown: {', '.join(f'{size:.2f}' for size in grown)}")
        assert writes >= 400, "that was no flood"
        assert flooded < 2 * idle + 1, (idle, flooded)
        assert sanitized(pids[0]) or all(size <= 1 for size in grown), grown
        events = x.raw("event.from", x.session_ref, ["VM_guest_metrics"], ref, 1.0)
        assert len(events["events"]) <= 2
        shown(x, flooder, seconds=20, os_version={"name": f"flood {writes - 1}"})
        assert host.log.read_text().count("xenstore keys than are looked at") == 1


def test_what_xs_guestd_holds():
    if os.geteuid():
        raise tap.Skip("what root gives up is seen as root")
    with Host() as host:
        pid, = tap.wait_until(lambda: processes(host, "xs-guestd"), "xs-guestd")
        tap.wait_until(lambda: "NoNewPrivs:\t1" in Path(f"/proc/{pid}/status").read_text(), "what it holds")
        time.sleep(0.1)
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
                      if ":\t" in line)
        assert "0" not in status["Uid"].split() and "0" not in status["Gid"].split(), status
        assert status["Groups"].strip() == "" and int(status["CapEff"], 16) == 0, status
        assert status["Threads"] == "1", status
        descriptors = {int(name): os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")}
        assert sorted(descriptors) == [0, 1, 2, 3, 4], descriptors
        assert descriptors[3].startswith("socket:") and descriptors[4].startswith("socket:"), descriptors
        assert os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net")
        assert os.readlink(f"/proc/{pid}/root").endswith("(deleted)") and os.listdir(f"/proc/{pid}/root") == []
        assert Path(f"/proc/{pid}/net/dev").read_text().count("\n") <= 3  # lo alone, and that is down
        if sanitized(pid):
            return
        assert status["Seccomp"] == "2", status
        limits = {line[:25].strip(): line[25:].split()[0]
                  for line in Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]}
        assert (limits["Max open files"], limits["Max processes"], limits["Max address space"]) == \
            ("0", "0", str(64 * MIB)), limits
        assert memory(pid) < 8 * MIB, memory(pid)


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])
