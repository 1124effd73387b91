#!/usr/bin/python3
"""Whether every call in our C sources that changes something outside of its process stands between two fault
points (lib/faults.h): one before it and one after it, in its function or in each function that leads to it; the
one after it may be in a callback that is told of its end.
What stands without one is named in tests/effects-without.txt, with the reason.  Run by tests/lint.

effects.py check [FOLDER]    FOLDER: another tree than this one
effects.py list              every effect that is looked at"""
import re
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
ROOMS = ("lib", "storage-repos", "xapid")
# The simulator is the host that effects act on.
HOSTS = ("sim.c", "sim-guest.c", "sim-world.c")
WITHOUT = "tests/effects-without.txt"
FILES = ("rename renameat renameat2 g_rename unlink unlinkat g_unlink remove rmdir link linkat symlink symlinkat mkdir "
         "mkdirat mknod g_mkdir g_mkdir_with_parents mkdtemp mkostemp mkstemp fsync fdatasync syncfs ftruncate truncate "
         "fallocate copy_file_range chmod fchmod fchmodat chown fchown fchownat setxattr fsetxattr mount umount umount2 "
         "g_file_set_contents g_file_set_contents_full")
PROGRAMS = ("fork vfork posix_spawn posix_spawnp execv execve execvp execvpe fexecve system popen g_subprocess_new "
            "g_subprocess_newv g_subprocess_launcher_spawn g_subprocess_launcher_spawnv g_spawn_async g_spawn_sync "
            "g_spawn_command_line_sync")
ROOT = "g_dbus_proxy_call g_dbus_proxy_call_sync g_dbus_proxy_call_with_unix_fd_list g_dbus_connection_call"
XEN = "xs_write xs_rm xs_mkdir xs_set_permissions xc_domain_shutdown xc_domain_destroy xc_domain_pause xc_domain_unpause"
STORE = "sqlite3_backup_step"
KERNEL = "mnl_socket_sendto ovsdb_transact qmp_run reboot"
CALLS = re.compile(rf"\b({'|'.join(' '.join((FILES, PROGRAMS, ROOT, XEN, STORE, KERNEL)).split())})\s*\(")
# A loop device is made or given a file; a transaction is written.
OTHERS = re.compile(r"\b(ioctl)\s*\([^;]*?\bLOOP_C|\brun\s*\([^()]*\b(STATEMENT_COMMIT)\b|\b(database_exec)\s*\([^;]*?\"COMMIT")
# libxl's own functions change something, unless their name says that they do not.
LIBXL = re.compile(r"\b(libxl_[a-z0-9_]+)\s*\(")
LIBXL_READS = re.compile(r"_(init|init_type|dispose|copy|free|list|info|getinfo|retrieve|is_default|val|set_none|is_empty|"
                         r"compare|alloc|need_memory|from_json|to_json|register_callbacks|to_name|from_string|abort)$|"
                         r"^libxl_(get_|defbool_|bitmap_|retrieve_)|^libxl_(list_domain|console_get_tty)$|^libxl_domain_sched_params_init$|^libxl_cpuid_parse_config$")
POINT = re.compile(r"\bFAULT_(POINT|AROUND)\s*\(")
FUNCTION = re.compile(r"^(?:[A-Za-z_][\w \*\(\)]*\n)?(\w+)\(([^;{}]*)\)\n\{\n(.*?)^\}", re.M | re.S)
TABLE = re.compile(r"\bstruct\s+(\w+)\s+\w+(?:\[\w*\])?\s*=\s*\{(.*?)^\};", re.M | re.S)


def without_comments(text):
    """Comments and characters gone, strings kept; every line where it was."""
    def blank(match):
        found = match[0]
        return found if found.startswith('"') else re.sub(r"[^\n]", " ", found)
    return re.sub(r'"(?:\\.|[^"\\\n])*"|/\*.*?\*/|//[^\n]*|\'(?:\\.|[^\'\\\n])\'', blank, text, flags=re.S)


class Function:
    def __init__(self, path, name, static, body, line):
        self.path, self.name, self.static, self.body, self.line = path, name, static, body, line
        self.words = re.sub(r'"[^"]*"', lambda text: " " * len(text[0]), body)
        self.uses = []  # (function that names it, at which place of its body)
        self.callbacks = []  # functions that it hands on
        self.spans = []  # what FAULT_AROUND goes around
        self.points = []
        for match in POINT.finditer(body):
            if match[1] == "AROUND":
                self.spans.append((match.start(), closing(body, match.end())))
            else:
                self.points.append(match.start())

    def line_at(self, place):
        return self.line + self.body.count("\n", 0, place)


def closing(text, start):
    """Where the parenthesis that was opened before `start` is closed."""
    depth = 1
    for place in range(start, len(text)):
        depth += (text[place] == "(") - (text[place] == ")")
        if not depth:
            return place
    return len(text)


class Tree:
    def __init__(self, top, excused):
        self.top, self.excused, self.needed = Path(top), excused, set()
        self.functions, self.rest = [], {}
        for room in ROOMS:
            for path in sorted((self.top / room).rglob("*.c")):
                self.read(path)
        self.own = {function.name for function in self.functions}
        self.link()

    def read(self, path):
        text = without_comments(path.read_text())
        name = str(path.relative_to(self.top))
        rest = list(text)
        for match in FUNCTION.finditer(text):
            head = text[match.start():match.start(1)]
            self.functions.append(Function(name, match[1], "static" in head, match[3], text.count("\n", 0, match.start(3)) + 1))
            rest[match.start():match.end()] = " " * (match.end() - match.start())
        self.rest[name] = "".join(rest)

    def meant(self, path, name):
        found = self.by_name.get(name, ())
        return [f for f in found if f.path == path] or [f for f in found if not f.static]

    def link(self):
        """Who names whom.  A function in a field of a table of type T is named by T->FIELD; one in a table without
        names of fields is a beginning."""
        self.by_name, fields, self.tabled = {}, {}, set()
        for function in self.functions:
            self.by_name.setdefault(function.name, []).append(function)
        for path, rest in self.rest.items():
            for table in TABLE.finditer(rest):
                for field, name in re.findall(r"\.(\w+)\s*=\s*(\w+)\b", table[2]):
                    fields.setdefault(field, []).extend((table[1], function) for function in self.meant(path, name))
                for name in re.findall(r"(?<![.\w])\w+\b", re.sub(r"\.\w+\s*=\s*\w+", "", table[2])):
                    self.tabled.update(self.meant(path, name))
        for user in self.functions:
            for match in re.finditer(r"(?<![>.\w])[A-Za-z_]\w*", user.words):
                name = match[0]
                if name in self.by_name and not re.search(rf"[\w\*]\s+\**{name}\s*[=;,\[)]", user.words):
                    self.note(self.meant(user.path, name), user, match.start())
                    if not re.match(r"\s*\(", user.words[match.end():]):
                        user.callbacks += self.meant(user.path, name)
            for match in re.finditer(r"\b(\w+)(?:->|\.)(?=(\w+)\b)", user.words):
                self.note([function for kind, function in fields.get(match[2], ())
                           if kind == match[1] or kind.endswith(f"_{match[1]}")], user, match.start())

    @staticmethod
    def note(functions, user, place):
        for function in functions:
            if function is not user:
                function.uses.append((user, place))

    def effects(self):
        """(function, name of the effect, its place)"""
        for function in self.functions:
            if Path(function.path).name in HOSTS or function.path == "lib/faults.c":
                continue
            found = [(match.start(), match[1]) for match in CALLS.finditer(function.words)]
            found += [(match.start(), next(filter(None, match.groups()))) for match in OTHERS.finditer(function.body)]
            found += [(match.start(), match[1]) for match in LIBXL.finditer(function.words)
                      if match[1] not in self.own and not LIBXL_READS.search(match[1])]
            for place, name in sorted(found):
                yield function, name, place

    def bare(self, function, place, before, seen=()):
        """The way from a beginning without a point to this place; None when there is a point on each."""
        if any(start < place < end for start, end in function.spans):
            return None
        ends = ([end for _, end in function.spans] if before else [start for start, _ in function.spans]) + function.points
        if any(end < place if before else end > place for end in ends):
            return None
        if not before and any(callback.points for callback in function.callbacks):
            return None
        if (function.path, function.name) in self.excused:
            self.needed.add((function.path, function.name))
            return None
        way = (*seen, function)
        if function in self.tabled or not function.uses:
            return way
        for user, at in function.uses:
            if user not in way:
                found = self.bare(user, at, before, way)
                if found:
                    return found
        return None


def exemptions(top):
    """{(file, function): reason}, of lines FILE FUNCTION: REASON."""
    found = {}
    for line in (Path(top) / WITHOUT).read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        match = re.fullmatch(r"(\S+) (\w+): (\S.*)", line)
        if not match:
            raise SystemExit(f"{WITHOUT}: not FILE FUNCTION: REASON: {line}")
        found[(match[1], match[2])] = match[3]
    return found


def check(top=TOP):
    """What is wrong, a line each."""
    tree = Tree(top, exemptions(top))
    wrong = []
    for function, effect, place in tree.effects():
        for side in ("before", "after"):
            way = tree.bare(function, place, side == "before")
            if way:
                through = " by " + ", ".join(step.name for step in way[1:]) if len(way) > 1 else ""
                wrong.append(f"{function.path}:{function.line_at(place)}: {function.name}: no fault point {side} {effect}{through}")
    return wrong + [f"{WITHOUT}: nothing needs {path} {name}" for path, name in sorted(set(tree.excused) - tree.needed)]


def main():
    words = sys.argv[1:]
    if words[:1] == ["list"]:
        tree = Tree(TOP, {})
        for function, effect, place in tree.effects():
            print(f"{function.path}:{function.line_at(place)}: {function.name}: {effect}")
        return 0
    wrong = check(*words[1:])
    print(*wrong, sep="\n", end="\n" if wrong else "")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
