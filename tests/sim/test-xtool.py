#!/usr/bin/python3
"""xtool from outside, on a simulated host: what it prints, what it does, how it fails."""
import json
import os
import pty
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from host import Host, free_port
from xtool import XTOOL, Tool, sessions_left

CLASSES = json.loads((Path(__file__).parents[2] / "xtool/schema/classes.json").read_text())
NAME = "it's \"a\", b\\c\nd \x9b31me"  # quotes, comma, backslash, a line end, a terminal's escape


def test_the_life_of_a_vm():
    with Host() as host:
        t = Tool(host)
        uuid = t.create("web")
        assert re.fullmatch("[0-9a-f-]{36}", uuid), uuid
        for args, state in ((("vm-start", "vm=web"), "running"), (("vm-pause", "vm=web"), "paused"),
                            (("vm-unpause", f"uuid={uuid}"), "running"),
                            (("vm-reboot", "vm=web"), "running"),
                            (("vm-reboot", "vm=web", "--force"), "running"),
                            (("vm-shutdown", f"vm={uuid}"), "halted"),
                            (("vm-start", "vm=web", "paused=true"), "paused"),
                            (("vm-shutdown", "vm=web", "--force"), "halted"),
                            (("start", "web"), "running"), (("pause", "web"), "paused"),
                            (("unpause", "web"), "running"), (("reboot", "web"), "running"),
                            (("shutdown", "web"), "halted"), (("start", "web"), "running"),
                            (("destroy", "web"), "halted")):
            assert t(*args) == "", args
            assert t.state(uuid) == state, args
        name = t("host-list", "params=name-label", "--minimal").strip()
        t("vm-start", "vm=web", f"on={name}")
        assert t.state(uuid) == "running"
        assert "halted" in t.fails(1, "vm-start", "vm=web")
        t("vm-shutdown", "vm=web", "--force")
        t("vm-memory-limits-set", "vm=web", "static-min=0", "static-max=256MiB", "dynamic-min=64MiB",
          "dynamic-max=256MiB")
        assert t("vm-param-get", f"uuid={uuid}", "param-name=memory-static-max") == "268435456\n"
        t("vm-destroy", f"uuid={uuid}")
        assert "There is no VM" in t.fails(1, "vm-param-list", f"uuid={uuid}")
        uuid = t.create("web")
        t("vm-start", "vm=web")
        assert "--force" in t.fails(2, "vm-uninstall", "vm=web")
        assert t.state(uuid) == "running"
        t("vm-uninstall", "vm=web", "--force")
        assert t("vm-list", "name-label=web", "--minimal") == "\n"


def test_a_first_session():
    """As the README has it."""
    with Host() as host:
        t = Tool(host)
        uuid = t("vm-create", "name-label=first").strip()
        assert t("vm-param-get", f"uuid={uuid}", "param-name=memory-static-max").strip() == str(256 << 20)
        t("vm-param-set", f"uuid={uuid}", "PV-kernel=vmlinux", "domain-type=pvh")
        t("vm-start", "vm=first")
        t("suspend", "first")
        assert t("vm-list", "name-label=first", "params=power-state", "--minimal").strip() == "suspended"
        t("resume", "first")
        t("destroy", "first")
        assert t("vm-list", "name-label=first", "params=power-state", "--minimal").strip() == "halted"


def test_xls_words():
    with Host() as host:
        t = Tool(host)
        web, _ = t.create("web"), t.create("db")
        t("start", "web")

        def rows(*args):
            return [line.split() for line in t(*args).splitlines()]

        titles = ["Name", "ID", "Mem", "VCPUs", "State", "UUID"]
        table = rows("list")
        assert table[0] == titles and table[1][:4] == ["Control", "domain", "on", "host:"], table
        domid = t("vm-param-get", f"uuid={web}", "param-name=dom-id").strip()
        assert rows("list", "web") == rows("list", web) == [titles, ["web", domid, "128", "1", "r-----", web]]
        assert rows("list", "db")[1][:5] == ["db", "-", "0", "0", "halted"]
        assert "no vm 'nobody'" in t.fails(1, "list", "nobody")
        assert json.loads(t("list", "web", "--json"))[0]["uuid"] == web
        assert t("list", "web", "params=uuid") == f"uuid ( RO)    : {web}\n\n\n"
        assert rows("list", "power-state=halted")[1][0] == "db"

        def lines(*args):
            return dict((part.strip() for part in line.split(":", 1)) for line in t(*args).splitlines())

        x = host.client()
        record, = x.host.get_all_records().values()
        # The host's free memory is told a moment after the start.
        tap.wait_until(lambda: lines("info") == lines("info", record["name_label"]), "two looks alike")
        info = lines("info")
        assert info["host"] == record["hostname"] and info["nr_cpus"] == record["cpu_info"]["cpu_count"]
        memory = x.host_metrics.get_record(record["metrics"])
        assert info["total_memory"] == str(int(memory["memory_total"]) >> 20), info
        assert info["xen_caps"].split() == record["capabilities"]
        assert info["xen_version"] == record["software_version"]["xen"]
        assert lines("dominfo", "web")["Used_memory"] == "128" and lines("dominfo", "db")["Id"] == "-"

        up = t("uptime", "web").splitlines()
        assert up[0].split() == ["Name", "ID", "Uptime"], up
        assert re.fullmatch(f"web +{domid} +00:00:[0-5][0-9]", up[1]) and len(up) == 2, up
        assert [row[0] for row in rows("uptime")[1:]] == ["Control", "web"]
        assert "no vm 'db' that runs" in t.fails(1, "uptime", "db")

        for word, size in (("100", 100 << 20), ("98304k", 96 << 20), ("120MiB", 120 << 20), ("128m", 128 << 20)):
            t("mem-set", "web", word)
            assert t("vm-param-get", f"uuid={web}", "param-name=memory-dynamic-max").strip() == str(size), word
        assert "target is a whole number" in t.fails(2, "mem-set", "web", "much")
        assert "target= is missing" in t.fails(2, "mem-set", "web")
        t("destroy", "web")
        t("vm-param-set", f"uuid={web}", "VCPUs-max=2")
        t("start", "web")
        t("vcpu-set", "web", "2")
        assert rows("list", "web")[1][3] == "2"
        t("pause", "web")
        assert rows("list", "web")[1][4] == "--p---"
        assert t("help", "mem-set") == "mem-set NAME TARGET [KEY=VALUE]...: as vm-memory-target-set\n"
        t.fails(2, "vcpu-set", "web", "1", "2")


def test_every_class_lists_and_shows():
    with Host() as host:
        t = Tool(host)
        t.create("web")
        t("vm-start", "vm=web")
        t("secret-create", "value=x")
        shown = 0
        for name in CLASSES:
            blocks = t(f"{name}-list", "params=all")
            records = json.loads(t(f"{name}-list", "--json"))
            assert blocks.count("\n\n\n") == len(records), name
            for record in records[:3]:
                text = t(f"{name}-param-list", f"uuid={record['uuid']}")
                assert text.startswith("uuid ( RO)") and record["uuid"] in text, text
                assert text.endswith("\n\n\n")
                one = json.loads(t(f"{name}-param-list", f"uuid={record['uuid']}", "--json"))
                assert one["uuid"] == record["uuid"]
                got = t(f"{name}-param-get", f"uuid={record['uuid']}", "param-name=uuid")
                assert got == record["uuid"] + "\n"
                shown += 1
        assert shown > 10, shown


def test_output_in_xes_form():
    with Host() as host:
        t = Tool(host)
        uuid = t.create("web")
        block = (f"uuid ( RO)           : {uuid}\n     name-label ( RW): web\n"
                 "    power-state ( RO): halted\n\n\n")
        wanted = ("vm-list", "name-label=web")
        assert t(*wanted, "params=power-state,name-label,uuid") == block
        table = t(*wanted).splitlines()
        assert table == [f"{'uuid':36}  name-label  power-state", f"{uuid}  web         halted"], table
        xe = Tool(host)
        xe.name = host.dir / "xe"
        xe.name.symlink_to(XTOOL)
        assert xe(*wanted) == block
        assert xe(*wanted, "--minimal") == uuid + "\n"
        assert xe("vm-list", "power-state=nothing") == ""
        for args in (("vm-start", "vm=nobody"), ("nonsense",), ("list",)):
            xe.fails(1, *args)
        xe.before = ["-s", str(host.dir / "nowhere")]
        xe.fails(1, *wanted)


def test_params_round_trips():
    with Host() as host:
        t = Tool(host)
        uuid = t.create("web", "other-config:folder=/x", "tags=a,b")
        pool = t("pool-list", "--minimal").strip()

        def get(cls, of, name, *more):
            return t(f"{cls}-param-get", f"uuid={of}", f"param-name={name}", *more)[:-1]

        for cls, of in (("vm", uuid), ("pool", pool)):
            this = f"uuid={of}"
            t(f"{cls}-param-set", this, "name-description=what it is", "other-config:k=1",
              "other-config:l=a=b")
            assert get(cls, of, "name-description") == "what it is"
            assert get(cls, of, "other-config", "param-key=l") == "a=b"
            t(f"{cls}-param-set", this, "other-config:k=2")
            assert get(cls, of, "other-config", "param-key=k") == "2"
            t(f"{cls}-param-add", this, "param-name=other-config", "m=3", "n=4")
            assert get(cls, of, "other-config", "param-key=n") == "4"
            t(f"{cls}-param-remove", this, "param-name=other-config", "param-key=m")
            assert "no key" in t.fails(1, f"{cls}-param-get", this, "param-name=other-config",
                                       "param-key=m")
            assert "not in" in t.fails(1, f"{cls}-param-remove", this, "param-name=other-config",
                                       "param-key=m")
            t(f"{cls}-param-clear", this, "param-name=tags")
            t(f"{cls}-param-add", this, "param-name=tags", "param-key=one, two")
            assert get(cls, of, "tags") == "one, two"
            t(f"{cls}-param-remove", this, "param-name=tags", "param-key=one, two")
            assert get(cls, of, "tags") == ""
            t(f"{cls}-param-clear", this, "param-name=name-description")
            assert get(cls, of, "name-description") == ""
            t(f"{cls}-param-clear", this, "param-name=other-config")
            assert get(cls, of, "other-config") == ""
        host_uuid = t("host-list", "--minimal").strip()
        t("vm-param-set", f"uuid={uuid}", f"affinity={host_uuid}", "VCPUs-max=2",
          "actions-after-crash=Destroy", "is-a-template=false")
        assert get("vm", uuid, "affinity") == host_uuid
        assert get("vm", uuid, "actions-after-crash") == "Destroy"
        t("vm-param-clear", f"uuid={uuid}", "param-name=affinity")
        assert get("vm", uuid, "affinity") == "<not in database>"
        for args in (("vm-param-set", "uuid=" + uuid, "uuidx=1"),
                     ("vm-param-set", "uuid=" + uuid, "power-state=running"),
                     ("vm-param-set", "uuid=" + uuid, "other-config=1"),
                     ("vm-param-set", "uuid=" + uuid, "VCPUs-max=many"),
                     ("vm-param-clear", "uuid=" + uuid, "param-name=VCPUs-max"),
                     ("vm-param-add", "uuid=" + uuid, "param-name=VCPUs-max", "param-key=1"),
                     ("vm-param-add", "uuid=" + uuid, "param-name=tags"),
                     ("vm-param-get", "uuid=" + uuid),
                     ("vm-param-get", "uuid=" + uuid, "param-name=uuid", "more=1"),
                     ("vm-param-list",)):
            t.fails(2, *args)
        assert "RO" not in get("vm", uuid, "VCPUs-max") and get("vm", uuid, "VCPUs-max") == "2"


def test_selectors_and_filters():
    with Host() as host:
        t = Tool(host)
        a = t.create(NAME, "other-config:folder=/x", "tags=red,green")
        b = t.create("b", "other-config:folder=/y", "tags=green")
        x = host.client()

        def found(*filters):
            line = t("vm-list", "is-control-domain=false", *filters, "--minimal").strip()
            return set(line.split(",")) - {""}

        assert found() == {a, b}
        assert found(f"name-label={NAME}") == {a}
        assert found("other-config:folder=/y") == found("other-config-folder=/y") == {b}
        assert found("tags:contains=green") == {a, b} and found("tags:contains=red") == {a}
        assert found("power-state=Halted") == found("power-state=halted") == {a, b}
        assert found("tags:contains=green", "other-config:folder=/x") == {a}
        assert found("other-config:folder=/z") == set()
        assert found(f"uuid={b}") == {b}
        assert "Unknown field" in t.fails(2, "vm-list", "colour=red")
        assert "Unknown field" in t.fails(2, "vm-list", "params=colour")
        t.fails(2, "vm-list", "name-label:x=y")
        minimal = t("vm-list", f"uuid={a}", "params=name-label", "--minimal")
        assert minimal == NAME.replace("\\", "\\\\").replace(",", "\\,") + "\n", minimal

        t("vm-start", f"vm={NAME}")
        assert t.state(a) == "running" and t.state(b) == "halted"
        said = t.fails(1, "vm-start", f"vm={NAME}")
        assert "\x9b" not in said and "\\x9b" in said and said.count("\n") == 2, said
        t("vm-shutdown", f"vm={NAME}", "--force")
        said = t.fails(2, "vm-start", "tags:contains=green")
        assert "--multiple" in said and a in said and b in said and "\x9b" not in said, said
        t("vm-start", "tags:contains=green", "--multiple")
        assert t.state(a) == t.state(b) == "running"
        t("vm-pause", "vm=b")
        said = t.fails(1, "vm-pause", "tags:contains=green", "--multiple")
        assert "'b' is paused" in said, said
        assert t.state(a) == "paused", "one failure kept the other from being done"
        assert "No object" in t.fails(2, "vm-start", "vm=nobody")
        assert t("vm-list", f"uuid={a}").splitlines()[1].count("\\n") == 1
        c = t.create("b")
        assert "are called" in t.fails(2, "vm-destroy", "uuid=b")
        assert x.VM.get_by_uuid(c)


def test_nothing_reaches_a_terminal_raw():
    with Host() as host:
        t = Tool(host)
        uuid = t.create(NAME)
        for args in (("vm-list",), ("vm-param-list", f"uuid={uuid}"), ("vm-list", "params=all"),
                     ("vm-list", "params=name-label", "--minimal"),
                     ("vm-param-get", f"uuid={uuid}", "param-name=name-label")):
            master, slave = pty.openpty()
            # Of progress test-xtool-progress.py has more.
            tool = subprocess.Popen([XTOOL, *t.before, *args], stdout=slave, stderr=subprocess.DEVNULL,
                                    stdin=subprocess.DEVNULL,
                                    env={**t.environment, "NO_COLOR": "1"})
            os.close(slave)
            seen = b""
            try:
                while chunk := os.read(master, 65536):
                    seen += chunk
            except OSError:
                pass  # the other end is closed
            os.close(master)
            assert tool.wait(30) == 0
            text = seen.decode()
            assert "\\x9b31me" in text, text
            assert not [c for c in text if not c.isprintable() and c not in "\r\n"], text


def test_wrong_usage():
    with Host() as host:
        t = Tool(host)
        for args, text in ((("vm-strat", "vm=x"), "vm-start"),
                           (("vm-start", "vm=x", "force=maybe"), "true or false"),
                           (("vm-memory-set", "vm=x"), "usage: xtool vm-memory-set"),
                           (("vm-list", "bare"), "bare"), (("vm-list", "-x"), "-x"),
                           (("vm-destroy", "uuid=x", "other=1"), "There is no VM"),
                           (("vm-reset-powerstate", "vm=x"), "--force"),
                           (("start", "a", "b"), "'b'"), (("help", "vm-strat"), "vm-start")):
            status = 1 if text == "There is no VM" else 2
            said = t.fails(status, *args)
            assert said.startswith("error: ") and text in said, said
        uuid = t.create("web")
        assert "Unknown argument 'other'" in t.fails(2, "vm-destroy", f"uuid={uuid}", "other=1")
        assert t.state(uuid) == "halted"
        assert "VM.checkpoint" in t.fails(1, "vm-checkpoint", "vm=web", "new-name-label=x")
        assert "does not have yet" in t.fails(1, "vm-migrate", "vm=web", "host=x")
        assert "no field" in t.fails(2, "vm-create", "name-label=x", "colour=red")
        help_text = t("help")
        assert "vm-start" in help_text and "Exit codes" in help_text and t("--help") == help_text
        assert "vm-memory-set" in t("help", "--all") and "vm-memory-set" not in help_text
        assert t("vm-start", "--help") == t("help", "vm-start")
        assert "[paused=VALUE]" in t("help", "vm-start")
        assert "(MRW) other-config" in t("help", "vm-list")
        assert t("--version").startswith("xtool ")


def test_a_password_in_argv_is_not_seen_for_long():
    """While a command waits, its argv shows no password."""
    with Host() as host:
        t = Tool(host)
        t.create("web")
        tool = subprocess.Popen([XTOOL, *t.before, "-pw", "hunter2", "event-wait", "class=vm",
                                 "name-label=web", "power-state=running"], env=t.environment)
        cmdline = Path(f"/proc/{tool.pid}/cmdline")
        tap.wait_until(lambda: b"event-wait" in cmdline.read_bytes() and
                       b"hunter2" not in cmdline.read_bytes(), "scrubbed argv")
        t("vm-start", "vm=web")
        assert tool.wait(30) == 0


def test_sessions_are_logged_out():
    with Host() as host:
        host.client()  # stays
        t = Tool(host)
        t("host-list")
        t.fails(1, "vm-param-list", "uuid=none")
        t.fails(2, "vm-list", "colour=red")
        left = sessions_left(host)
        assert left == 1, left


def test_servers_that_are_none():
    with Host() as host:
        nobody = Tool(host, str(host.dir / "nowhere"))
        assert "systemctl status xapid" in nobody.fails(3, "vm-list")
        refused = Tool(host, "127.0.0.1", "-p", str(free_port()), "-pw", "x")
        said = refused.fails(3, "vm-list")
        assert "systemctl status xapid" in said and "127.0.0.1" in said, said
        refused.fails(3, "vm-list", "--nossl")
        assert "port" in Tool(host, "127.0.0.1", "-p", "many", "-pw", "x").fails(2, "vm-list")
        for reply in (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
                      b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
                      b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello", b"SSH-2.0\r\n"):
            with socket.create_server(("127.0.0.1", 0)) as server:
                def serve():
                    connection, _ = server.accept()
                    with connection:
                        connection.recv(65536)
                        connection.sendall(reply)
                thread = threading.Thread(target=serve)
                thread.start()
                t = Tool(host, "127.0.0.1", "-p", str(server.getsockname()[1]), "-pw", "x",
                         "--nossl")
                done = subprocess.run([XTOOL, *t.before, "vm-list"], env=t.environment,
                                      capture_output=True, text=True, timeout=60)
                thread.join(30)
                assert done.returncode in (1, 3) and done.stderr.startswith("error: "), done
                assert not done.stdout


def test_other_commands():
    with Host() as host:
        t = Tool(host)
        name = t("host-list", "params=name-label", "--minimal").strip()
        t("host-disable", f"host={name}")
        assert t("host-list", "params=enabled", "--minimal") == "false\n"
        t.create("web")
        said = t.fails(1, "vm-start", "vm=web")
        assert "disabled" in said and "hint: host-enable" in said, said
        t("host-enable", f"host={name}")
        assert t("pool-sync-database") == ""
        secret = t("secret-create", "value=hush").strip()
        assert t("secret-param-get", f"uuid={secret}", "param-name=value") == "hush\n"
        t("secret-destroy", f"uuid={secret}")
        assert t("secret-list", "--minimal") == "\n"

        t("vm-start", "vm=web")
        host.guest(f"refuse-shutdown {t('vm-list', 'name-label=web', '--minimal').strip()}")
        waiting = subprocess.Popen([XTOOL, *t.before, "vm-shutdown", "vm=web"], env=t.environment,
                                   stderr=subprocess.PIPE, text=True)
        running = tap.wait_until(lambda: t("task-list", "name-label=VM.clean_shutdown",
                                           "status=pending", "--minimal").strip(), "task")
        t("task-cancel", f"uuid={running}")
        assert "cancelled" in waiting.communicate(timeout=30)[1] and waiting.returncode == 1
        assert t("vm-list", "name-label=web", "params=power-state", "--minimal") == "running\n"


def test_api_coverage():
    for words, last in (([], r"total: \d+/678 proven, \d+ registered"),
                        (["--client", "xencenter"], r"total: \d+/305 served, .*"),
                        (["--client=xo"], r"total: \d+/185 served, .*")):
        done = subprocess.run([XTOOL, "api-coverage", *words], capture_output=True, text=True, check=True)
        assert re.fullmatch(last, done.stdout.splitlines()[-1]), done.stdout.splitlines()[-1]
    for words in (["xo"], ["--client", "nobody"], ["--colour"]):
        assert subprocess.run([XTOOL, "api-coverage", *words], capture_output=True).returncode == 2


def test_event_wait():
    with Host() as host:
        t = Tool(host)
        t.create("web")
        command = [XTOOL, *t.before, "event-wait", "class=vm", "name-label=web"]
        already = subprocess.run([*command, "power-state=halted"], env=t.environment, timeout=60)
        assert already.returncode == 0
        for condition, act in (("power-state=running", ("vm-start", "vm=web")),
                               ("power-state=/=running", ("vm-pause", "vm=web"))):
            waiting = subprocess.Popen([*command, condition], env=t.environment)
            time.sleep(0.3)
            assert waiting.poll() is None, "it does not wait"
            t(*act)
            assert waiting.wait(30) == 0
        assert "Unknown class" in t.fails(2, "event-wait", "class=nothing")
        assert "Unknown field" in t.fails(2, "event-wait", "class=vm", "colour=red")


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])
