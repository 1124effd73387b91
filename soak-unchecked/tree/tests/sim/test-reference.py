#!/usr/bin/python3
"""The reference of the API: it has everything that the published model has (facts.txt), its links lead
somewhere, and what it says of a message's answer and role is what a host does."""
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import facts
import tap
from accounts import Accounts
from host import BUILDDIR, Failure, Host

FOLDER = BUILDDIR / "docs" / "api"
VOID = {"meta", "hr"}  # have no end
CLASSES = facts.load()


class Page(HTMLParser):
    """What is in a page: its links, and the texts that have an id."""

    def __init__(self, path):
        super().__init__()
        self.name, self.open, self.ids, self.links, self.tags = path.stem, [], {}, [], set()
        self.feed(path.read_text())
        self.close()
        assert not self.open, f"{self.name}: {self.open} have no end"

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.add(tag)
        assert not [name for name in attributes if name.startswith("on")], f"{self.name}: {attributes}"
        if tag in VOID:
            return
        name = attributes.get("id")
        assert name is None or name not in self.ids, f"{self.name}: {name} is there twice"
        self.open.append((tag, name))
        if name:
            self.ids[name] = ""
        self.handle_data({"td": "|", "p": "\n"}.get(tag, ""))
        if "href" in attributes:
            self.links.append(attributes["href"])

    def handle_endtag(self, tag):
        assert self.open and self.open.pop()[0] == tag, f"{self.name}: </{tag}>"

    def handle_data(self, data):
        for _, around in self.open:
            if around:
                self.ids[around] += data

    def answer(self, message):
        """The error that a message always answers with, or "served"."""
        for code in ("NOT_IMPLEMENTED", "MESSAGE_REMOVED"):
            if f"Answers {code}." in self.ids[message]:
                return code
        return "served"

    def role(self, message):
        """Who may call it, as it says so: a message of the class's own, or a row of those that follow."""
        text = self.ids[message]
        if "|" in text:
            return text.split("|")[3].partition(";")[0]
        return re.findall(r"^(?:Answers \w+\. )?(?:Role: |For |Takes )([^.;]+)[.;]", text, re.M)[-1]


PAGES = {path.stem: Page(path) for path in sorted(FOLDER.glob("*.html"))}


def short(cls, full_name):
    return full_name[len(cls.name) + 1:]


def test_everything_is_there():
    assert len(PAGES) == len(CLASSES) + 4, sorted(PAGES)
    n_messages = 0
    for cls in CLASSES:
        page = PAGES[cls.name]
        missing = [name for name in cls.roles if short(cls, name) not in page.ids]
        missing += [name for name in cls.fields if "." + name not in page.ids]
        assert not missing, (cls.name, missing)
        assert f"{cls.name}.html" in PAGES["index"].links
        n_messages += len(cls.roles)
    print(f"# {n_messages} messages of {len(CLASSES)} classes")
    assert n_messages > 2200, n_messages


def test_links_lead_somewhere():
    n_links = 0
    for page in PAGES.values():
        for link in page.links:
            name, _, anchor = link.partition("#")
            assert not name or name.endswith(".html"), (page.name, link)
            there = PAGES.get(name.removesuffix(".html")) if name else page
            assert there and (not anchor or anchor in there.ids), f"{page.name}: {link} leads nowhere"
            n_links += 1
    assert n_links > 4000, n_links


def test_nothing_in_it_runs_or_is_fetched():
    for page in PAGES.values():
        assert not page.tags & {"script", "link", "img", "iframe", "object"}, page.name


def test_it_has_what_a_host_lists():
    with Host() as host:
        listed = {name for name in host.client().raw("system.listMethods")
                  if not name.startswith(("Async.", "system."))}
    shown = {f"{cls.name}.{name}" for cls in CLASSES for name in PAGES[cls.name].ids if not name.startswith(".")}
    assert listed == shown, listed ^ shown


def answer(root, method, params):
    """As Page.answer, of a host."""
    try:
        root.call(method, *params)
    except Failure as failure:
        assert failure.code not in ("MESSAGE_PARAMETER_COUNT_MISMATCH", "FIELD_TYPE_ERROR"), f"{method}: {failure}"
        if failure.code in ("NOT_IMPLEMENTED", "MESSAGE_REMOVED"):
            return failure.code
    return "served"


def test_a_host_answers_as_it_says():
    wrong, counts = [], {}
    with Host(accounts=Accounts({"root": (0, "secret")})) as host:
        root = host.client(json_rpc=True)
        for cls in CLASSES:
            for method, params in {**facts.calls(cls), **{name: [] for name in cls.removed}}.items():
                if method == "session.change_password":  # it would be done
                    continue
                said, does = PAGES[cls.name].answer(short(cls, method)), answer(root, method, params)
                counts[does] = counts.get(does, 0) + 1
                if said != does:
                    wrong.append(f"{method}: {does} instead of {said}")
    assert not wrong, "\n".join(wrong)
    print(f"# {counts}")
    assert all(counts[kind] > 30 for kind in ("served", "NOT_IMPLEMENTED", "MESSAGE_REMOVED")), counts


def test_roles_are_those_of_the_published_model():
    words = {"pool": "the hosts of the pool alone", "local-root": "root on the host alone"}
    sessionless = {message.name for cls in CLASSES for message in cls.custom if not message.session}
    for cls in CLASSES:
        for name, role in cls.roles.items():
            said = PAGES[cls.name].role(short(cls, name))
            assert said == ("no session" if name in sessionless else words.get(role, role)), f"{name}: {said}, not {role}"


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])
