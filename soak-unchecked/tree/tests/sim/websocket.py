"""A client of websockets (RFC 6455) as a stream of bytes: binary messages, with nothing that a test has no need of."""
import base64
import os
import struct

CONTINUED, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def handshake(path, headers=()):
    """The request, as bytes."""
    key = base64.b64encode(os.urandom(16)).decode()
    fields = {"Host": "localhost", "Upgrade": "websocket", "Connection": "keep-alive, Upgrade",
              "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key, "Sec-WebSocket-Protocol": "binary",
              **dict(headers)}
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode()


class Websocket:
    """Over a connected socket, once the handshake is done."""

    def __init__(self, sock):
        self.sock, self.early, self.closed = sock, b"", None
        self.pongs = []

    def frame(self, kind, payload, last=True):
        mask = os.urandom(4)
        length = (bytes([0x80 | len(payload)]) if len(payload) < 126 else
                  b"\xfe" + struct.pack(">H", len(payload)) if len(payload) < 65536 else
                  b"\xff" + struct.pack(">Q", len(payload)))
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        self.sock.sendall(bytes([(0x80 if last else 0) | kind]) + length + mask + masked)

    def sendall(self, payload):
        self.frame(BINARY, payload)

    def read(self, size):
        while len(self.early) < size:
            some = self.sock.recv(65536)
            if not some:
                raise EOFError
            self.early += some
        found, self.early = self.early[:size], self.early[size:]
        return found

    def next(self):
        """(kind, payload) of the next frame."""
        kind, length = self.read(2)
        assert not length & 0x80, "a server masks nothing"
        if length == 126:
            length, = struct.unpack(">H", self.read(2))
        elif length == 127:
            length, = struct.unpack(">Q", self.read(8))
        return kind & 0x0f, self.read(length)

    def recv(self, _size):
        """A piece of the stream, which may be longer; empty at its end."""
        while self.closed is None:
            kind, payload = self.next()
            if kind == PONG:
                self.pongs.append(payload)
            elif kind == CLOSE:
                self.closed = struct.unpack(">H", payload[:2])[0] if payload else 0
            else:
                assert kind == BINARY, kind
                return payload
        return b""

    def close(self):
        self.sock.close()
