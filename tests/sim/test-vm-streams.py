#!/usr/bin/python3
"""VMs as one stream, over HTTP: GET /export, and GET /export_metadata."""
import socket
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from archives import CHUNK, Archive
from disks import MIB, NULL, connected, new_sr, new_vbd, new_vdi, write
from host import GUEST, Host, fails
from streams import CONTENT, SIZE, Streams, bad, good, quiet
from vmstreams import ENDS, VmStreams, break_off


def new_vm(host, x, streams, sr, name="a VM"):
    """With two disks (an image that has been written to, and an empty raw one), an empty drive and a card."""
    vm = x.VM.create({**GUEST, "name_label": name, "name_description": "<&>\u00e9", "other_config": {"a": "<b>"}})
    full = new_vdi(x, sr, SIZE, sm_config={"image-format": "qcow2"}, name_label="full")
    empty = new_vdi(x, sr, 3 * MIB, sm_config={"image-format": "raw"}, name_label="empty")
    good(Streams(host, x).imported(full, CONTENT))
    new_vbd(x, vm, full)
    new_vbd(x, vm, empty)
    new_vbd(x, vm, NULL, type="CD", mode="RO")
    network = x.network.create({"name_label": "net", "name_description": "", "other_config": {}})
    x.VIF.create({"VM": vm, "network": network, "device": "0", "MAC": "02:00:00:00:00:01", "MTU": "1500",
                  "other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}})
    return vm, full, empty


def is_the_vm(x, archive, vm):
    (name, record), = archive.of("VM").items()
    own = x.VM.get_record(vm)
    for field in "uuid", "name_label", "name_description", "other_config", "memory_static_max", "platform", "is_a_template":
        assert record[field] == own[field], (field, record[field], own[field])
    kinds = {kind: len(archive.of(kind)) for kind in ("VBD", "VIF", "VDI", "SR", "network", "VM_metrics", "host")}
    assert kinds == {"VBD": 3, "VIF": 1, "VDI": 2, "SR": 1, "network": 1, "VM_metrics": 1, "host": 0}, kinds
    assert set(record["VBDs"]) == set(archive.of("VBD")) and set(record["VIFs"]) == set(archive.of("VIF"))
    assert all(vbd["VM"] == name and (vbd["VDI"] in archive.of("VDI") or vbd["VDI"] == NULL)
               for vbd in archive.of("VBD").values())
    assert record["metrics"] in archive.of("VM_metrics") and record["affinity"] == NULL
    card, = archive.of("VIF").values()
    assert card["MAC"] == "02:00:00:00:00:01" and card["network"] in archive.of("network")
    assert int(archive.whole["version"]["export_vsn"]) == 2 and archive.whole["version"]["xapi_major"].isdigit()


def test_export():
    with Host(https=True) as host:
        x = connected(host)
        sr = new_sr(host, x)
        streams = VmStreams(host, x)
        vm, full, empty = new_vm(host, x, streams, sr)
        uuid = x.VM.get_uuid(vm)
        for connect in None, host.tls:
            streams = VmStreams(host, x, connect)
            for packing in None, "true", "false", "gzip", "zstd":
                task = x.task.create("an export", "")
                status, body, reply = streams.get(uuid, use_compression=packing, task_id=task)
                assert status == 200 and reply.headers["task-id"] == task, (status, body[:200])
                assert reply.headers["Content-Disposition"] == 'attachment; filename="export.xva"'
                good(x.wait_task(task))
                archive = Archive(body)
                is_the_vm(x, archive, vm)
                by_label = {record["name_label"]: name for name, record in archive.of("VDI").items()}
                assert list(archive.chunks) == sorted(by_label.values()), "not in their order"
                assert archive.disk(by_label["full"]) == CONTENT and archive.disk(by_label["empty"]) == bytes(3 * MIB)
                # What is zeros is left out, but for the first and the last.
                assert sorted(archive.chunks[by_label["empty"]]) == [0, 2]
                there = {at // CHUNK for at in range(0, SIZE, 512) if any(CONTENT[at:at + 512])}
                assert set(archive.chunks[by_label["full"]]) == there | {0, (SIZE - 1) // CHUNK}
                assert (len(body) < len(b"".join(content for _, content in archive.members))) == \
                    (packing not in (None, "false"))
        assert streams.get(None, ref=vm)[0] == 200
        quiet(host, x)


def test_snapshots_and_templates():
    with Host() as host:
        x = connected(host)
        sr = new_sr(host, x)
        streams = VmStreams(host, x)
        vm, full, empty = new_vm(host, x, streams, sr)
        snapshot = x.VM.snapshot(vm, "then", [])
        write(host, x, full, "write -P 9 1m 1m")
        archive = Archive(streams.get(None, ref=snapshot)[1])
        (name, record), = archive.of("VM").items()
        assert record["is_a_snapshot"] and record["snapshot_of"] == NULL and record["name_label"] == "then"
        # The disk as it was.
        assert CONTENT in [archive.disk(disk) for disk in archive.of("VDI")]
        assert len(Archive(streams.get(None, ref=vm)[1]).of("VM")) == 1
        records = Archive(streams.get(None, "export_metadata", ref=vm)[1])
        assert not records.chunks and len(records.of("VM")) == 2
        names = {record["name_label"]: name for name, record in records.of("VM").items()}
        assert records.of("VM")[names["then"]]["snapshot_of"] == names["a VM"]
        assert len(Archive(streams.get(None, "export_metadata", ref=vm, export_snapshots="false")[1]).of("VM")) == 1
        template = x.VM.get_by_name_label("Other install media")[0]
        archive = Archive(streams.get(None, ref=template)[1])
        assert archive.names == ["ova.xml"] and [record["is_a_template"] for record in archive.of("VM").values()] == [True]
        quiet(host, x)


def test_refusals():
    with Host() as host:
        x = connected(host)
        sr = new_sr(host, x)
        streams = VmStreams(host, x)
        vm, full, empty = new_vm(host, x, streams, sr)
        uuid = x.VM.get_uuid(vm)
        for query, status in (({"use_compression": "lzma"}, 400), ({"preserve_power_state": "perhaps"}, 400),
                              ({"task_id": "OpaqueRef:unknown"}, 404)):
            assert streams.get(uuid, **query)[0] == status, query
        assert streams.get("nosuch")[0] == streams.get("nosuch", "export_metadata")[0] == 404
        assert streams.get(None)[0] == streams.get(None, "export_metadata")[0] == 400
        assert streams.get(uuid, "export_metadata", all="true")[0] == 501
        own = x.VM.get_all_records_where('field "is_control_domain" = "true"')
        for control in own:
            assert streams.get(None, ref=control)[0] == streams.get(None, "export_metadata", ref=control)[0] == 409
        x.VM.start(vm, False, False)
        assert "export" not in x.VM.get_allowed_operations(vm)
        task = x.task.create("an export", "")
        status, text, _ = streams.get(uuid, task_id=task)
        assert status == 409 and b"VM_BAD_POWER_STATE" in text, (status, text)
        bad(x.wait_task(task), "VM_BAD_POWER_STATE")
        x.VM.hard_shutdown(vm)
        streams.x = host.client()
        streams.x.session_ref = "OpaqueRef:unknown"
        assert streams.get(uuid)[0] == streams.get(uuid, "export_metadata")[0] == 401
        quiet(host, x)


def slow(host, streams, uuid, **query):
    """An export of which nobody takes more than the beginning; its socket."""
    connection = streams.connect()
    connection.connect()
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.sock.sendall(f"GET {streams.path('export', uuid, **query)} HTTP/1.0\r\n\r\n".encode())
    tap.wait_until(lambda: host.running("xapid-stream"), "its process")
    return connection.sock


def test_meanwhile():
    """While it is sent the VM and its disks are held; whoever is killed, or gives up, leaves nothing."""
    with Host() as host:
        x = connected(host)
        sr = new_sr(host, x)
        streams = VmStreams(host, x)
        vm, full, empty = new_vm(host, x, streams, sr)
        write(host, x, full, "write -P 5 0 24m")
        uuid = x.VM.get_uuid(vm)
        for end in ENDS:
            task = x.task.create("an export", "")
            sock = slow(host, streams, uuid, task_id=task)
            assert list(x.VM.get_current_operations(vm).values()) == ["export"]
            assert all(list(x.VDI.get_current_operations(vdi).values()) == ["copy"] for vdi in (full, empty))
            fails("OTHER_OPERATION_IN_PROGRESS", x.VM.start, vm, False, False)
            fails("OTHER_OPERATION_IN_PROGRESS", x.VDI.destroy, full)
            tap.wait_until(lambda: 0 < x.task.get_progress(task) < 1, "progress")
            break_off(host, streams, end, task, sock)
            x = streams.x
            tap.wait_until(lambda: not x.VM.get_current_operations(vm), "its end")
            quiet(host, x)
        assert len(Archive(streams.get(uuid)[1]).chunks) == 2


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])
