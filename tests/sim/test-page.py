#!/usr/bin/python3
"""The files of the page for browsers: which are served, to whom, and with which fields of HTTP.  What a browser makes of
them: tests/clients/test-browser.py."""
import html.parser
import http.client
import re
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from host import PAGE, Host, UnixConnection, free_port

NOVNC = "define('core/rfb.js');"


def get(connection, path, headers=()):
    connection.request("GET", path, headers=dict(headers))
    reply = connection.getresponse()
    return reply, reply.read()


def path_of(file):
    return "/" if file.name == "index.html" else f"/page/{file.name}"


def imports(text):
    return re.findall(r'(?:^import|^export).*?"\./([\w.-]+)"', text, re.M)


class Tags(html.parser.HTMLParser):
    """Where the page has code of its own, and what it refers to."""

    def __init__(self, text):
        super().__init__()
        self.inline, self.refers, self.script = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.script = tag in ("script", "style")
        self.inline += [(tag, name) for name in given if name.startswith("on") or name == "style"]
        self.refers += [given[name] for name in ("src", "href") if name in given]

    def handle_data(self, data):
        if self.script and data.strip():
            self.inline.append(data)

    def handle_endtag(self, tag):
        self.script = False


def test_each_file_and_no_other():
    with Host(https=True) as host:
        for connection in host.tls(), UnixConnection(host.socket):
            for file in PAGE.iterdir():
                if file.suffix == ".mk":
                    continue
                reply, body = get(connection, path_of(file))
                assert reply.status == 200 and body == file.read_bytes(), (file, reply.status)
                kind = {".html": "html", ".css": "css", ".js": "javascript"}[file.suffix]
                assert reply.headers["Content-Type"] == f"text/{kind}; charset=utf-8", (file, reply.headers["Content-Type"])
                for imported in imports(body.decode()):
                    assert (PAGE / imported).exists(), (file, imported)
            for path in ("/page", "/page/", "/page/local.mk", "/page/index.html", "/index.html", "/favicon.ico", "/page/main.js/", "/page//main.js",
                         "/page/../xapid.conf", "/page/%2e%2e/xapid.conf", "/page/..%2fxapid.conf", "/page/main.js%00.html", "/etc/passwd",
                         "/page/novnc/", "/page/novnc/vnc.html", "/page/novnc/core/../vnc.html", "/page/novnc/../main.js", "//", "/page/MAIN.JS"):
                reply, _ = get(connection, path)
                assert reply.status in (400, 404 if path.startswith("/page/") else 405), (path, reply.status)
                if reply.status == 400:  # it was no path at all, and the connection is over
                    connection.close()


def test_the_page_has_no_code_of_its_own():
    tags = Tags((PAGE / "index.html").read_text())
    assert not tags.inline, tags.inline
    refers = [where for where in tags.refers if where != "data:,"]
    assert refers and all((PAGE / where.removeprefix("page/")).exists() for where in refers), refers


def test_what_protects_it():
    with Host(https=True) as host:
        for path in "/", "/page/main.js", "/page/page.css":
            reply, _ = get(host.tls(), path)
            policy = dict(part.strip().partition(" ")[::2] for part in reply.headers["Content-Security-Policy"].split(";"))
            for name in "default-src", "base-uri", "form-action", "frame-ancestors", "trusted-types":
                assert policy[name] == "'none'", policy
            for name in "script-src", "style-src", "connect-src":
                assert policy[name] == "'self'", policy
            assert policy["require-trusted-types-for"] == "'script'" and "unsafe" not in str(policy) and "*" not in str(policy), policy
            assert reply.headers["X-Content-Type-Options"] == "nosniff" and reply.headers["X-Frame-Options"] == "DENY"
            assert reply.headers["Referrer-Policy"] == "no-referrer"
            assert reply.headers.get_all("Cache-Control") == ["no-cache"] and "Set-Cookie" not in reply.headers
        # A request that does something is no page: nothing of it is kept.
        reply, _ = get(host.tls(), "/page/none.js")
        assert reply.headers.get_all("Cache-Control") == ["no-cache, no-store"], reply.headers


def test_it_is_asked_for_again_only_when_it_has_changed():
    with Host(https=True) as host:
        connection, file = host.tls(), host.dir / "page" / "main.js"
        reply, body = get(connection, "/page/main.js")
        tag = reply.headers["ETag"]
        for known in tag, f"W/{tag}", f'"other", {tag}':
            again, nothing = get(connection, "/page/main.js", {"If-None-Match": known})
            assert (again.status, nothing, again.headers["ETag"]) == (304, b"", tag), (again.status, nothing)
            assert "Content-Length" not in again.headers and again.headers["Content-Security-Policy"]
        assert get(connection, "/page/page.css", {"If-None-Match": tag})[0].status == 200
        file.write_text("/* of another version */")
        again, body = get(connection, "/page/main.js", {"If-None-Match": tag})
        assert (again.status, body) == (200, b"/* of another version */") and again.headers["ETag"] != tag
        file.write_bytes(b" " * ((1 << 20) + 1))
        assert get(connection, "/page/main.js")[0].status == 404
        file.unlink()
        assert get(connection, "/page/main.js", {"If-None-Match": tag})[0].status == 404


def test_novnc_comes_and_goes():
    with Host(https=True) as host:
        host.stop()
        folder = host.dir / "novnc"
        with open(host.config, "a") as config:
            config.write(f"[xapid]\nnovnc_dir={folder}\n")
        host.start()
        connection = host.tls()
        assert get(connection, "/page/novnc/core/rfb.js")[0].status == 404
        (folder / "core").mkdir(parents=True)
        for name in "core/rfb.js", "vnc.html":
            (folder / name).write_text(NOVNC)
        reply, body = get(connection, "/page/novnc/core/rfb.js")
        assert (reply.status, body.decode(), reply.headers["Content-Type"]) == (200, NOVNC, "text/javascript; charset=utf-8")
        assert get(connection, "/page/novnc/vnc.html")[0].status == 404


def test_passwords_are_asked_for_over_tls():
    port = free_port()
    with Host(f"http_port={port}", https=True) as host:
        for name, url in ("xen1.example", "xen1.example"), (f"xen1.example:{port}", "xen1.example"), ("[::1]:80", "[::1]"):
            reply, _ = get(http.client.HTTPConnection("127.0.0.1", port), "/", {"Host": name})
            assert (reply.status, reply.headers["Location"]) == (302, f"https://{url}:{host.https_port}/"), (name, reply.headers)
        reply, body = get(http.client.HTTPConnection("127.0.0.1", port), "/page/api.js", {"Host": "a b\tc"})
        assert reply.status in (400, 403) or reply.headers["Location"].startswith("https://a%20b"), (reply.status, reply.headers)
        assert b"jsonrpc" not in body
    with Host(f"http_port={port}") as host:
        reply, _ = get(http.client.HTTPConnection("127.0.0.1", port), "/")
        assert reply.status == 403


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])
