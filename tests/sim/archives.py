"""XVAs: VMs as one stream, written and read by Python's own tarfile, as tests need them."""
import ctypes
import gzip
import hashlib
import html
import io
import subprocess
import tarfile
import xmlrpc.client

CHUNK = 1 << 20
XXH64 = ctypes.CDLL("libxxhash.so.0").XXH64
XXH64.restype = ctypes.c_uint64
XXH64.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]


def checksum(kind, content):
    """As a member of that kind, "checksum" or "xxhash", has it."""
    if kind == "checksum":
        return hashlib.sha1(content).hexdigest().encode()
    return b"%016X" % XXH64(content, len(content), 0)


def unpacked(body):
    """The tar, however it is packed."""
    if body.startswith(b"\x1f\x8b"):
        return gzip.decompress(body)
    if body.startswith(b"\x28\xb5\x2f\xfd"):
        return subprocess.run(["zstd", "-d", "-c", "-q"], input=body, capture_output=True, check=True).stdout
    return body


def value_of(text):
    """What an XML-RPC value is to Python: integers are text."""
    parser, unmarshaller = xmlrpc.client.getparser()
    parser.feed(b"<params><param>" + text + b"</param></params>")
    parser.close()
    return unmarshaller.close()[0]


def text_of(value):
    """A value as XAPI writes it: integers are text."""
    if isinstance(value, dict):
        return "<value><struct>" + "".join(f"<member><name>{name}</name>{text_of(member)}</member>"
                                           for name, member in value.items()) + "</struct></value>"
    if isinstance(value, list):
        return "<value><array><data>" + "".join(map(text_of, value)) + "</data></array></value>"
    if isinstance(value, bool):
        return f"<value><boolean>{int(value)}</boolean></value>"
    return f"<value>{html.escape(str(value))}</value>"


class Writer:
    """An archive by a program that has nothing of ours."""

    def __init__(self, kind="checksum", chunk=CHUNK):
        self.kind, self.chunk, self.out = kind, chunk, io.BytesIO()
        self.tar = tarfile.open(fileobj=self.out, mode="w", format=tarfile.USTAR_FORMAT)

    def add(self, name, content, **fields):
        member = tarfile.TarInfo(name)
        member.size = len(content)
        for field, value in fields.items():
            setattr(member, field, value)
        self.tar.addfile(member, io.BytesIO(content))

    def records(self, objects, version=2):
        whole = {"version": {"hostname": "other", "xapi_major": 1, "xapi_minor": 9, "export_vsn": version},
                 "objects": [{"class": kind, "id": name, "snapshot": record} for name, (kind, record) in objects.items()]}
        self.add("ova.xml", text_of(whole).encode())

    def piece(self, name, content, wrong=None):
        self.add(name, content)
        self.add(f"{name}.{self.kind}", wrong or checksum(self.kind, content))

    def disk(self, name, content):
        last = (len(content) - 1) // self.chunk
        for number in range(last + 1):
            chunk = content[number * self.chunk:(number + 1) * self.chunk]
            if number in (0, last) or any(chunk):
                self.piece(f"{name}/{number:08d}", chunk)

    def body(self):
        self.tar.close()
        return self.out.getvalue()


class Archive:
    """One that was read: its records by name, and its disks by theirs."""

    def __init__(self, body):
        tar = unpacked(body)
        assert tar.endswith(bytes(1024)) and len(tar) % 512 == 0
        with tarfile.open(fileobj=io.BytesIO(tar), mode="r:") as members:
            self.members = [(member, members.extractfile(member).read()) for member in members]
        assert all(member.isreg() for member, _ in self.members)
        self.names = [member.name for member, _ in self.members]
        assert self.names[0] == "ova.xml" and len(set(self.names)) == len(self.names)
        self.whole = value_of(self.members[0][1])
        self.objects = {each["id"]: (each["class"], each["snapshot"]) for each in self.whole["objects"]}
        self.chunks = {}
        for (member, content), (check, text) in zip(self.members[1::2], self.members[2::2], strict=True):
            assert check.name == member.name + ".xxhash" and text == checksum("xxhash", content), member.name
            disk, number = member.name.split("/")
            assert len(number) == 8
            self.chunks.setdefault(disk, {})[int(number)] = content

    def of(self, kind):
        """The records of a class."""
        return {name: record for name, (its, record) in self.objects.items() if its == kind}

    def disk(self, name):
        """What a disk has, in which what is left out is zeros."""
        size = int(self.objects[name][1]["virtual_size"])
        content = bytearray(size)
        for number, chunk in self.chunks[name].items():
            assert len(chunk) == min(CHUNK, size - number * CHUNK), number
            content[number * CHUNK:number * CHUNK + len(chunk)] = chunk
        return bytes(content)
