#!/usr/bin/python3
"""Contents of disks between files and the server, by xtool vdi-import and vdi-export."""
import re
import subprocess
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from archives import Archive
from disks import MIB, connected, held, new_sr, new_vbd, new_vdi
from host import GUEST, Host
from xtool import Tool

CONTENT = bytes(range(256)) * 4096 + bytes(3 * MIB)


def test_files():
    with Host() as host:
        x, t = connected(host), Tool(host)
        vdi = x.VDI.get_uuid(new_vdi(x, new_sr(host, x), len(CONTENT)))
        before = set(x.task.get_all())
        image, out = Path(host.dir / "image"), Path(host.dir / "out")
        image.write_bytes(CONTENT)
        assert t("vdi-import", f"uuid={vdi}", f"filename={image}") == ""
        assert t("vdi-export", f"uuid={vdi}", f"filename={out}") == ""
        assert out.read_bytes() == CONTENT and set(x.task.get_all()) == before
        done = subprocess.run([t.name, *t.before, "vdi-export", f"uuid={vdi}", "filename=-"], env=t.environment,
                              capture_output=True, check=True)
        assert done.stdout == CONTENT
        # In another format, and by a name.
        x.VDI.set_name_label(x.VDI.get_by_uuid(vdi), "a name")
        t("vdi-export", "uuid=a name", f"filename={out}.vhd", "format=vhd")
        image.write_bytes(b"7" * len(CONTENT))
        t("vdi-import", "uuid=a name", f"filename={image}")
        t("vdi-import", "uuid=a name", f"filename={out}.vhd", "format=vhd")
        out.unlink()
        t("vdi-export", "uuid=a name", f"filename={out}")
        assert out.read_bytes() == CONTENT
        # What has changed, as one would back it up and restore it.
        snapshot = x.VDI.get_uuid(x.VDI.snapshot(x.VDI.get_by_uuid(vdi)))
        image.write_bytes(b"8" * MIB + CONTENT[MIB:])
        t("vdi-import", f"uuid={vdi}", f"filename={image}")
        t("vdi-export", f"uuid={vdi}", f"filename={out}.difference", "format=vhd", f"base={snapshot}")
        t("vdi-import", f"uuid={snapshot}", f"filename={out}.difference", "format=vhd")
        t("vdi-export", f"uuid={snapshot}", f"filename={out}.qcow2", "format=qcow2")
        t("vdi-import", f"uuid={vdi}", f"filename={out}.qcow2", "format=qcow2")
        out.unlink()
        t("vdi-export", f"uuid={vdi}", f"filename={out}")
        assert out.read_bytes() == image.read_bytes()


def test_vm():
    with Host() as host:
        x, t = connected(host), Tool(host)
        vm = x.VM.create({**GUEST, "name_label": "web"})
        vdi, out = new_vdi(x, new_sr(host, x), len(CONTENT)), Path(host.dir / "out")
        new_vbd(x, vm, vdi)
        before = set(x.task.get_all())
        image = Path(host.dir / "image")
        image.write_bytes(CONTENT)
        t("vdi-import", f"uuid={x.VDI.get_uuid(vdi)}", f"filename={image}")
        for name, *options in ("plain",), ("zstd", "compress=zstd"), ("gzip", "compress=true"):
            assert t("vm-export", "vm=web", f"filename={out}.{name}", *options) == ""
            archive = Archive(Path(f"{out}.{name}").read_bytes())
            assert [archive.disk(disk) for disk in archive.of("VDI")] == [CONTENT]
            uuid = t("vm-import", f"filename={out}.{name}", f"sr-uuid={x.SR.get_uuid(x.VDI.get_SR(vdi))}").strip()
            made, = set(x.VM.get_by_name_label("web")) - {vm}
            assert uuid == x.VM.get_uuid(made)
            drive, = x.VM.get_VBDs(made)
            assert held(host, x, x.VBD.get_VDI(drive)) == CONTENT
            x.VDI.destroy(x.VBD.get_VDI(drive))
            x.VM.destroy(made)
        t("vm-export", "vm=web", f"filename={out}.records", "metadata=true")
        assert Archive(Path(f"{out}.records").read_bytes()).names == ["ova.xml"]
        assert "here already" in t.fails(1, "vm-import", f"filename={out}.plain", "preserve=true",
                                         f"sr-uuid={x.SR.get_uuid(x.VDI.get_SR(vdi))}")
        assert "filename" in t.fails(1, "vm-import")
        assert t.fails(1, "vm-import", f"filename={image}", f"sr-uuid={x.SR.get_uuid(x.VDI.get_SR(vdi))}")
        assert "use_compression" in t.fails(1, "vm-export", "vm=web", f"filename={out}", "compress=lzma")
        assert "metadata=true" in t.fails(1, "vm-export", "vm=web", f"filename={out}", "include-snapshots=true")
        assert "File exists" in t.fails(1, "vm-export", "vm=web", f"filename={out}.plain")
        x.VM.start(vm, False, False)
        assert t.fails(1, "vm-export", "vm=web", f"filename={out}")
        assert not out.exists() and set(x.task.get_all()) == before


def test_failures():
    with Host() as host:
        x, t = connected(host), Tool(host)
        vdi = new_vdi(x, new_sr(host, x), len(CONTENT))
        uuid, image, out = x.VDI.get_uuid(vdi), Path(host.dir / "image"), Path(host.dir / "out")
        before = set(x.task.get_all())
        image.write_bytes(CONTENT + b"1")
        said = t.fails(1, "vdi-import", f"uuid={uuid}", f"filename={image}")
        assert str(len(CONTENT) + 1) in said, said
        assert "VHD" in t.fails(1, "vdi-import", f"uuid={uuid}", f"filename={image}", "format=vhd")
        assert "format" in t.fails(1, "vdi-import", f"uuid={uuid}", f"filename={image}", "format=vmdk")
        assert "No such file" in t.fails(1, "vdi-import", f"uuid={uuid}", f"filename={image}.gone")
        assert t.fails(1, "vdi-export", f"uuid={uuid}", f"filename={out}", f"base={uuid}")
        assert not out.exists() and not Path(f"{out}.partial").exists()
        out.write_bytes(b"mine")
        assert "File exists" in t.fails(1, "vdi-export", f"uuid={uuid}", f"filename={out}")
        assert out.read_bytes() == b"mine"
        t.fails(2, "vdi-export", f"uuid={uuid}")
        assert {x.task.get_name_label(task) for task in set(x.task.get_all()) - before} <= set(), "a task is left"


def test_progress():
    """Who asks for it sees how much there is, and how fast it goes, when it takes longer than a second."""
    with Host(environment={"XAPID_FAULT": "host.transfer.before=delay:3000@1"}) as host:
        x, t = connected(host), Tool(host)
        vdi = x.VDI.get_uuid(new_vdi(x, new_sr(host, x), len(CONTENT)))
        image = Path(host.dir / "image")
        image.write_bytes(CONTENT)
        line = t.run("vdi-import", f"uuid={vdi}", f"filename={image}", "progress=true", quiet=False).stderr
        assert re.search(r"[0-9.]+ [KM]iB of 4\.0 MiB, [0-9.]+ [KM]?i?B/s  \[[#.]+\] +\d+%  \d+ s", line), line


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])
