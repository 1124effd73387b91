#!/usr/bin/python3
"""The page for browsers in one, headless Chromium: a VM's life, its console by noVNC, and names that are scripts."""
import contextlib
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "sim"), str(HERE.parent / "unit")]
import tap
from accounts import Accounts
from browser import CTRL, Browser
from consoles import tty_of
from disks import connected, new_sr, new_vbd, new_vdi
from guests import XenStore, shown
from host import GUEST, Failure, Host
from rfb import Picture

ACCOUNTS = Accounts({"root": (0, "secret"), "rita": (1501, "rita's")})
# What each would do, were it taken for more than text.
SCRIPTS = ("<script>hit()</script>", "<img src=x onerror=hit()>", "\"><svg onload=hit()>", "'-hit()-'", "javascript:hit()",
           "<iframe srcdoc='<script>parent.hit()</script>'></iframe>", "</script><script>hit()</script>", "${hit()}",
           "<style>*{display:none}</style>", "<a href=javascript:hit()>here</a>")
CANVAS = """(() => {
    const canvas = document.querySelector("#console canvas");
    if (!canvas?.width) return null;
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let seen = "";
    for (let at = 0; at < data.length; at += 4) seen += data[at] + data[at + 1] + data[at + 2] > 96 ? "1" : "0";
    return [canvas.width, canvas.height, seen];
})()"""
browser = Browser()


@contextlib.contextmanager
def page(**options):
    """(the host, its API, the page of somebody who has logged in)"""
    with Host(https=True, accounts=ACCOUNTS, **options) as host:
        x = connected(host)
        browser.events.clear()
        browser.go(f"https://127.0.0.1:{host.https_port}/")
        log_in("secret")
        browser.until("document.querySelector('#hosts li')", "host")
        yield host, x


def log_in(password, user="root"):
    browser.type("[name=user]", user)
    browser.type("[name=password]", password)
    browser.key("Enter", "Enter", 13, "\r")


def text(selector):
    return f"document.querySelector({json.dumps(selector)}).textContent"


def row(name):
    return f"[...document.querySelectorAll('li, dialog, #console, body > header')].find(row => row.querySelector('.name, p, h1, h2').textContent === {json.dumps(name)})"


def buttons(name):
    """Those that can be pressed, without those of rows in the row."""
    return (f"((row) => [...row?.querySelectorAll('button') ?? []].filter(button => "
            f"button.offsetParent && button.closest('li') === row.closest('li')))({row(name)})")


def button(name, label):
    return f"{buttons(name)}.find(button => button.textContent === {json.dumps(label)})"


def press(name, label):
    browser.until(button(name, label), f"button {label} of {name}")
    browser.run(f"{button(name, label)}.click()")


def labels(name):
    return set(browser.run(f"{buttons(name)}.map(button => button.textContent)"))


def state(name, wanted):
    browser.until(f"{row(name)}?.querySelector('.state').textContent === {json.dumps(wanted)}", f"{name} that is {wanted}")


def answer(question, label="Yes"):
    browser.until("document.querySelector('#ask').open", "question")
    assert browser.run(text("#ask p")) == question, browser.run(text("#ask p"))
    press(question, label)


def session_of_page():
    """The one with which it waits for events."""
    asked = [json.loads(event["request"].get("postData", "{}")) for _, event in browser.told("Network.requestWillBeSent")]
    return [request["params"][0] for request in asked if request.get("method") == "event.from"][-1]


def wait_end(x, session):
    def has_ended():
        try:
            x.raw("host.get_all", session)
        except Failure as failure:
            assert failure.code == "SESSION_INVALID", failure
            return True
        return False
    tap.wait_until(has_ended, "end of the session")


def test_the_life_of_a_vm():
    with page() as (host, x):
        vm = x.VM.create({**GUEST, "name_label": "web"})
        new_vbd(x, vm, new_vdi(x, new_sr(host, x)), bootable=True)
        state("web", "Halted")
        assert labels("web") == {"Start", "Snapshot"}, labels("web")
        press("web", "Snapshot")
        browser.until("document.querySelector('#ask').open", "question")
        browser.type("#ask input", "before")
        browser.key("2", "Digit2", 50, "2")
        browser.key("Enter", "Enter", 13, "\r")
        browser.until(row("before2"), "snapshot")
        x.VM.set_name_description(vm, "changed by another one")
        browser.until("[...document.querySelectorAll('.description')].some(line => line.textContent === 'changed by another one')", "change")
        browser.until("!document.querySelector('#tasks li')", "end of the task")
        press("before2", "Revert")
        answer("Revert: before2?")
        tap.wait_until(lambda: x.VM.get_name_description(vm) == "", "revert")
        browser.until("!document.querySelector('#tasks li')", "end of the task")
        press("web", "Start")
        state("web", "Running")
        assert x.VM.get_power_state(vm) == "Running"
        browser.until(button("web", "Suspend"), "button Suspend")
        assert labels("web") == {"Shut down", "Reboot", "Suspend", "Pause", "Reset", "Power off", "Snapshot", "Console"}, labels("web")
        host.guest(f"refuse-shutdown {x.VM.get_uuid(vm)}")
        press("web", "Shut down")
        press("Shut down: web", "Cancel")
        browser.until("!document.querySelector('#tasks li')", "end of the task")
        tap.wait_until(lambda: x.VM.get_current_operations(vm) == {}, "end of the shutdown")
        press("web", "Power off")
        answer("Power off: web?", "No")
        press("web", "Power off")
        answer("Power off: web?")
        state("web", "Halted")
        tap.wait_until(lambda: not x.task.get_all(), "end of all tasks")
        x.VM.destroy(vm)
        browser.until(f"!{row('web')}", "end of the VM")


def test_what_fails_is_told():
    with page() as (host, x):
        vm = x.VM.create({**GUEST, "name_label": "web", "PV_kernel": "a/file"})
        press("web", "Start")
        browser.until(button("Start: web", "Dismiss"), "task that has failed")
        task, = x.task.get_all_records().values()
        assert browser.run(text("#tasks .facts")) == " ".join(task["error_info"]), (browser.run(text("#tasks .facts")), task)
        press("Start: web", "Dismiss")
        tap.wait_until(lambda: not x.task.get_all(), "end of the task")
        # The host is away for a while, as when it is upgraded.
        host.kill("xapid")
        host.wait_up()
        x = host.client(password="secret")
        x.VM.set_name_label(vm, "still followed")
        browser.until(row("still followed"), "change after that")
        session = session_of_page()
        press("xapid", "Log out")
        browser.until("document.querySelector('main').hidden && !document.querySelector('#login').hidden", "form")
        wait_end(x, session)
        assert "still followed" not in browser.run("document.body.textContent")
        log_in("rita's", "rita")  # who has no role
        browser.until("!document.querySelector('#trouble').hidden", "refusal")
        assert browser.run(text("#trouble")).startswith("SESSION_AUTHORIZATION_FAILED"), browser.run(text("#trouble"))
        assert browser.run("document.querySelector('main').hidden")
        log_in("secret")
        browser.until(row("still followed"), "VM")
        session = session_of_page()
        x.raw("session.logout", session)
        browser.until("!document.querySelector('#login').hidden", "form, once somebody has ended the session")
        assert browser.run(text("#trouble")).startswith("SESSION_INVALID"), browser.run(text("#trouble"))
        # A session is not left behind by a page that goes.
        log_in("secret")
        browser.until(row("still followed"), "VM")
        kept = browser.run("JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}])")
        assert kept == '["",{},{}]', kept
        session = session_of_page()
        x.raw("host.get_all", session)
        browser.go("about:blank")
        wait_end(x, session)


def test_names_that_are_scripts():
    """In every field that is shown, of whoever may write it."""
    with page() as (host, x):
        browser.run("window.hits = 0, window.hit = () => ++window.hits, 0")
        vms = []
        for number, script in enumerate(SCRIPTS):
            vms.append(x.VM.create({**GUEST, "name_label": script, "name_description": f"vm {script}"}))
            x.VM.snapshot(vms[-1], f"snapshot {script}")
            x.task.create(f"task {script}", f"doing {script}")
        me = x.host.get_all()[0]
        guest = vms[0]
        x.VM.start(guest, False, False)
        store = XenStore(host, x.VM.get_uuid(guest))
        wanted = [kind + script for kind in ("", "vm ", "snapshot ", "task ", "doing ") for script in SCRIPTS]
        for script in SCRIPTS:  # one of each at a time
            x.host.set_name_label(me, f"host {script}")
            x.host.set_name_description(me, f"on {script}")
            browser.until(f"{text('#hosts')}.includes({json.dumps('on ' + script)})", "host")
            assert f"host {script}" in browser.run(text("#hosts"))
        store.write_all({"data/os_name": f"os {SCRIPTS[1]}", "attr/vif/0/ipv4/0": SCRIPTS[2]})
        shown(x, guest, os_version={"name": f"os {SCRIPTS[1]}"})
        wanted.append(f"os {SCRIPTS[1]}")
        for words in wanted:
            browser.until(f"document.body.textContent.includes({json.dumps(words)})", words)
        # Questions, the title of a console, failures.
        press(SCRIPTS[0], "Power off")
        answer(f"Power off: {SCRIPTS[0]}?", "No")
        with tty_of(host, x, guest):
            press(SCRIPTS[0], "Console")
            browser.until(f"{text('#console h2')} === {json.dumps(SCRIPTS[0])}", "console")
            press(SCRIPTS[0], "Close")
        x.VM.set_PV_kernel(vms[1], f"a/{SCRIPTS[1]}")
        press(SCRIPTS[1], "Start")
        browser.until(f"{text('#tasks')}.includes({json.dumps('INVALID_VALUE PV_kernel a/' + SCRIPTS[1])})", "failure")
        press(f"Start: {SCRIPTS[1]}", "Dismiss")
        assert browser.run("hits") == 0
        odd = browser.run("[...document.querySelectorAll('img, svg, iframe, style, a, script:not([src]), #vms [style]')].map(each => each.outerHTML)")
        assert not odd, odd
        broken = [event for event in browser.told("Page.javascriptDialogOpening", "Runtime.exceptionThrown", "Log.entryAdded")
                  if "Content Security" in str(event) or event[0] != "Log.entryAdded"]
        assert not broken, broken
        asked = {event["request"]["url"] for _, event in browser.told("Network.requestWillBeSent")}
        assert all(url.startswith((f"https://127.0.0.1:{host.https_port}/", "data:")) for url in asked), asked


def canvas_shows(words):
    def look():
        seen = browser.run(CANVAS)
        pixels = seen and seen[2].encode().replace(b"0", b"\0\0\0\0").replace(b"1", b"\xff\xff\xff\xff")
        return seen and Picture(seen[0], seen[1], pixels).shows(words)
    tap.wait_until(look, f"{words} on the screen", 60)


def test_a_text_console():
    with page() as (host, x):
        vm = x.VM.create({**GUEST, "name_label": "web"})
        x.VM.start(vm, False, False)
        with tty_of(host, x, vm) as guest:
            guest.write(b"a bad cab\r\nname: ")
            press("web", "Console")
            canvas_shows("a bad cab")
            browser.until("document.activeElement.tagName === 'CANVAS'", "focus")
            for letter in "ada":
                browser.key(letter, f"Key{letter.upper()}", ord(letter.upper()), letter)
            browser.key("Enter", "Enter", 13, "\r")
            assert guest.read(4) == b"ada\r"
            browser.send("Input.dispatchKeyEvent", type="keyDown", key="Control", code="ControlLeft", windowsVirtualKeyCode=17, modifiers=CTRL)
            browser.key("c", "KeyC", 67, modifiers=CTRL)
            browser.send("Input.dispatchKeyEvent", type="keyUp", key="Control", code="ControlLeft", windowsVirtualKeyCode=17)
            assert guest.read(1) == b"\x03"
            browser.key("ArrowUp", "ArrowUp", 38)
            assert guest.read(3) == b"\x1b[A"
            press("web", "Ctrl+Alt+Del")
            assert b"\x1b[3" in guest.read(4)
            guest.write(b"\r\nfeed ada")
            canvas_shows("feed ada")
            x.VM.hard_shutdown(vm)
            guest.end()
            browser.until(f"{text('#console .state')}.startsWith('The console was closed')", "end of the console")


def test_without_novnc():
    with page(options="novnc_dir=/nonexistent") as (host, x):
        vm = x.VM.create({**GUEST, "name_label": "web"})
        x.VM.start(vm, False, False)
        press("web", "Console")
        browser.until(f"{text('#trouble')}.startsWith('Consoles need noVNC on the host (Debian')", "word about noVNC")
        assert browser.run("document.querySelector('#console').hidden")
        press("web", "Pause")
        state("web", "Paused")


with browser:
    tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])
