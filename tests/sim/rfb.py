"""A client of RFB (what VNC speaks), as small as a test needs it: it holds the picture and presses keys."""
import struct

RAW, DESKTOP_SIZE = 0, -223
PIXEL = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
CELL_HEIGHT = 16  # of text


class Picture:
    """`pixels`: four bytes each."""

    def __init__(self, width, height, pixels):
        self.width, self.height, self.pixels = width, height, pixels

    def glyphs(self, row, columns=80):
        """What stands in the cells of a row of text, as masks of the pixels that are not the background."""
        width, lines = self.width // columns, []
        for y in range(row * CELL_HEIGHT, (row + 1) * CELL_HEIGHT):
            line = self.pixels[y * self.width * 4:(y + 1) * self.width * 4]
            lines.append([line[x:x + 3] != b"\0\0\0" for x in range(0, len(line), 4)])
        return [tuple(tuple(line[column * width:(column + 1) * width]) for line in lines) for column in range(columns)]

    def shows(self, text, columns=80):
        """Does a row begin with that?  Its letters are not known by their looks: the same ones look the same, others
        differ, and a blank is empty."""
        for row in range(self.height // CELL_HEIGHT):
            glyphs = self.glyphs(row, columns)[:len(text)]
            pairs = set(zip(glyphs, text))
            empty = {letter for glyph, letter in pairs if not any(map(any, glyph))}
            if len(pairs) == len(set(text)) == len({glyph for glyph, _ in pairs}) and empty <= {" "}:
                return True
        return False


class Rfb(Picture):
    """`stream` has sendall (bytes) and recv (at most so many bytes), and its own time-out."""

    def __init__(self, stream, version=b"RFB 003.008\n"):
        self.stream, self.early = stream, b""
        self.greeting = self.read(12)
        assert self.greeting.startswith(b"RFB 003."), self.greeting
        stream.sendall(version)
        if version < b"RFB 003.007\n":
            assert self.unpack(">I") == (1,), "a password is asked for"
        else:
            kinds = self.read(self.read(1)[0])
            assert 1 in kinds, kinds
            stream.sendall(b"\1")
        if version >= b"RFB 003.008\n":
            assert self.unpack(">I") == (0,)
        stream.sendall(b"\1")  # others may look, too
        width, height = self.unpack(">HH")
        self.read(16)
        self.name = self.read(*self.unpack(">I")).decode()
        stream.sendall(b"\0\0\0\0" + PIXEL + struct.pack(">BxHii", 2, 2, RAW, DESKTOP_SIZE))
        self.resize(width, height)

    def resize(self, width, height):
        Picture.__init__(self, width, height, bytearray(width * height * 4))

    def read(self, size):
        while len(self.early) < size:
            some = self.stream.recv(65536)
            if not some:
                raise EOFError(f"it ended {size - len(self.early)} bytes too early")
            self.early += some
        found, self.early = self.early[:size], self.early[size:]
        return found

    def unpack(self, form):
        return struct.unpack(form, self.read(struct.calcsize(form)))

    def update(self, incremental=True):
        """Waits for the next change (or for all of it) and takes it into the picture."""
        self.stream.sendall(struct.pack(">BBHHHH", 3, incremental, 0, 0, self.width, self.height))
        while True:
            kind, = self.read(1)
            if kind == 0:
                break
            if kind == 1:
                _, colours = self.unpack(">xHH")
                self.read(6 * colours)
            elif kind == 3:
                self.read(*self.unpack(">xxxI"))
            else:
                assert kind == 2, kind  # a bell
        for _ in range(*self.unpack(">xH")):
            left, top, width, height, encoding = self.unpack(">HHHHi")
            if encoding == DESKTOP_SIZE:
                self.resize(width, height)
                continue
            assert encoding == RAW, encoding
            for y in range(top, top + height):
                at = (y * self.width + left) * 4
                self.pixels[at:at + width * 4] = self.read(width * 4)

    def until(self, condition, what, updates=500):
        """Takes changes until condition () is true."""
        self.update(incremental=False)
        for _ in range(updates):
            if condition():
                return
            self.update()
        raise AssertionError(f"no {what} in {updates} updates")

    def key(self, symbol):
        for down in 1, 0:
            self.stream.sendall(struct.pack(">BBxxI", 4, down, symbol))

    def type(self, text):
        for letter in text:
            self.key(0xff0d if letter == "\n" else ord(letter))
