#!/usr/bin/python3
"""Many records at once and large requests, on a simulated host.

covers: event.from"""
import json
import socket
import sys
import threading
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from host import GUEST, Host

VMS = 60  # about 10 KB of XML each: several slices
DOMAINS = 4000  # a list of more than one D-Bus message takes


def test_many_records_at_once():
    with Host() as host:
        x, j = host.client(), host.client(json_rpc=True)
        vms = [x.VM.create({**GUEST, "name_label": f"guest <{n}> & co"}) for n in range(VMS)]
        x.VM.start(vms[0], False, False)
        for client in x, j:
            records = client.VM.get_all_records()
            assert set(vms) < set(records)
            assert records == {vm: client.VM.get_record(vm) for vm in records}
            some = client.call("VM.get_all_records_where", 'field "power_state" = "Halted"')
            assert set(some) & set(vms) == set(vms[1:]) and {r["power_state"] for r in some.values()} == {"Halted"}
            batch = client.call("event.from", ["vm", "console"], "", 0.0)
            shown = {event["ref"]: event["snapshot"] for event in batch["events"]}
            assert {ref: shown[ref] for ref in records} == records
            assert batch["valid_ref_counts"]["vm"] == len(records)
            assert [event["class"] for event in batch["events"]].count("console") == 2  # a screen and a text console
            quiet = client.call("event.from", ["vm"], batch["token"], 0.0)
            assert quiet["events"] == [], quiet


def test_a_large_request_beside_small_ones():
    with Host() as host:
        x, large = host.client(), host.client(json_rpc=True)
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "event.from", "params": [
            large.session_ref, [f"a-class-no-{n:09}" for n in range(450_000)], "", 0.0]})
        assert len(body) > 10_000_000
        answer = []
        thread = threading.Thread(target=lambda: answer.append(large.post(body)[1]))
        thread.start()
        pings = 0
        while thread.is_alive():
            assert len(x.pool.get_all()) == 1
            pings += 1
        thread.join()
        assert b"EVENT_SUBSCRIPTION_PARSE_FAILURE" in answer[0], answer[0][:200]
        assert pings >= 10, pings


def test_a_host_full_of_foreign_domains():
    with Host("resync_seconds=1", sim_conf="[host]\nmemory=1099511627776\n") as host:
        x = host.client()
        tap.wait_until((host.sim / "control").exists, "simulator")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as control:
            control.connect(str(host.sim / "control"))
            for n in range(DOMAINS):
                control.send(f"xl-create cccccccc-0000-4000-8000-{n:012} foreign-{n}".encode())
        vm = x.VM.create(GUEST)
        x.VM.start(vm, False, False)
        host.guest(f"xl-pause {x.VM.get_uuid(vm)}")  # no event tells: it is known by List alone
        tap.wait_until(lambda: x.VM.get_power_state(vm) == "Paused", "look at the domain", 30)
        assert int(x.VM.get_domid(vm)) > DOMAINS


if __name__ == "__main__":
    tap.run(test_many_records_at_once, test_a_large_request_beside_small_ones,
            test_a_host_full_of_foreign_domains)
