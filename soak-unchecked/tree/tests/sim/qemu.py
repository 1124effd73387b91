"""A QEMU with a screen, which stands for that of a simulated guest: its boot sector writes a line, and what is typed."""
import subprocess
import time

LINE = "a bad cab faced a bed"


def boot_sector():
    code = bytes.fromhex("31c0 8ed8 be227c ac 08c0 7409 b40e bb0700 cd10 ebf2"  # each letter by the BIOS,
                         "30e4 cd16 b40e bb0700 cd10 ebf3")                     # then each key
    return (code + b"\r\n" + LINE.encode() + b"\r\n\0").ljust(510, b"\0") + b"\x55\xaa"


class Screen:
    """Served on the unix socket `path`, until it is left."""

    def __init__(self, path):
        self.path, self.disk = path, path.with_suffix(".disk")

    def __enter__(self):
        self.disk.write_bytes(boot_sector())
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-machine", "pc,accel=tcg", "-m", "16", "-nodefaults", "-no-user-config", "-vga", "std",
             "-drive", f"file={self.disk},format=raw,if=ide,snapshot=on", "-vnc", f"unix:{self.path}"],
            stdin=subprocess.DEVNULL)
        for _ in range(1000):
            if self.path.exists():
                return self
            assert self.process.poll() is None, "QEMU ended"
            time.sleep(0.02)
        raise AssertionError("QEMU shows no screen")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.path.unlink(missing_ok=True)
