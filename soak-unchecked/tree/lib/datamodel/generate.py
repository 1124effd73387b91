#!/usr/bin/env python3
"""Turns the schema of the data model into C tables: generate.py SCHEMA-FOLDER OUTPUT.c

The schema (see schema/README.md) lists what is particular to each class; the generic messages are
derived here.  The output implements the tables that datamodel.h declares.  Same input, same bytes.
"""

import calendar
import json
import os
import sys
import time

ROLES = {
    None: "DM_ROLE_NONE",
    "read-only": "DM_ROLE_READ_ONLY",
    "client-cert": "DM_ROLE_CLIENT_CERT",
    "vm-operator": "DM_ROLE_VM_OPERATOR",
    "vm-admin": "DM_ROLE_VM_ADMIN",
    "vm-power-admin": "DM_ROLE_VM_POWER_ADMIN",
    "pool-operator": "DM_ROLE_POOL_OPERATOR",
    "pool-admin": "DM_ROLE_POOL_ADMIN",
    "local-root": "DM_ROLE_LOCAL_ROOT",
}
LIFECYCLES = {
    "removed": "DM_REMOVED",
    "deprecated": "DM_DEPRECATED",
    "published": "DM_PUBLISHED",
    "prototyped": "DM_PROTOTYPE",
}
QUALIFIERS = {"RW": "DM_RW", "StaticRO": "DM_STATIC_RO", "DynamicRO": "DM_DYNAMIC_RO"}
BASIC = {
    "void": ("DM_VOID", "()"),
    "string": ("DM_STRING", "s"),
    "bool": ("DM_BOOL", "b"),
    "int": ("DM_INT", "x"),
    "float": ("DM_FLOAT", "d"),
    "datetime": ("DM_DATETIME", "x"),
    "event_batch": ("DM_EVENT_BATCH", "a{sv}"),
}


def fail(text):
    sys.exit("generate.py: " + text)


def weight(role):
    return list(ROLES).index(role)


def check_keys(where, item, allowed, flags):
    unknown = set(item) - set(allowed.split()) | set(item.get("flags", [])) - set(flags.split())
    if unknown:
        fail(f"{where}: unknown {', '.join(sorted(unknown))}")


def c_string(text):
    """A C string literal, or NULL."""
    if text is None:
        return "NULL"
    out = ""
    for byte in text.encode():
        char = chr(byte)
        if char in '"\\':
            out += "\\" + char
        elif 0x20 <= byte < 0x7F:
            out += char
        else:
            out += f"\\{byte:03o}"
    return f'"{out}"'


def c_bool(value):
    return "true" if value else "false"


def lifecycle(value):
    """The schema has a release (published then), or each transition with its release."""
    if isinstance(value, str):
        return "DM_PUBLISHED"
    if "state" in value:
        return LIFECYCLES[value["state"]]
    return next(LIFECYCLES[state] for state in LIFECYCLES if state in value)


def split_type(name):
    """("map", ["string", "set<int>"]) of "map<string,set<int>>"."""
    if "<" not in name:
        return name, []
    outer, inner = name[:-1].split("<", 1)
    args, depth, start = [], 0, 0
    for i, char in enumerate(inner):
        depth += (char == "<") - (char == ">")
        if char == "," and depth == 0:
            args.append(inner[start:i])
            start = i + 1
    return outer, args + [inner[start:]]


class Model:
    def __init__(self, folder):
        def load(name):
            with open(os.path.join(folder, name), encoding="utf-8") as f:
                return json.load(f)

        self.model = load("model.json")
        self.enums = load("enums.json")
        self.errors = load("errors.json")
        self.http_actions = load("http_actions.json")
        self.alerts = load("alerts.json")
        self.roles = load("roles.json")
        self.classes = [load(f"classes/{name}.json") for name in self.model["classes"]]
        self.class_index = {c["name"]: i for i, c in enumerate(self.classes)}
        self.enum_index = {name: i for i, name in enumerate(self.enums)}
        self.field_index = {}
        for cls in self.classes:
            cls["flags"] = set(cls["flags"])
            for field in cls["fields"]:
                field["flags"] = set(field.get("flags", []))
                self.field_index[f"{cls['name']}.{field['name']}"] = len(self.field_index)
        # A field related to itself is an ordinary set; all other second sides are computed.
        self.reverse_of = {b: a for a, b in load("relations.json") if a != b}
        self.mirrored_by = {a: b for b, a in self.reverse_of.items()}
        for name in [*self.reverse_of, *self.mirrored_by]:
            if name not in self.field_index:
                fail(f"relations.json: no field {name}")
        for cls in self.classes:
            self.check_class(cls)
            cls["all_messages"] = sorted(self.messages(cls), key=lambda m: m["name"])

    @staticmethod
    def check_class(cls):
        name = cls["name"]
        check_keys(name, cls, "name description lifecycle note flags role read_role fields messages",
                   "database persistent events get-all create-destroy no-task-per-call secret")
        for field in cls["fields"]:
            check_keys(f"{name}.{field['name']}", field,
                       "name path type qualifier default flags get_role set_role key_roles lifecycle "
                       "description",
                       "internal stored-set setter-has-effect client-cert volatile")
            # Records, events and filters show all fields to whoever may read the class.
            if weight(field.get("get_role")) > weight(cls["read_role"]):
                fail(f"{name}.{field['name']}: a stronger get_role than the read_role of its class")
        if "events" in cls["flags"] and cls["read_role"] != "read-only":
            fail(f"{name}: event.from shows it to read-only, too")
        for message in cls["messages"]:
            check_keys(f"{name}.{message['name']}", message,
                       "name params result flags role key_roles extension errors lifecycle description",
                       "async no-session hidden pool-internal client-cert emergency not-forwarded "
                       "secret own-form")

    @staticmethod
    def params(message):
        for name, param in message["params"].items():
            yield name, param if isinstance(param, dict) else {"type": param}

    @staticmethod
    def messages(cls):
        """The listed messages and the generic ones, which follow from the class and its fields."""
        name = cls["name"]
        self_param = {"self": f"ref<{name}>"}
        record, refs = f"record<{name}>", f"set<ref<{name}>>"
        for message in cls["messages"]:
            yield {"kind": "DM_CUSTOM", "role": cls["role"], **message,
                   "flags": set(message.get("flags", []))}
        if "database" not in cls["flags"]:
            return

        def generic(message, kind, params, result, role=cls["read_role"], of=cls, field=None, flags=()):
            return {"name": message, "kind": kind, "params": params, "result": result, "role": role,
                    "lifecycle": of["lifecycle"], "field": field, "flags": set(flags),
                    "key_roles": (field or {}).get("key_roles") if kind in
                    ("DM_FIELD_ADD", "DM_FIELD_REMOVE") else None}

        yield generic("get_record", "DM_GET_RECORD", self_param, record)
        yield generic("get_by_uuid", "DM_GET_BY_UUID", {"uuid": "string"}, f"ref<{name}>")
        if any(field.get("path") == "name/label" for field in cls["fields"]):
            yield generic("get_by_name_label", "DM_GET_BY_NAME_LABEL", {"label": "string"}, refs)
        if "get-all" in cls["flags"]:
            records = f"map<ref<{name}>,{record}>"
            where = {"expr": "string"}
            yield generic("get_all", "DM_GET_ALL", {}, refs)
            yield generic("get_all_records", "DM_GET_ALL_RECORDS", {}, records)
            yield generic("get_all_where", "DM_GET_ALL_WHERE", where, refs, flags=["hidden"])
            yield generic("get_all_records_where", "DM_GET_ALL_RECORDS_WHERE", where, records,
                          flags=["hidden"])
        if "create-destroy" in cls["flags"]:
            yield generic("create", "DM_CREATE", {"args": record}, f"ref<{name}>", cls["role"],
                          flags=["async"])
            yield generic("destroy", "DM_DESTROY", self_param, "void", cls["role"], flags=["async"])
        for field in cls["fields"]:
            if "internal" in field["flags"]:
                continue
            outer, args = split_type(field["type"])
            fname, get_role = field["name"], field.get("get_role", cls["read_role"])
            set_role = field.get("set_role", cls["role"])
            yield generic("get_" + fname, "DM_FIELD_GET", self_param, field["type"], get_role, field, field)
            if field["qualifier"] != "RW":
                continue
            if outer == "set" and args[0].startswith("ref<") and "stored-set" not in field["flags"]:
                continue
            flags = field["flags"] & {"client-cert"}

            def setter(message, kind, params):
                return generic(message, kind, {**self_param, **params}, "void", set_role, field, field,
                               flags)

            yield setter("set_" + fname, "DM_FIELD_SET", {"value": field["type"]})
            if outer == "map":
                key, value = args
                yield setter("add_to_" + fname, "DM_FIELD_ADD", {"key": key, "value": value})
                yield setter("remove_from_" + fname, "DM_FIELD_REMOVE", {"key": key})
            elif outer == "set":
                yield setter("add_" + fname, "DM_FIELD_ADD", {"value": args[0]})
                yield setter("remove_" + fname, "DM_FIELD_REMOVE", {"value": args[0]})


class Writer:
    """Collects types, parameter lists and string vectors as they are met, then prints it all."""

    def __init__(self, model):
        self.model = model
        self.types = {}
        self.params = []
        self.vectors = {}
        self.key_roles = {}
        self.lines = []

    def type(self, name):
        if name not in self.types:
            for arg in split_type(name)[1] if not name.startswith(("ref<", "enum<", "record<")) else ():
                self.type(arg)
            self.types[name] = len(self.types)
        return f"&dm_types[{self.types[name]}]"

    def gvariant(self, name):
        outer, args = split_type(name)
        if outer in BASIC:
            return BASIC[outer][1]
        if outer in ("ref", "enum"):
            return "s"
        if outer == "record":
            return "a{sv}"
        if outer == "option":
            return self.gvariant(args[0])
        if outer == "set":
            return "a" + self.gvariant(args[0])
        if outer == "map":
            return "a{" + "".join(self.gvariant(arg) for arg in args) + "}"
        fail(f"no type {name}")

    def value(self, name, value):
        """GVariant text of a default."""
        outer, args = split_type(name)
        if outer == "set":
            return "[" + ", ".join(self.value(args[0], v) for v in value) + "]"
        if outer == "map":
            return "{" + ", ".join(f"{self.value(args[0], k)}: {self.value(args[1], v)}"
                                   for k, v in value.items()) + "}"
        if outer == "datetime":
            return str(calendar.timegm(time.strptime(value, "%Y%m%dT%H:%M:%SZ")) * 1000000)
        if outer == "enum" and value not in self.model.enums[args[0]]:
            fail(f"{value} is not in {name}")
        if outer == "int" and type(value) is not int or outer == "bool" and type(value) is not bool:
            fail(f"{value} is no {name}")
        return json.dumps(value)

    def default(self, item):
        return c_string(self.value(item["type"], item["default"]) if "default" in item else None)

    def vector(self, strings):
        """A shared NULL-terminated vector of strings."""
        number = self.vectors.setdefault(tuple(strings), len(self.vectors))
        return f"strings_{number}"

    def roles_of_keys(self, roles):
        if not roles:
            return "NULL"
        number = self.key_roles.setdefault(tuple(roles.items()), len(self.key_roles))
        return f"key_roles_{number}"

    def table(self, declaration, rows):
        self.lines += [declaration + " = {", *("    {" + row + "}," for row in rows), "};", ""]

    def enum_rows(self):
        for name, values in self.model.enums.items():
            yield f"{c_string(name)}, {self.vector(values)}, {len(values)}"

    def field_rows(self):
        for number, cls in enumerate(self.model.classes):
            for index, field in enumerate(cls["fields"]):
                full = f"{cls['name']}.{field['name']}"
                flags = field["flags"]
                reverse, mirror = self.model.reverse_of.get(full), self.model.mirrored_by.get(full)
                storage = "DM_DURABLE"
                if reverse:
                    storage = "DM_DERIVED"
                elif "volatile" in flags or "persistent" not in cls["flags"]:
                    storage = "DM_VOLATILE"
                set_role = field.get("set_role", cls["role"]) if field["qualifier"] == "RW" else None
                required = field["qualifier"] != "DynamicRO" and "default" not in field
                yield ", ".join([
                    c_string(field["name"]), str(index), f"&dm_classes[{number}]",
                    self.type(field["type"]), QUALIFIERS[field["qualifier"]], storage,
                    lifecycle(field["lifecycle"]), c_bool("internal" in flags),
                    c_bool(required and "internal" not in flags), self.default(field),
                    ROLES[field.get("get_role", cls["read_role"])], ROLES[set_role],
                    self.roles_of_keys(field.get("key_roles")),
                    f"&dm_fields[{self.model.field_index[reverse]}]" if reverse else "NULL",
                    f"&dm_fields[{self.model.field_index[mirror]}]" if mirror else "NULL",
                    c_string(field.get("description", "")), c_bool("setter-has-effect" in flags)])

    def param_list(self, message, full):
        """Appends the message's parameters; returns (start, n, n_required, any secret)."""
        start, required, secret = len(self.params), 0, False
        for name, param in self.model.params(message):
            optional = "default" in param
            if not optional and required != len(self.params) - start:
                fail(f"{full}: {name} follows an optional parameter")
            required += not optional
            secret |= param.get("secret", False)
            self.params.append(f"{c_string(name)}, {self.type(param['type'])}, {c_bool(optional)}, "
                               f"{self.default(param)}, {c_bool(param.get('secret'))}")
        return start, len(self.params) - start, required, secret

    def message_rows(self):
        for number, cls in enumerate(self.model.classes):
            for message in cls["all_messages"]:
                full = f"{cls['name']}.{message['name']}"
                flags, field = message["flags"], message.get("field")
                start, n_params, n_required, secret = self.param_list(message, full)
                field_number = field and self.model.field_index[f"{cls['name']}.{field['name']}"]
                secret = secret or "secret" in flags or "secret" in cls["flags"]
                yield ", ".join([
                    c_string(message["name"]), c_string(full), c_string(full.lower()),
                    f"&dm_classes[{number}]", f"&dm_fields[{field_number}]" if field else "NULL",
                    message["kind"], lifecycle(message["lifecycle"]),
                    c_bool("no-session" not in flags), c_bool("async" in flags),
                    c_bool("pool-internal" in flags), c_bool("hidden" in flags),
                    c_bool("emergency" in flags), c_bool("client-cert" in flags), c_bool(secret),
                    ROLES[message["role"]], f"&dm_params[{start}]", str(n_params), str(n_required),
                    self.type(message["result"]), self.roles_of_keys(message.get("key_roles")),
                    self.vector(message.get("errors", [])), c_string(message.get("description", "")),
                    c_bool("not-forwarded" in flags), c_bool("own-form" in flags),
                    c_string(message.get("extension"))])

    def class_rows(self):
        field, message = 0, 0
        for index, cls in enumerate(self.model.classes):
            flags, fields = cls["flags"], cls["fields"]
            order = sorted(range(len(fields)), key=lambda i: fields[i]["name"])
            self.lines.append(f"static const unsigned short field_order_{index}[] = "
                              f"{{{', '.join(map(str, order or [0]))}}};")
            yield ", ".join([
                c_string(cls["name"]), c_string(cls["name"].lower()), str(index),
                lifecycle(cls["lifecycle"]), c_bool("database" in flags), c_bool("persistent" in flags),
                c_bool("events" in flags), c_bool("get-all" in flags), c_bool("create-destroy" in flags),
                c_bool(any(f["name"] == "uuid" for f in fields)),
                c_bool(any(f.get("path") == "name/label" for f in fields)),
                ROLES[cls["role"]], ROLES[cls["read_role"]], f"&dm_fields[{field}]", str(len(fields)),
                f"&dm_messages[{message}]", str(len(cls["all_messages"])),
                c_string(cls.get("description", "")), c_bool("no-task-per-call" not in flags),
                f"field_order_{index}"])
            field += len(fields)
            message += len(cls["all_messages"])

    def type_rows(self):
        for name in self.types:
            outer, args = split_type(name)
            cls = enum = key = elem = "NULL"
            kind = BASIC[outer][0] if outer in BASIC else "DM_" + outer.upper()
            if outer in ("ref", "record"):
                cls = f"&dm_classes[{self.model.class_index[args[0]]}]"
                kind = "DM_EVENT" if name == "record<event>" else kind
            elif outer == "enum":
                enum = f"&dm_enums[{self.model.enum_index[args[0]]}]"
            elif args:
                elem = self.type(args[-1])
                key = self.type(args[0]) if outer == "map" else "NULL"
            elif outer == "event_batch":
                elem = self.type("record<event>")
            yield f"{c_string(name)}, {kind}, {c_string(self.gvariant(name))}, {cls}, {enum}, {key}, {elem}"

    def http_rows(self):
        for action in self.model.http_actions:
            check_keys(action["name"], action, "name method path role query flags sub_actions",
                       "client-cert no-role-check hidden")
            flags = set(action.get("flags", []))
            yield ", ".join([
                c_string(action["name"]), c_string(action["method"]), c_string(action["path"]),
                ROLES[action["role"]], c_bool("no-role-check" not in flags),
                c_bool("client-cert" in flags), c_bool("hidden" in flags),
                self.roles_of_keys(action.get("sub_actions")),
                self.vector(list(action.get("query", {})))])

    def error_rows(self):
        for code, error in sorted(self.model.errors.items()):
            check_keys(code, error, "params description documented", "")
            yield (f"{c_string(code)}, {self.vector(error['params'])}, "
                   f"{c_string(error.get('description', ''))}")

    def write(self, out):
        model = self.model
        self.type("event_batch")
        self.type("record<event>")
        for cls in model.classes:  # any class may be converted and checked as a whole
            self.type(f"ref<{cls['name']}>")
            self.type(f"record<{cls['name']}>")
        tables = [
            ("static const struct dm_enum dm_enums[]", list(self.enum_rows())),
            ("const struct dm_field dm_fields[]", list(self.field_rows())),
            ("const struct dm_message dm_messages[]", list(self.message_rows())),
            ("const struct dm_param dm_params[]", self.params),
            ("const struct dm_class dm_classes[]", list(self.class_rows())),
            ("const struct dm_type dm_types[]", list(self.type_rows())),
            ("const struct dm_error dm_errors[]", list(self.error_rows())),
            ("const struct dm_http_action dm_http_actions[]", list(self.http_rows())),
            ("const struct dm_alert dm_alerts[]",
             [f"{c_string(name)}, {priority}" for name, priority in model.alerts.items()]),
        ]
        field_orders, self.lines = self.lines, []
        self.lines += ["/* Generated by generate.py from the schema. */", '#include "config.h"', "",
                       '#include "lib/datamodel/datamodel.h"', "",
                       f"static const struct dm_enum dm_enums[{len(model.enums)}];", ""]
        for strings, number in self.vectors.items():
            members = "".join(c_string(s) + ", " for s in strings)
            self.lines.append(f"static const char *const strings_{number}[] = {{{members}NULL}};")
        for roles, number in self.key_roles.items():
            members = "".join(f"{{{c_string(key)}, {ROLES[role]}}}, " for key, role in roles)
            self.lines.append(f"static const struct dm_key_role key_roles_{number}[] = "
                              f"{{{members}{{NULL, DM_ROLE_NONE}}}};")
        self.lines += field_orders + [""]
        for declaration, rows in tables:
            self.table(declaration, rows)
            name = declaration.split()[-1][:-2]
            if name != "dm_enums":
                self.lines += [f"const unsigned dm_n_{name[3:]} = {len(rows)};", ""]
        by_lower = sorted(model.classes, key=lambda c: c["name"].lower())
        self.lines += ["const unsigned short dm_class_order[] = {"
                       + ", ".join(str(model.class_index[c["name"]]) for c in by_lower) + "};"]
        self.lines += ["const char *const dm_role_names[DM_ROLE_MAX] = {"]
        self.lines += [f"    [{ROLES[role]}] = {c_string(role)}," for role in model.roles]
        major, minor = model.model["served_api_version"].split(".")
        self.lines += ["};", f"const int dm_api_version_major = {major};",
                       f"const int dm_api_version_minor = {minor};"]
        major, minor = model.model["db_schema_version"]
        self.lines += [f"const int dm_db_schema_major = {major};",
                       f"const int dm_db_schema_minor = {minor};"]
        out.write("\n".join(self.lines) + "\n")


def main():
    if len(sys.argv) != 3:
        fail("usage: generate.py SCHEMA-FOLDER OUTPUT.c")
    temporary = sys.argv[2] + ".tmp"
    with open(temporary, "w", encoding="ascii") as out:
        Writer(Model(sys.argv[1])).write(out)
    os.replace(temporary, sys.argv[2])


if __name__ == "__main__":
    main()
