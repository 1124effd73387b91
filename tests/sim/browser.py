"""A headless Chromium, told what to do by its DevTools protocol over two pipes: no port, and no program between."""
import itertools
import json
import os
import select
import subprocess
import tempfile
import time

PROGRAM = "/usr/lib/chromium/chromium"
# Root has no use for its sandbox; what it shows is ours.  The rest leaves out what no test looks at.
OPTIONS = ("--headless=new", "--no-sandbox", "--remote-debugging-pipe", "--ignore-certificate-errors", "--disable-gpu",
           "--no-first-run", "--disable-extensions", "--disable-component-update", "--disable-background-networking",
           "--disable-sync", "--disable-default-apps", "--disable-dev-shm-usage", "--window-size=1200,1200")
# The descriptors that --remote-debugging-pipe means.
START = 'exec "$@" 3<&{} 4>&{}'
CTRL = 2
PATIENCE = 60


class Broken(Exception):
    """The page, or the browser, did what it should not."""


class Browser:
    """One page, `events` of it: (name, parameters) of what it told, beside answers."""

    def __enter__(self):
        self.numbers, self.events, self.session, self.early = itertools.count(1), [], None, b""
        self.folder = tempfile.TemporaryDirectory(prefix="xapid-browser-")
        reads, self.writer = os.pipe()
        self.reader, writes = os.pipe()
        environment = {**os.environ, "HOME": self.folder.name}
        environment.pop("LD_PRELOAD", None)
        self.process = subprocess.Popen(
            ["bash", "-c", START.format(reads, writes), "bash", PROGRAM, *OPTIONS, f"--user-data-dir={self.folder.name}", "about:blank"],
            pass_fds=(reads, writes), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=environment)
        os.close(reads)
        os.close(writes)
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in "Page", "Runtime", "Log", "Network":
            self.send(f"{domain}.enable")
        return self

    def __exit__(self, *_):
        try:
            self.session = None
            self.send("Browser.close")
            self.process.wait(PATIENCE)
        except (Broken, OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self.writer)
        os.close(self.reader)
        self.folder.cleanup()

    # ---- the protocol: JSON, each with a NUL behind it ----

    def receive(self):
        while b"\0" not in self.early:
            if not select.select([self.reader], [], [], PATIENCE)[0]:
                raise Broken("Chromium does not answer")
            some = os.read(self.reader, 1 << 16)
            if not some:
                raise Broken(f"Chromium has ended: {self.process.poll()}")
            self.early += some
        message, _, self.early = self.early.partition(b"\0")
        return json.loads(message)

    def send(self, method, **params):
        """Its answer; what else is told meanwhile is kept."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params, **({"sessionId": self.session} if self.session else {})}
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.writer, data):]
        while True:
            got = self.receive()
            if got.get("id") == number:
                if "error" in got:
                    raise Broken(f"{method}: {got['error']['message']}")
                return got["result"]
            if "method" in got:
                self.events.append((got["method"], got["params"]))

    # ---- the page ----

    def go(self, url):
        answer = self.send("Page.navigate", url=url)
        if "errorText" in answer:
            raise Broken(f"{url}: {answer['errorText']}")
        self.until("document.readyState === 'complete'", f"page at {url}")

    def run(self, expression):
        """The value of an expression of JavaScript, or of what it promises."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise Broken(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def until(self, expression, what):
        """Waits until the expression is true."""
        end = time.monotonic() + PATIENCE
        while not self.run(f"Boolean({expression})"):
            if time.monotonic() > end:
                raise AssertionError(f"no {what} within {PATIENCE} s: {self.run('document.body.innerText')}")
            time.sleep(0.02)

    def type(self, selector, text):
        """Into a field, in place of what is there."""
        self.run(f"(document.querySelector({json.dumps(selector)}).focus(), document.activeElement.select())")
        self.send("Input.insertText", text=text)

    def key(self, key, code, number, text="", modifiers=0):
        """Presses a key as its keyboard would; number: the old one of Windows."""
        common = {"key": key, "code": code, "windowsVirtualKeyCode": number, "modifiers": modifiers}
        self.send("Input.dispatchKeyEvent", type="keyDown", **common, **({"text": text} if text else {}))
        self.send("Input.dispatchKeyEvent", type="keyUp", **common)

    def told(self, *names):
        return [(name, params) for name, params in self.events if name in names]
