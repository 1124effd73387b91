#!/usr/bin/python3
"""Contents of disks between files and the server, by xtool vdi-import and vdi-export."""
import re
import subprocess
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from disks import MIB, connected, new_sr, new_vdi
from host import Host
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
