"""What the driver nfs does with a server's exports."""
from pathlib import Path

from driver import Driver, attach, attached, qemu_io, refuses
from places import said


def exports(driver):
    """Of each version; what is no name of a server or an export is refused; what is there already is found."""
    server, path = driver.config["server"], driver.config["serverpath"]
    for config in ({"server": "-o"}, {"server": "a b"}, {"server": "a;reboot"}, {"server": "a,b"}, {"server": "x" * 2000},
                   {"serverpath": "relative"}, {"serverpath": "/a/../b"}, {"serverpath": "/a\nb"}, {"serverpath": "/$(reboot)"}):
        refuses("SR_BACKEND_FAILURE_91", Driver(driver.program, {**driver.config, **config}).call, "sr.create", size=0)
    refuses("SR_BACKEND_FAILURE_72", Driver(driver.program, {**driver.config, "nfsversion": "3,exec"}).call, "sr.create", size=0)
    refuses("SR_BACKEND_FAILURE_73", Driver(driver.program, {**driver.config, "serverpath": "/nothing"}).call, "sr.create", size=0)
    made = []
    for version in ("3", "4", "4.1"):
        one = Driver(driver.program, {**driver.config, "nfsversion": version}, driver.place)
        attached(one)
        line, = [line for line in Path("/proc/mounts").read_text().splitlines() if f"/run/xapid/sr/{one.sr} " in line]
        assert f"vers={version}" in line and ",soft," in line and "nosuid,nodev,noexec" in line, line
        vdi = one.create()["uuid"]
        qemu_io(attach(one, vdi), "write -P 5 0 1m")
        one.call("sr.detach")
        one.call("sr.attach")
        qemu_io(attach(one, vdi), "read -P 5 0 1m")
        made.append((one, vdi))
    found = driver.call("sr.probe")["repositories"]
    assert sorted(sr["uuid"] for sr in found) == sorted(one.sr for one, _ in made), found
    assert {sr["location"] for sr in found} == {f"{server}:{path}"}, found
    for one, vdi in made:
        refuses("SR_NOT_EMPTY", one.call, "sr.destroy")
        one.call("vdi.destroy", vdi=vdi)
        for call in ("sr.detach", "sr.destroy"):
            one.call(call)
    driver.place.check_empty()


def servers_that_are_gone(driver):
    """Each call ends with an error that names what does not answer, or the driver can be killed; it goes on when the server
    is there again."""
    attached(driver)
    vdi = driver.create()["uuid"]
    said("rpc.nfsd", "0")
    try:
        for call in ("sr.scan", "sr.stat", "sr.create", "sr.probe"):
            refuses(None, driver.call, call, size=0)
    finally:
        said("rpc.nfsd", "2")
    assert set(driver.volumes()) == {vdi}
    qemu_io(attach(driver, vdi), "write -P 5 0 1m", "read -P 5 0 1m")
