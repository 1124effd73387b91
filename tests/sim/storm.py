"""Logins with wrong passwords, as fast as they are answered and from many addresses: run as a process of its own, so
that it takes no time of who measures.

storm.py PORT COUNT CONNECTIONS    prints "under way" once the first was refused; goes on until its input ends, and for
                                   COUNT at least, and says what became of them"""
import collections
import json
import os
import random
import selectors
import socket
import sys

PER_ADDRESS = 100  # connections of 127.0.0.2, of 127.0.0.3 ...
USERS = "root", "alice", "nobody", "mallory", "admin"


class Attempt:
    """A connection that asks, and asks again once it has its answer."""

    def __init__(self, port, number):
        self.sock = socket.socket()
        self.sock.bind((f"127.0.0.{2 + number // PER_ADDRESS}", 0))
        self.sock.connect(("127.0.0.1", port))
        self.reply = b""

    def ask(self):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "session.login_with_password",
                           "params": [random.choice(USERS), f"{random.getrandbits(64):x}", "", ""]}).encode()
        self.sock.sendall(b"POST /jsonrpc HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                          b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    def answered(self):
        """The code of the failure, once it is there."""
        more = self.sock.recv(65536)
        assert more, "the host ended the connection"
        self.reply += more
        head, _, body = self.reply.partition(b"\r\n\r\n")
        if not body.endswith(b"}"):
            return None
        assert head.startswith(b"HTTP/1.1 200"), head
        self.reply = b""
        return json.loads(body)["error"]["message"]


def main(port, count, connections):
    outcomes, asked, ending = collections.Counter(), 0, False
    os.set_blocking(sys.stdin.fileno(), False)
    with selectors.DefaultSelector() as selector:
        for number in range(min(connections, count)):
            attempt = Attempt(port, number)
            attempt.ask()
            asked += 1
            selector.register(attempt.sock, selectors.EVENT_READ, attempt)
        selector.register(sys.stdin, selectors.EVENT_READ)
        while not ending or sum(outcomes.values()) < asked:
            for key, _ in selector.select():
                if not key.data:
                    ending = True
                    selector.unregister(sys.stdin)
                    continue
                code = key.data.answered()
                if not code:
                    continue
                if not outcomes:
                    print("under way", flush=True)
                outcomes[code] += 1
                if asked < count or not ending:
                    asked += 1
                    key.data.ask()
    print(*(f"{code} {number}" for code, number in outcomes.items()), flush=True)


main(*map(int, sys.argv[1:]))
