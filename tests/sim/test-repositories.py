#!/usr/bin/python3
"""Repositories that say nothing."""
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from disks import MIB, connected, new_sr, new_vdi
from host import Host


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
