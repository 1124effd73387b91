"""facts.txt, and values of the types in it."""
import json
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ENUMS = json.loads((HERE.parents[1] / "lib" / "datamodel" / "schema" / "enums.json").read_text())
NULL = "OpaqueRef:NULL"
UNKNOWN = "OpaqueRef:unknown"
# They end the session that asks, and event.next waits.  Every role may call them, as other tests do.
NOT_TRIED = {"session.logout", "session.local_logout", "event.next"}


@dataclass
class Message:
    name: str  # with its class
    params: list  # types
    removed: bool
    session: bool


@dataclass
class Class:
    name: str
    generic: set
    removed: set  # full names of messages that the API does not have any more
    required: list  # fields that create asks for
    fields: dict = field(default_factory=dict)  # name -> (type, verbs)
    custom: list = field(default_factory=list)
    roles: dict = field(default_factory=dict)  # full names of messages -> the least that may call them
    key_roles: dict = field(default_factory=dict)  # name of a map -> {key: role}

    @property
    def in_database(self):
        return "get_record" in self.generic

    def verb(self, verb, name):
        """The message that gets, sets, adds to or removes from a field."""
        map_word = {"add": "_to", "remove": "_from"}.get(verb, "") * self.fields[name][0].startswith("map")
        return f"{self.name}.{verb}{map_word}_{name}"


def split(types):
    """"int,map<string,int>" -> ["int", "map<string,int>"]."""
    parts, depth = [""], 0
    for char in types:
        depth += {"<": 1, ">": -1}.get(char, 0)
        if char == "," and not depth:
            parts.append("")
        else:
            parts[-1] += char
    return parts if types else []


def with_role(word):
    """"set@vm-admin" -> ("set", "vm-admin")."""
    name, _, role = word.partition("@")
    return name, role or "read-only"


def load():
    classes = []
    for line in (HERE / "facts.txt").read_text().splitlines():
        words = line.split(" ")
        if words[0] in ("#", ">"):
            continue
        if words[0] == "=":
            kinds = dict(with_role(word) for word in words[2:] if word[0] != "+")
            cls = Class(words[1], {kind.lstrip("-") for kind in kinds},
                        {f"{words[1]}.{kind[1:]}" for kind in kinds if kind[0] == "-"},
                        [word[1:] for word in words[2:] if word[0] == "+"])
            cls.roles = {f"{cls.name}.{kind.lstrip('-')}": role for kind, role in kinds.items()}
            classes.append(cls)
        elif "(" in line:
            line, role = with_role(line)
            name, _, params = line.rstrip(")").partition("(")
            message = Message(f"{cls.name}.{name.lstrip('-!')}", split(params), "-" in name, "!" not in name)
            cls.custom.append(message)
            cls.roles[message.name] = role
            if message.removed:
                cls.removed.add(message.name)
        else:
            name = words[0]
            verbs = dict(with_role(word) for word in words[2:] if word[0] != "/")
            cls.fields[name] = (words[1], {verb.lstrip("-") for verb in verbs})
            cls.removed |= {cls.verb(verb[1:], name) for verb in verbs if verb[0] == "-"}
            cls.roles.update({cls.verb(verb.lstrip("-"), name): role for verb, role in verbs.items()})
            keys = dict(with_role(word[1:]) for word in words[2:] if word[0] == "/")
            if keys:
                cls.key_roles[name] = keys
    return classes


@dataclass
class Action:
    """Of HTTP."""
    method: str
    path: str
    name: str
    role: str  # "": whoever asks


def http_actions():
    found = []
    for line in (HERE / "facts.txt").read_text().splitlines():
        if line.startswith("> "):
            method, path, name = line[2:].split(" ")
            found.append(Action(method, path, name[1:], "") if name[0] == "!" else Action(method, path, *with_role(name)))
    return found


def values(kind, refs=()):
    """A few different values of a type, as JSON has them; refs: references of rows of its class."""
    outer, _, inner = kind.partition("<")
    inner = split(inner[:-1])
    if outer in ("string", "secret"):
        return ["one", "two \u00e4\u2603 <&\"'"]
    if outer == "bool":
        return [True, False]
    if outer == "int":
        return [7, -(1 << 53)]
    if outer == "float":
        return [0.5, -1e300]
    if outer == "datetime":
        return ["20260102T03:04:05Z", "19991231T23:59:59Z"]
    if outer == "ref":
        return [*refs, NULL]
    if outer == "enum":
        return ENUMS[inner[0]]
    if outer == "option":
        return values(inner[0], refs)
    if outer == "set":
        some = values(inner[0], refs)
        return [some, some[:1], []] if not inner[0].startswith("ref") else [[*refs], []]
    if outer == "map":
        keys, some = values(inner[0], refs), values(inner[1], refs)
        keys = [str(key) for key in keys if key != NULL]
        return [dict(zip(keys, some * len(keys))), dict(zip(keys[:1], some[-1:])), {}]
    return [{}]  # a record


def junk(kind):
    """Of the right type, but of nothing that is there."""
    if kind.startswith("ref<"):
        return UNKNOWN
    return {} if kind.startswith("map<") else [] if kind.startswith("set<") else values(kind)[0]


def calls(cls):
    """Each message of a class that takes a session, and parameters for it."""
    own = {message.name: message.params for message in cls.custom if message.session}
    for kind in cls.generic:
        own[f"{cls.name}.{kind}"] = {"create": ["record"], "destroy": ["ref<>"], "get_record": ["ref<>"],
                                     "get_by_uuid": ["string"], "get_by_name_label": ["string"],
                                     "get_all_where": ["string"], "get_all_records_where": ["string"]}.get(kind, [])
    for name, (kind, verbs) in cls.fields.items():
        outer, _, inner = kind.partition("<")
        inner = split(inner[:-1])
        params = {"get": [], "set": [kind], "add": inner, "remove": inner[:1]}
        own.update({cls.verb(verb, name): ["ref<>", *params[verb]] for verb in verbs})
    return {name: [junk(kind) for kind in params] for name, params in own.items()
            if name not in cls.removed and name not in NOT_TRIED}
