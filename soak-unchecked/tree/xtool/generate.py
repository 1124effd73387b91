#!/usr/bin/env python3
"""Turns xtool's schema into C tables: generate.py SCHEMA-FOLDER OUTPUT.c

See schema/README.md for the schema and tables.h for what the tables mean.  Same input, same bytes."""

import json
import os
import re
import sys


def fail(text):
    sys.exit("generate.py: " + text)


def quote(text):
    return "NULL" if text is None else json.dumps(text)  # ASCII without escapes but \" and \\


def check_keys(name, item, allowed):
    unknown = set(item) - set(allowed.split())
    if unknown:
        fail(f"{name}: unknown {', '.join(sorted(unknown))}")


def words(text):
    return (text or "").split()


class Writer:
    def __init__(self):
        self.vectors = {}
        self.lines = []

    def vector(self, strings):
        """A shared NULL-terminated vector of strings."""
        number = self.vectors.setdefault(tuple(strings), len(self.vectors))
        return f"strings_{number}"

    def table(self, declaration, rows):
        self.lines += [declaration + " = {", *("    {" + row + "}," for row in rows), "};", ""]

    def classes(self, classes):
        rows = []
        for name, item in classes.items():
            check_keys(name, item, "class as filter columns hidden deprecated fields")
            item = {**classes[item["as"]], **item} if "as" in item else item
            fields = f"fields_{len(rows)}"
            self.table(f"static const struct xt_source {fields}[]",
                       [f"{quote(n)}, {quote(s)}" for n, s in item.get("fields", {}).items()] +
                       ["NULL, NULL"])
            rows.append(", ".join([quote(name), quote(item["class"]), fields] + [
                self.vector(words(item.get(key)))
                for key in ("filter", "columns", "hidden", "deprecated")]))
        self.table("const struct xt_class xt_classes[]", rows)
        self.lines += [f"const unsigned xt_n_classes = {len(rows)};", ""]

    def calls(self, name, text):
        """"force? VM.a(@) | VM.b(@)" as rows of struct xt_call; the last row has no method."""
        rows = []
        for part in text.split(" | ") if text else ():
            match = re.fullmatch(r"(?:([\w-]+=?)\? )?(\w+\.\w+)\((.*)\)", part)
            if not match:
                fail(f"{name}: cannot read {part!r}")
            when, method, args = match.groups()
            args = args.split(", ") if args else []
            rows.append(f"{quote(when)}, {quote(method)}, {self.vector(args)}")
        return rows + ["NULL, NULL, NULL"]

    def commands(self, commands):
        rows = []
        for name, item in sorted(commands.items()):
            check_keys(name, item, "need may fill select marks call keys")
            marks = words(item.get("marks"))
            check_keys(name, marks, "common hidden local deprecated")
            calls = f"calls_{len(rows)}"
            self.table(f"static const struct xt_call {calls}[]", self.calls(name, item.get("call")))
            rows.append(", ".join(
                [quote(name), self.vector(words(item.get("need"))), self.vector(words(item.get("may"))),
                 self.vector(words(item.get("fill"))), quote(item.get("select")), calls,
                 self.vector(words(item.get("keys")))] +
                [str(mark in marks).lower() for mark in ("common", "hidden", "local", "deprecated")]))
        self.table("const struct xt_command xt_commands[]", rows)
        self.lines += [f"const unsigned xt_n_commands = {len(rows)};", ""]

    def columns(self, name, columns):
        """"Mem=memory-actual/mib" as rows of struct xt_column; the last row has no title."""
        rows = []
        for text in columns:
            match = re.fullmatch(r"([^=]+)=([\w-]+)(?::([\w-]+))?(?:/(id|mib|since|state|words))?", text)
            if not match:
                fail(f"{name}: cannot read {text!r}")
            rows.append(", ".join(map(quote, match.groups())))
        return rows + ["NULL, NULL, NULL, NULL"]

    def switches(self, name, switches):
        """"-i/iterations=" as rows of struct xt_switch; the last row has no word."""
        rows = []
        for text in switches:
            match = re.fullmatch(r"(-\w)/([\w-]+)(=?)", text)
            if not match:
                fail(f"{name}: cannot read {text!r}")
            rows.append(f"{quote(match[1])}, {quote(match[2])}, {str(bool(match[3])).lower()}")
        return rows + ["NULL, NULL, false"]

    def aliases(self, aliases):
        rows = []
        for name, item in aliases.items():
            check_keys(name, item, "as words set columns marks switches text")
            if ("as" in item) == ("text" in item):
                fail(f"{name}: either stands for a command or has a text")
            marks = words(item.get("marks"))
            check_keys(name, marks, "lines live")
            columns, switches = f"columns_{len(rows)}", f"switches_{len(rows)}"
            self.table(f"static const struct xt_column {columns}[]",
                       self.columns(name, words(item.get("columns"))))
            self.table(f"static const struct xt_switch {switches}[]",
                       self.switches(name, words(item.get("switches"))))
            rows.append(", ".join([quote(name), quote(item.get("as")), self.vector(words(item.get("words"))),
                                   self.vector(words(item.get("set"))), columns, switches,
                                   quote(item.get("text"))] +
                                  [str(mark in marks).lower() for mark in ("lines", "live")]))
        self.table("const struct xt_alias xt_aliases[]", rows)
        self.lines += [f"const unsigned xt_n_aliases = {len(rows)};", ""]

    def spellings(self, enums):
        rows = [f"{quote(en)}, {quote(value)}, {quote(text)}"
                for en, values in enums.items() for value, text in values.items()]
        self.table("const struct xt_spelling xt_spellings[]", rows)
        self.lines += [f"const unsigned xt_n_spellings = {len(rows)};", ""]

    def text(self):
        vectors = [f"static const char *const strings_{number}[] = {{"
                   + "".join(quote(s) + ", " for s in strings) + "NULL};"
                   for strings, number in self.vectors.items()]
        return "\n".join(["/* Generated by xtool/generate.py. */", '#include "xtool/tables.h"', "",
                          *vectors, "", *self.lines])


def main(folder, output):
    def load(name):
        with open(os.path.join(folder, name), encoding="utf-8") as f:
            return json.load(f)

    writer = Writer()
    writer.classes(load("classes.json"))
    writer.commands(load("commands.json"))
    writer.aliases(load("aliases.json"))
    writer.spellings(load("enums.json"))
    with open(output, "w", encoding="utf-8") as f:
        f.write(writer.text())


if __name__ == "__main__":
    if len(sys.argv) != 3:
        fail("usage: generate.py SCHEMA-FOLDER OUTPUT.c")
    main(*sys.argv[1:])
