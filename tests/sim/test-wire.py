#!/usr/bin/python3
"""Forms of a request: both JSON-RPCs, HTTP/1.0 and kept connections, names, and paths that only a later
version serves."""
import http.client
import json
import socket
import sys
import xmlrpc.client
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "unit")]
import tap
from host import GUEST, Client, Host, UnixConnection, fails

SCHEMA = HERE.parents[1] / "lib" / "datamodel" / "schema"


def json_rpc(connection, **request):
    connection.request("POST", "/jsonrpc", json.dumps(request), {"Content-Type": "application/json"})
    reply = connection.getresponse()
    body = json.loads(reply.read())
    assert reply.status == 200 and reply.getheader("Content-Type") == "application/json"
    assert reply.getheader("Access-Control-Allow-Origin") == "*"
    return body


def test_json_rpc_1():
    with Host(https=True) as host:
        x = host.client()
        for connection in (UnixConnection(host.socket), host.tls()):
            answer = json_rpc(connection, method="VM.get_all", params=[x.session_ref], id="a")
            assert answer == {"result": x.VM.get_all(), "error": None, "id": "a"}, answer
            answer = json_rpc(connection, method="VM.get_record", params=[x.session_ref, "OpaqueRef:none"], id=7)
            assert answer == {"result": None, "error": ["HANDLE_INVALID", "VM", "OpaqueRef:none"], "id": 7}, answer
            answer = json_rpc(connection, method="nothing.like_it", params=[], id=8)
            assert answer["error"] == ["MESSAGE_METHOD_UNKNOWN", "nothing.like_it"] and answer["id"] == 8, answer


def test_the_same_connection_speaks_all_dialects():
    with Host() as host:
        x = host.client()
        connection = UnixConnection(host.socket)
        one = json_rpc(connection, method="pool.get_all", params=[x.session_ref], id=1)["result"]
        two = json_rpc(connection, jsonrpc="2.0", method="pool.get_all", params=[x.session_ref], id=2)["result"]
        connection.request("POST", "/RPC2", xmlrpc.client.dumps((x.session_ref,), "pool.get_all"),
                           {"Content-Type": "text/xml"})
        three = xmlrpc.client.loads(connection.getresponse().read())[0][0]["Value"]
        assert one == two == three == x.pool.get_all()


def test_every_other_path_is_xml_rpc():
    with Host(https=True) as host:
        x = host.client()
        call = xmlrpc.client.dumps((x.session_ref,), "pool.get_all")
        for connection in (UnixConnection(host.socket), host.tls()):
            for path in ("/", "/RPC2", "/xmlrpc", "/json", "/any/other?session=none"):
                connection.request("POST", path, call, {"Content-Type": "text/xml"})
                reply = connection.getresponse()
                answer = xmlrpc.client.loads(reply.read())[0][0]
                assert reply.status == 200 and reply.getheader("Access-Control-Allow-Origin") == "*", path
                assert answer == {"Status": "Success", "Value": x.pool.get_all()}, (path, answer)


def test_browsers_ask_first():
    """A page of elsewhere may post here: a browser asks by OPTIONS before it sends what is not a form."""
    with Host(https=True) as host:
        for connection in (UnixConnection(host.socket), host.tls()):
            for path in ("/", "/json", "/jsonrpc", "/xmlrpc"):
                for asked, allowed in (({}, "X-Requested-With"),
                                       ({"Access-Control-Request-Headers": "content-type"},
                                        "content-type, X-Requested-With")):
                    connection.request("OPTIONS", path, headers={
                        "Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST", **asked})
                    reply = connection.getresponse()
                    told = [reply.getheader(f"Access-Control-Allow-{name}") for name in ("Origin", "Headers", "Methods")]
                    assert reply.read() == b"" and reply.status == 200, (path, reply.status)
                    assert told == ["*", allowed, "PUT"], (path, told)


def test_is_alive():
    with Host() as host:
        for x, given in ((Client(host), ("word", "\u2603", True)),
                         (Client(host, json_rpc=True), ("word", "\u2603", True, False, 42, 1.5))):
            for value in given:
                assert x.raw("system.isAlive", value) == value, value
            fails("MESSAGE_PARAMETER_COUNT_MISMATCH", x.raw, "system.isAlive")
            fails("INVALID_VALUE", x.raw, "system.isAlive", ["a list"])
        assert "system.isAlive" in Client(host).raw("system.listMethods")


def exchange(host, request):
    """All that the server sends to a request, until it closes."""
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(10)
        raw.connect(host.socket)
        raw.sendall(request)
        reply = b""
        while data := raw.recv(65536):
            reply += data
    head, _, body = reply.partition(b"\r\n\r\n")
    return head.decode().split("\r\n"), body


def test_http_1_0_closes():
    with Host() as host:
        call = xmlrpc.client.dumps((), "system.listMethods").encode()
        head, body = exchange(host, b"POST / HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s" % (len(call), call))
        assert head[0].split(" ", 1)[1] == "200 OK", head
        assert not any(line.lower().startswith("transfer-encoding") for line in head), head
        assert "VM.start" in xmlrpc.client.loads(body)[0][0]


def test_http_1_1_goes_on():
    with Host() as host:
        x = host.client()
        opened = x._connection.sock
        for _ in range(50):
            x.VM.get_all()
        assert x._connection.sock is opened, "the connection was closed between calls"
        call = xmlrpc.client.dumps((), "system.listMethods").encode()
        post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % len(call)
        _, both = exchange(host, post + b"\r\n" + call + post + b"Connection: close\r\n\r\n" + call)
        assert both.count(b"<methodResponse>") == 2, "two requests, one connection"


def test_names_with_an_underscore():
    with Host() as host:
        x = host.client()
        vm = x.call("VM_create", GUEST)
        assert x.call("VM_get_record", vm) == x.VM.get_record(vm)
        x.call("VM_start", vm, False, False)
        metrics = x.VM.get_metrics(vm)
        assert x.call("VM_metrics_get_record", metrics)["uuid"] == x.VM_metrics.get_uuid(metrics)
        assert x.call("host_metrics_get_all") == x.host_metrics.get_all()
        fails("MESSAGE_METHOD_UNKNOWN", x.call, "VM_no_such_thing", vm)


SERVED = ("/", "/RPC2", "/json", "/jsonrpc", "/pool/xmldbdump", "/import_raw_vdi", "/export_raw_vdi", "/console", "/vncsnapshot",
          "/export", "/export_metadata", "/import")


def test_what_http_does_not_serve_says_so():
    """To root; others are asked who they are before (test-role-matrix.py)."""
    with Host() as host:
        actions = json.loads((SCHEMA / "http_actions.json").read_text())
        connection, tried = UnixConnection(host.socket), 0
        for action in actions:
            if action["path"] in SERVED:
                continue
            connection.request(action["method"], action["path"], b"" if action["method"] != "GET" else None)
            try:
                reply = connection.getresponse()
                body = reply.read().decode()
            except http.client.HTTPException as error:
                raise AssertionError(f"{action}: {error!r}") from error
            assert reply.status == 501 and action["name"] in body, (action, reply.status, body)
            tried += 1
        assert tried > 30, tried


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])
