"""What the drivers nfs and iso do with what servers have."""
import threading
import time
import uuid
from pathlib import Path

from driver import Driver, Refused, attach, attached, qemu_io, refuses
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
        assert f"vers={version}" in line and ",softerr," in line and "nosuid,nodev,noexec" in line and "nosymfollow" in line, line
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


def assert_broken_off(driver, name, fault):
    try:
        driver.call(name, fault)
    except (ProcessLookupError, Refused):
        return
    raise AssertionError(f"{fault} was not reached")


def servers_that_are_silent(driver):
    """A server that takes calls and answers none: each call of ours ends with an error, all in the time of one; who has a file
    open does not keep the repository from being detached.  The next ones go well when the server is there again."""
    attached(driver)
    vdi = driver.create()["uuid"]
    other = str(uuid.uuid4())
    calls = (("sr.scan", {}), ("sr.stat", {}), ("sr.create", {"size": 0}), ("sr.probe", {}), ("vdi.destroy", {"vdi": other}),
             ("vdi.attach", {"vdi": vdi, "handle": other, "read_only": True, "sharable": False}))
    refused = []

    def one(name, fields):
        try:
            driver.call(name, **fields)
        except Refused as error:
            refused.append((name, time.monotonic() - begun, *error.args))

    with open(attach(driver, vdi)["path"], "rb"):
        driver.place.freeze(True)
        try:
            begun = time.monotonic()
            threads = [threading.Thread(target=one, args=call) for call in calls]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            print("#", *(f"{name} {seconds:.0f} s: {code}" for name, seconds, code, *_ in refused), sep=" ")
            assert len(refused) == len(calls), refused
            for fault in ("mount.leave.before=error", "mount.leave.before=kill", "mount.leave.after=kill"):
                assert_broken_off(driver, "sr.detach", fault)
            driver.call("sr.detach")
            assert not driver.place.mounts()
            refuses(None, driver.call, "sr.attach")
        finally:
            driver.place.freeze(False)
    driver.call("sr.attach")
    assert set(driver.volumes()) == {vdi}
    qemu_io(attach(driver, vdi), "write -P 5 0 1m", "read -P 5 0 1m")


def images(driver):
    """The *.iso files of a folder that a server has, in all the ways that one may say where it is."""
    place = driver.place
    within = place.path / "cds" / "more"
    within.mkdir(parents=True)
    (place.path / "one.iso").write_bytes(b"1" * 2048)
    (within / "Two.ISO").write_bytes(b"2" * 4096)
    (within / "away.iso").symlink_to("/etc/passwd")
    (place.path / "out").symlink_to("/etc")
    for config in place.configs:
        for iso_path, name, content in (("", "one.iso", b"1"), ("cds/more", "Two.ISO", b"2"), ("/cds/more/", "Two.ISO", b"2")):
            one = Driver(driver.program, {**config, **({"iso_path": iso_path} if iso_path else {})}, place)
            attached(one)
            volume, = one.volumes().values()
            assert (volume["location"], volume["read_only"], volume["virtual_size"]) == (name, True, len(content) * 2048 * int(content))
            where = attach(one, volume["uuid"])
            assert where["format"] == "raw" and Path(where["path"]).read_bytes()[:1] == content, where
            line, = [line for line in Path("/proc/mounts").read_text().splitlines() if f"/run/xapid/sr/{one.sr} " in line]
            assert " ro," in line and "nosymfollow" in line, line
            for _ in range(2):
                one.call("sr.detach")
            one.call("sr.destroy")
        for iso_path in ("nothing", "..", "out", "cds/../../.."):
            refuses("SR_BACKEND_FAILURE_47", Driver(driver.program, {**config, "iso_path": iso_path}).call, "sr.create", size=0)
        refuses("SR_BACKEND_FAILURE_91", Driver(driver.program, {**config, "type": "nfs4,exec"}).call, "sr.create", size=0)
        for options in ("suid", "-o ro,exec", "uid=1", "port=1;2", "port=", "vers=1.0", "$(reboot)"):
            refuses("SR_BACKEND_FAILURE_228", Driver(driver.program, {**config, "options": options}).call, "sr.create", size=0)
    refuses("SR_BACKEND_FAILURE_91", Driver(driver.program, {"location": "/a", "type": "nfs_iso"}).call, "sr.create", size=0)
    refuses("SR_BACKEND_FAILURE_91", Driver(driver.program, {"location": "/a", "type": "cifs"}).call, "sr.create", size=0)
    assert not place.mounts()
