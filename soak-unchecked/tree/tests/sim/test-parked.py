#!/usr/bin/python3
"""5,000 calls of event.from wait, over TCP and the unix socket, and their clients vanish: descriptors,
threads and memory of xapid are back where they were, and an honest client is served all the while.

covers: event.from"""
import os
import random
import resource
import selectors
import socket
import struct
import sys
import time
import xmlrpc.client
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from host import Host, free_port, sanitized
from waiting import events

CALLS = 5000
ROUNDS = 3
SLACK_KIB = 4096  # less than 1 KiB a call


class Abuse:
    def __init__(self, host, port):
        self.host, self.port = host, port
        self.x = host.client()
        self.pid = host.child("xapid")
        self.sockets = []

    def figure(self, name):
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith(name + ":")).split()[1])

    def memory(self, enough):
        """What it has once it gave back what it can, which it does a moment later."""
        end = time.monotonic() + (0 if sanitized(self.pid) else 5)
        while (now := self.figure("VmRSS")) > enough and time.monotonic() < end:
            time.sleep(0.05)
        return now

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def quiet(self):
        """The number of descriptors when nothing is under way: the same for a second."""
        count, since = self.descriptors(), time.monotonic()
        while time.monotonic() < since + 1:
            time.sleep(0.05)
            if self.descriptors() != count:
                count, since = self.descriptors(), time.monotonic()
        return count

    def connect(self, number):
        if number % 2:
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(self.host.socket)
        else:
            sock = socket.create_connection(("127.0.0.1", self.port))
        return sock

    def park(self, n):
        """n calls that wait for a task; all have arrived when this returns."""
        before = self.quiet()
        token = events(self.x, [], "", 0.0)["token"]
        body = xmlrpc.client.dumps((self.x.session_ref, ["task"], token, 3600.0), "event.from").encode()
        request = (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n"
                   b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        for number in range(n):
            sock = self.connect(number)
            sock.sendall(request)
            self.sockets.append(sock)
            if number % 500 == 0:
                assert self.x.VM.get_all()  # an honest client, meanwhile
        self.wait_for(before + n)

    def wait_for(self, descriptors):
        end = time.monotonic() + 120
        while self.descriptors() != descriptors:
            assert time.monotonic() < end, f"{self.descriptors()} descriptors, not {descriptors}"
            assert self.x.VM.get_all()
            time.sleep(0.05)

    def answered(self, seconds):
        """How many of the calls have an answer after a while; each must be a success."""
        answers = 0
        with selectors.DefaultSelector() as selector:
            for sock in self.sockets:
                selector.register(sock, selectors.EVENT_READ)
            end = time.monotonic() + seconds
            while selector.get_map() and time.monotonic() < end:
                for key, _ in selector.select(0.1):
                    assert b" 200 " in key.fileobj.recv(65536).split(b"\r\n")[0]
                    selector.unregister(key.fileobj)
                    answers += 1
        return answers

    def vanish(self):
        """Some close, some reset, as when a process or a machine dies."""
        random.shuffle(self.sockets)
        for number, sock in enumerate(self.sockets):
            if number % 2:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
        self.sockets = []


def test_parked_calls_whose_clients_vanish():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))  # xapid raises its own
    port = free_port()
    with Host(f"http_port={port}\nlog_level=info", f"max_connections_per_address={CALLS}") as host:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * CALLS + 1024), hard))
        abuse = Abuse(host, port)
        quiet = abuse.quiet()
        abuse.park(50)  # whatever is made once is made now
        abuse.vanish()
        abuse.wait_for(quiet)
        threads = abuse.figure("Threads")
        memory = [abuse.figure("VmRSS")]
        for _ in range(ROUNDS):
            abuse.park(CALLS)
            assert abuse.answered(0.5) == 0, "they do not wait"
            assert abuse.figure("Threads") <= threads, "threads for calls that wait"
            abuse.vanish()
            abuse.wait_for(quiet)
            memory.append(abuse.memory(memory[0] + SLACK_KIB))
        print(f"# {CALLS} calls, {quiet} descriptors and {threads} threads without them; "
              f"memory before and after each round: {memory} KiB", flush=True)
        if not sanitized(abuse.pid):
            assert max(memory) <= memory[0] + SLACK_KIB, memory
        # And when they do not vanish, all are answered.
        abuse.park(CALLS)
        abuse.x.task.create("wakes them", "")
        assert abuse.answered(60) == CALLS
        abuse.vanish()
        abuse.wait_for(quiet)
        assert host.child("xapid") == abuse.pid, "xapid was started again"


tap.run(test_parked_calls_whose_clients_vanish)
