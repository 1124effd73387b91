#!/usr/bin/python3
"""The daemon against abusive clients, over TCP and TLS: http-abuse, which also tries the door alone, and
bodies that are made to hurt whoever reads them.  Honest clients do not notice."""
import http.client
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "unit")]
import tap
from host import Client, Host, free_port, sanitized

TIMES = "header_read_seconds=1\nheader_total_seconds=2\nbody_read_seconds=1\n"


def test_abused():
    port = free_port()
    with Host(options=f"http_port={port}", limits=TIMES, https=True) as host:
        done = subprocess.run(
            [HERE / "http-abuse", "--seconds", "1",
             "--pid", "0" if sanitized(host.child("xapid")) else str(host.child("xapid")), "--tls-port", str(host.https_port), "127.0.0.1", str(port)],
            capture_output=True, text=True, timeout=200)
        passed = done.stdout.count("\nok")
        print(f"# {passed} kinds of abuse")
        assert done.returncode == 0 and passed > 10, done.stdout + done.stderr
        assert host.client().pool.get_all(), "nobody is served any more"


class Honest(threading.Thread):
    """Calls all the time and notes how long the slowest call took."""

    def __init__(self, host):
        super().__init__()
        self.x, self.over, self.slowest, self.calls = host.client(), threading.Event(), 0, 0

    def run(self):
        while not self.over.is_set():
            began = time.monotonic()
            assert self.x.pool.get_all()
            self.slowest, self.calls = max(self.slowest, time.monotonic() - began), self.calls + 1
            time.sleep(0.005)


LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
HOSTILE = {
    "entities": ("/", f'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY l0 "lol">{LAUGHS}]><methodCall>'
                      "<methodName>&l9;</methodName></methodCall>"),
    "a file by an entity": ("/", '<?xml version="1.0"?><!DOCTYPE l [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
                            "<methodCall><methodName>&f;</methodName></methodCall>"),
    "nested arrays of XML": ("/", "<methodCall><methodName>a.b</methodName><params><param>" +
                             "<value><array><data>" * 100000),
    "unclosed": ("/", "<methodCall>" + "<a>" * 1000000),
    "nested JSON": ("/jsonrpc", "[" * 2000000),
    "nested objects": ("/jsonrpc", '{"method":' * 200000),
    "a long number": ("/jsonrpc", '{"method":"a","params":[' + "9" * 1000000 + "]}"),
    "many values": ("/jsonrpc", '{"jsonrpc":"2.0","id":1,"method":"a.b","params":[' + "1," * 2000000 + "1]}"),
    "bad text": ("/jsonrpc", b'{"jsonrpc":"2.0","id":1,"method":"\xff\xfe\x00"}'),
}


def test_hostile_bodies():
    port = free_port()
    with Host(options=f"http_port={port}") as host:
        honest = Honest(host)
        honest.start()
        pid = host.child("xapid")
        try:
            for name, (path, body) in HOSTILE.items():
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                connection.request("POST", path, body, {"Content-Type": "text/xml"})
                reply = connection.getresponse()
                text = reply.read()
                assert reply.status in (200, 400, 413) and len(text) < 2000, (name, reply.status, text[:200])
                assert b"root:" not in text and b"lollol" not in text, (name, text)
                assert reply.status != 200 or any(word in text for word in (b"fault", b"Failure", b"error")), (name, text)
        finally:
            honest.over.set()
            honest.join()
        assert host.child("xapid") == pid, "the daemon died"
        assert honest.calls > 20, honest.calls
        print(f"# {honest.calls} calls beside {len(HOSTILE)} hostile bodies, the slowest {honest.slowest:.2f} s")
        assert Client(host).login().pool.get_all()


tap.run(test_abused, test_hostile_bodies)
