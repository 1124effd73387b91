"""Reads what strace tells of our programs while they run with XAPID_FAULT=trace, where each fault point is a write
to no file."""
import re

CHANGES = ("rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "link", "linkat", "symlink", "symlinkat", "mkdir",
           "mkdirat", "mknod", "fsync", "fdatasync", "syncfs", "ftruncate", "truncate", "fallocate", "copy_file_range", "mount",
           "umount2", "reboot", "setxattr", "fsetxattr", "execve", "execveat")
STARTS = ("clone", "clone3", "fork", "vfork")
STRACE = ("strace", "-D", "-f", "--seccomp-bpf", "-qq", "-ttt", "-y", "-s", "200", "-e", f"trace=write,{','.join((*CHANGES, *STARTS))}",
          "-e", "signal=none", "-o")  # the file and the command follow


class Trace:
    """Lines of `strace -f -ttt`.  What a process or thread does before its first point, or without any, is its parent's."""

    def __init__(self, text, others=re.compile(r"$^")):
        """others: what calls that are none of ours contain."""
        self.others = others
        self.parent = {}
        self.last = {}  # thread that has passed a point -> the last one
        self.open = {}  # thread -> effects since then
        self.between, self.bare, self.points = {}, [], 0
        unfinished = {}
        for line in text.splitlines():
            match = re.match(r"(\d+) +(\d+\.\d+) (.*)", line)
            if not match:
                continue
            thread, at, call = int(match[1]), float(match[2]), match[3]
            if call.endswith("<unfinished ...>"):
                unfinished[thread] = call.removesuffix("<unfinished ...>")
                continue
            if call.startswith("<... "):
                call = unfinished.pop(thread, "") + call
            self.take(thread, at, call)
        for thread in self.open:
            self.close(thread, None)

    def owner(self, thread):
        while thread not in self.last and thread in self.parent:
            thread = self.parent[thread]
        return thread

    def take(self, thread, at, call):
        name = call.split("(")[0]
        child = re.search(r"= (\d+)$", call) if name in STARTS else None
        if call.startswith('write(-1, "'):
            self.points += 1
            self.close(thread, call.split('"')[1])
        elif child:
            self.parent[int(child[1])] = thread
            if int(child[1]) not in self.last:  # it ran before its parent was told of it
                self.open.setdefault(self.owner(thread), []).extend(self.open.pop(int(child[1]), ()))
        elif name in CHANGES and not self.others.search(call):
            self.open.setdefault(self.owner(thread), []).append((at, call))

    def close(self, thread, point):
        before, self.last[thread] = self.last.get(thread), point
        for at, call in self.open.get(thread, ()):
            names = [end.rsplit(".", 1)[0] for end in (before, point) if end]
            # Two before, when a second one begins beside the first.
            if len(names) == 2 and names[0] == names[1] and (before != point or point.endswith(".before")):
                self.between.setdefault(names[0], []).append((at, call))
            else:
                self.bare.append((at, call, before, point))
        self.open[thread] = []

    def within(self, start, stop):
        """What was between points in this time, as words."""
        return sorted({f"{stem}: {call.split('(')[0]}" for stem, calls in self.between.items()
                       for at, call in calls if start <= at <= stop})
