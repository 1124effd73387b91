#!/usr/bin/python3
"""What drivers say of places, and repositories that say nothing."""
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from covers import covers
from disks import MIB, NULL, connected, new_sr, new_vdi
from host import Host, fails


@covers("SR.probe_ext")
def test_places_and_what_is_there():
    with Host() as host:
        x = connected(host)
        me, location = x.host.get_all()[0], host.folder("sr")

        def found(**config):
            return x.SR.probe_ext(me, {"location": location, **config}, "file", {})

        empty = {"configuration": {"location": location}, "complete": True, "extra_info": {}}
        assert found() == [empty], found()
        sr = new_sr(host, x, location=location)
        one, = found(password="hunter2")
        stat = one["sr"]
        assert (one["configuration"], one["complete"], one["extra_info"]) == ({"location": location}, True, {"location": location}), one
        assert stat["uuid"] == x.SR.get_uuid(sr) and int(stat["total_space"]) == int(x.SR.get_physical_size(sr)), stat
        assert 0 < int(stat["free_space"]) <= int(stat["total_space"]) and stat["health"] == "healthy" and not stat["clustered"], stat
        task = x.Async.SR.probe_ext(me, {"location": location}, "file")
        assert stat["uuid"] in x.wait_task(task)["result"]
        fails("HANDLE_INVALID", x.SR.probe_ext, NULL, {}, "file", {})
        fails("SR_UNKNOWN_DRIVER", x.SR.probe_ext, me, {}, "floppies", {})
        fails("SR_OPERATION_NOT_SUPPORTED", x.SR.probe_ext, me, {"location": location}, "iso", {})
        fails("SR_BACKEND_FAILURE_94", x.SR.probe_ext, me, {}, "file", {})
        fails("SR_BACKEND_FAILURE_47", x.SR.probe_ext, me, {"location": "/nowhere"}, "file", {})


# Makes no disk before there is a file "go".
SLOW_DRIVER = """#!/usr/bin/python3
import json, pathlib, sys, time
call = json.load(sys.stdin)
args, answer = call.get("args", {}), {}
if call["call"] == "query":
    answer = {"name_label": "t", "name_description": "", "vendor": "t", "copyright": "", "version": "1", "required_api_version": "1",
              "capabilities": ["SR_CREATE", "SR_SCAN", "VDI_CREATE", "VDI_ATTACH"], "configuration": {}}
elif call["call"] == "vdi.create":
    folder = pathlib.Path(args["device_config"]["location"])
    (folder / args["vdi"]).touch()
    while not (folder / "go").exists():
        time.sleep(0.1)
    answer = {"uuid": args["vdi"], "location": args["vdi"], "virtual_size": args["virtual_size"], "physical_utilisation": 0}
elif call["call"] in ("sr.scan", "sr.stat"):
    answer = {"volumes": [], "physical_size": 1 << 30, "physical_utilisation": 0}
print(json.dumps({"result": answer}))
"""


def test_a_repository_that_does_not_answer():
    """More calls of it than drivers run at once: another one's do not wait for them."""
    with Host() as host:
        x = connected(host)
        driver, folder = host.bindir / "storage" / "slow", Path(host.folder("slow"))
        driver.write_text(SLOW_DRIVER)
        driver.chmod(0o755)
        host.kill("xapid-host")
        tap.wait_until(lambda: "slow" in x.SR.get_supported_types(), "the driver")
        slow = x.SR.create(x.host.get_all()[0], {"location": str(folder)}, "0", "slow", "", "slow", "user", False, {})
        other = new_sr(host, x)
        tasks = [x.Async.VDI.create({"name_label": "", "name_description": "", "SR": slow, "virtual_size": str(MIB), "type": "user",
                                     "sharable": False, "read_only": False, "other_config": {}}) for _ in range(40)]
        tap.wait_until(lambda: len(list(folder.iterdir())) == 8, "those that may run")
        x.VDI.destroy(new_vdi(x, other))
        assert len(list(folder.iterdir())) == 8
        assert {x.task.get_status(task) for task in tasks} == {"pending"}
        (folder / "go").touch()
        for task in tasks:
            assert x.wait_task(task)["status"] == "success"


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])
