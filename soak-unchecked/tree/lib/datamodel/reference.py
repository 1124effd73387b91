#!/usr/bin/env python3
"""Writes the reference of the API as pages of HTML: reference.py SCHEMA-FOLDER XAPID OUTPUT-FOLDER

The schema says what there is, `XAPID --implemented` what of it has code.  Same input, same bytes."""

import html
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from generate import Model, lifecycle

STYLE = """
body { font: 16px/1.45 sans-serif; max-width: 70em; margin: 1em auto; padding: 0 1em }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .2em .8em .2em 0; border-top: 1px solid #ccc }
td:first-child { font-family: monospace } h3 { margin: 1.5em 0 .2em; border-top: 1px solid #ccc; padding-top: .5em }
.unserved { color: #777 } dt { font-family: monospace } p { margin: .3em 0 }
"""
STATES = {"DM_DEPRECATED": "deprecated", "DM_PROTOTYPE": "prototype", "DM_REMOVED": "removed"}
# What the messages that follow from a class and its fields do.
GENERIC = {
    "DM_GET_RECORD": "All fields of one object.",
    "DM_GET_BY_UUID": "The object with this uuid.",
    "DM_GET_BY_NAME_LABEL": "The objects with this name.",
    "DM_GET_ALL": "All objects.",
    "DM_GET_ALL_WHERE": "The objects that match an expression.",
    "DM_GET_ALL_RECORDS": "All objects with all their fields.",
    "DM_GET_ALL_RECORDS_WHERE": "The objects that match an expression, with all their fields.",
    "DM_CREATE": "Makes an object of fields.",
    "DM_DESTROY": "Removes an object.",
    "DM_FIELD_GET": "Reads the field.",
    "DM_FIELD_SET": "Writes the field.",
    "DM_FIELD_ADD": "Adds to the field.",
    "DM_FIELD_REMOVE": "Takes away from the field.",
}
ROLE_WORDS = {None: "any session", "local-root": "root on the host alone"}
SETTERS = ("set_", "add_to_", "add_", "remove_from_", "remove_")


def escape(value):
    return html.escape(str(value), quote=True)


def link(page, text, anchor=""):
    return f'<a href="{page}.html{anchor and "#" + anchor}">{escape(text)}</a>'


def type_text(name):
    """A type as HTML, in which its classes and enumerations lead to theirs."""
    def inner(match):
        page, anchor = ("enums", match[2]) if match[1] == "enum" else (match[2], "")
        return f"{match[1]}&lt;{link(page, match[2], anchor)}&gt;"
    return re.sub(r"(ref|record|enum)&lt;(\w+)&gt;", inner, escape(name))


def role_text(role, keys=None):
    words = [ROLE_WORDS.get(role, role)]
    words += [f"<code>{escape(key)}</code>: {needed}" for key, needed in (keys or {}).items()]
    return "; ".join(words)


def state_text(item):
    """"deprecated since tampa"; nothing for what was published and still is."""
    state = STATES.get(lifecycle(item["lifecycle"]))
    if not state:
        return ""
    since = item["lifecycle"].get({"prototype": "prototyped"}.get(state, state))
    return escape(f"{state} since {since}" if since else state).replace("removed since", "removed in")


def sentence(item):
    state = state_text(item)
    return escape(item.get("description", "")) + (f" <em>({state})</em>" if state else "")


def table(head, rows):
    if not rows:
        return "<p>None.</p>"
    lines = [f"<tr{row[0]}>" + "".join(f"<td>{cell}</td>" for cell in row[1:]) + "</tr>" for row in rows]
    return "\n".join(["<table>", "<tr>" + "".join(f"<th>{name}</th>" for name in head) + "</tr>", *lines, "</table>"])


def anchor(name, unserved=False):
    return f' id="{escape(name)}"' + (' class="unserved"' if unserved else "")


class Reference:
    def __init__(self, model, implemented, version):
        self.model, self.implemented, self.version = model, implemented, version

    def page(self, title, *parts):
        way = f'{link("index", "XenAPI")} · {link("enums", "enumerations")} · {link("errors", "errors")} · ' \
              f'{link("http", "HTTP")}'
        return "\n".join(["<!DOCTYPE html>", '<html lang="en"><head><meta charset="utf-8">',
                          f"<title>{escape(title)} - XenAPI of xapid</title>", f"<style>{STYLE}</style></head><body>",
                          f"<p>{way}</p>", f"<h1>{escape(title)}</h1>", *parts,
                          f"<hr><p>{escape(self.version)}</p>", "</body></html>", ""])

    def answer(self, cls, message):
        """How it is answered: "served", or the error that everybody gets."""
        if lifecycle(message["lifecycle"]) == "DM_REMOVED":
            return "MESSAGE_REMOVED"
        if message["kind"] == "DM_CUSTOM" and f"{cls['name']}.{message['name']}" not in self.implemented:
            return "NOT_IMPLEMENTED"
        return "served"

    @staticmethod
    def call(cls, message):
        """The message as one calls it, with the types of what goes in and comes out."""
        params = [] if "no-session" in message["flags"] else ["session_id"]
        for name, param in Model.params(message):
            text = f"{type_text(param['type'])} {escape(name)}"
            params.append(f"[{text} = {escape(json.dumps(param['default']))}]" if "default" in param else text)
        return f"{type_text(message['result'])} {cls['name']}.{escape(message['name'])} ({', '.join(params)})"

    # ---- a class ----

    def fields(self, cls):
        messages = {message["name"]: message for message in cls["all_messages"]}
        rows = []
        for field in cls["fields"]:
            if "internal" in field["flags"]:
                continue
            name, given = field["name"], ""
            if "create" in messages and field["qualifier"] != "DynamicRO":
                given = escape(json.dumps(field["default"])) if "default" in field else "required"
            setters = [messages[verb + name] for verb in SETTERS if verb + name in messages]
            writers = [f"<a href=\"#{setter['name']}\">{role_text(setter['role'])}</a>" for setter in setters[:1]]
            keys = [f"<code>{escape(key)}</code>: {role}" for key, role in field.get("key_roles", {}).items()]
            rows.append((anchor("." + name), name, type_text(field["type"]), given, "; ".join(writers + keys),
                         sentence(field)))
        return table(("field", "type", "when created", "written by", "meaning"), rows)

    def message(self, cls, message):
        """A message of the class's own."""
        answer, flags = self.answer(cls, message), message["flags"]
        facts = [f"Answers {link('errors', answer, answer)}." if answer != "served" else ""]
        if "no-session" in flags:
            facts.append("Takes no session.")
        elif "pool-internal" in flags:
            facts.append("For the hosts of the pool alone.")
        else:
            facts.append(f"Role: {role_text(message['role'], message.get('key_roles'))}.")
        if message.get("errors"):
            facts.append("Errors: " + ", ".join(link("errors", code, code) for code in message["errors"]) + ".")
        if "async" in flags:
            facts.append(f"Also as <code>Async.{cls['name']}.{escape(message['name'])}</code>.")
        if "hidden" in flags:
            facts.append("Not in the published reference of the XenAPI.")
        lines = [sentence(message), f"<code>{self.call(cls, message)}</code>", " ".join(filter(None, facts))]
        return "\n".join([f"<div{anchor(message['name'], answer != 'served')}>", f"<h3>{escape(message['name'])}</h3>",
                          *(f"<p>{line}</p>" for line in lines if line), "</div>"])

    def generic(self, cls, messages):
        rows = []
        for message in messages:
            answer = self.answer(cls, message)
            what = GENERIC[message["kind"]]
            if answer != "served":
                what = f"Answers {link('errors', answer, answer)}."
            if "async" in message["flags"]:
                what += " Also with Async."
            rows.append((anchor(message["name"], answer != "served"), message["name"],
                         f"<code>{self.call(cls, message)}</code>", role_text(message["role"], message.get("key_roles")),
                         what))
        return table(("message", "call", "role", "what it does"), rows)

    def facts(self, cls):
        """What its flags mean."""
        flags = cls["flags"]
        yield sentence(cls)
        yield escape(cls.get("note", ""))
        yield (f"Where nothing else is said, who reads needs {role_text(cls['read_role'])}, "
               f"who changes {role_text(cls['role'])}.")
        if "database" in flags:
            yield ("Its objects are kept on disk. " if "persistent" in flags else "Its objects are not kept on disk. ") + \
                ("Events tell of them." if "events" in flags else "No events tell of them.")

    def class_page(self, cls):
        own = [message for message in cls["all_messages"] if message["kind"] == "DM_CUSTOM"]
        generic = [message for message in cls["all_messages"] if message["kind"] != "DM_CUSTOM"]
        return self.page(cls["name"], *(f"<p>{text}</p>" for text in self.facts(cls) if text),
                         "<h2>Fields</h2>", self.fields(cls),
                         "<h2>Messages of its own</h2>", *([self.message(cls, message) for message in own] or ["<p>None.</p>"]),
                         "<h2>Messages as all classes have them</h2>", self.generic(cls, generic))

    # ---- what is beside the classes ----

    def enums(self):
        return self.page("Enumerations", table(("name", "values"), [
            (anchor(name), name, ", ".join(f"<code>{escape(value)}</code>" for value in values))
            for name, values in sorted(self.model.enums.items())]))

    def errors(self):
        return self.page("Errors", "<p>A failure is an error's code and its parameters.</p>",
                         table(("code", "parameters", "meaning"), [
                             (anchor(code), code, escape(", ".join(error["params"])), escape(error.get("description", "")))
                             for code, error in sorted(self.model.errors.items())]))

    def http(self):
        rows = []
        for action in self.model.http_actions:
            flags, query = action.get("flags", []), action.get("query", {})
            role = "the action itself decides" if "no-role-check" in flags else role_text(action["role"])
            rows.append((anchor(action["name"]), f"{action['method']} {escape(action['path'])}", escape(action["name"]), role,
                         ", ".join(f"<code>{escape(name)}</code>: {escape(kind)}" for name, kind in query.items())))
        return self.page("HTTP", "<p>What is asked for by HTTP besides the calls. Who shows no session and no password is "
                         "answered 401, who lacks the role 403, and who asks for what xapid does not serve 501.</p>",
                         table(("request", "name", "role", "query"), rows))

    def index(self):
        rows = []
        for cls in sorted(self.model.classes, key=lambda c: c["name"].lower()):
            own = [self.answer(cls, message) for message in cls["all_messages"] if message["kind"] == "DM_CUSTOM"]
            rows.append(("", link(cls["name"], cls["name"]), sentence(cls), f"{own.count('served')} of {len(own)}"))
        roles = ", ".join(self.model.roles)
        major, minor = self.model.model["served_api_version"].split(".")
        return self.page(
            "The XenAPI as xapid serves it",
            f"<p>Version {major}.{minor} of the API. The roles, strongest first: {roles}. Each may do what those "
            "behind it may.</p>",
            "<p>Messages of a class's own that xapid does not serve answer "
            f"{link('errors', 'NOT_IMPLEMENTED', 'NOT_IMPLEMENTED')}; they are grey. Those as all classes have them are "
            "served for every class.</p>",
            table(("class", "what it is", "messages of its own that are served"), rows))

    def write(self, folder):
        pages = {"enums": self.enums(), "errors": self.errors(), "http": self.http()}
        for cls in self.model.classes:
            pages[cls["name"]] = self.class_page(cls)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, text in (*pages.items(), ("index", self.index())):  # make looks at the index: it comes last
            (folder / f"{name}.html").write_text(text, encoding="utf-8")


def main(schema, xapid, folder):
    def said(option):
        return subprocess.run([xapid, option], stdout=subprocess.PIPE, text=True, check=True).stdout

    Reference(Model(schema), set(said("--implemented").split()), said("--version").strip()).write(Path(folder))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
