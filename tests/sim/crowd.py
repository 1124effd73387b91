"""Clients that keep connections and ask nothing, or never come to an end of what they ask: run as a process of its
own, so that it takes no time of who measures.

crowd.py PORT COUNT    prints "there" when all are, and stays until its input ends"""
import os
import resource
import selectors
import socket
import subprocess
import sys

PER_ADDRESS = 1000  # of 127.0.0.2, 127.0.0.3, ...: each may have 2,000
DRIP_SECONDS = 2    # between two bytes of who is slow
HEAD = b"POST /jsonrpc HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
ASK = b'{"jsonrpc":"2.0","id":1,"method":"session.logout","params":["x"]}'
CALL = HEAD + b"Content-Length: %d\r\n\r\n" % len(ASK) + ASK
# Of three, one has asked and asks no more, one never ends its head, one its body.
IDLE, SLOW_HEAD, SLOW_BODY = range(3)
BEGINNINGS = CALL, HEAD + b"X-Slow: ", HEAD + b"Content-Length: 100000\r\n\r\n"


class Crowd:
    """For a test: so many connections to a port, from `with` to its end."""

    def __init__(self, port, count):
        self.port, self.count = port, count

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, __file__, str(self.port), str(self.count)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        said = self.process.stdout.readline()
        assert said == "there\n", f"the crowd said {said!r} and ended with {self.process.wait()}"
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        status = self.process.wait()
        self.process.stdout.close()
        assert status == 0, f"the crowd ended with {status}"


class Member:
    def __init__(self, port, number):
        self.kind = number % len(BEGINNINGS)
        self.sock = socket.socket()
        self.sock.bind((f"127.0.0.{2 + number // PER_ADDRESS}", 0))
        self.sock.connect(("127.0.0.1", port))
        self.sock.sendall(BEGINNINGS[self.kind])


def main(port, count):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    members = [Member(port, number) for number in range(count)]
    for member in members:
        if member.kind == IDLE:
            assert member.sock.recv(4096).startswith(b"HTTP/1.1 200"), "it is not served"
    slow = [member for member in members if member.kind != IDLE]
    print("there", flush=True)
    os.set_blocking(sys.stdin.fileno(), False)
    steps = 200  # spread out: no wave of bytes at once
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin, selectors.EVENT_READ)
        for step in range(1 << 30):
            for member in slow[step % steps::steps]:
                member.sock.sendall(b"y")
            if selector.select(DRIP_SECONDS / steps):
                return


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
