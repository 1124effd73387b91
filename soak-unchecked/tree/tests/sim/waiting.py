"""Calls of event.from, and some that wait on a thread of their own."""
import threading
import time

from host import Client, Failure


def events(x, classes, token, seconds):
    return x.call("event.from", classes, token, seconds)


class Waiting(threading.Thread):
    """An event.from that waits in a session, and what became of it."""

    def __init__(self, host, session):
        super().__init__(daemon=True)
        self.x = Client(host).resume(session)
        self.token = events(self.x, [], "", 0.0)["token"]
        self.code = None
        self.start()

    def run(self):
        try:
            events(self.x, ["task"], self.token, 60.0)
            self.code = "answered"
        except Failure as failure:
            self.code = failure.code

    def end(self):
        self.join(20)
        return self.code


class Loop(threading.Thread):
    """Follows the tasks as a client does that takes so long over its answers, and keeps what it was told."""

    def __init__(self, host, pause=0.0):
        super().__init__(daemon=True)
        self.x, self.pause, self.told = host.client(), pause, {}  # task -> [(operation, status, progress)]
        self.start()

    def run(self):
        token = ""
        while True:
            try:
                batch = events(self.x, ["task"], token, 30.0)
            except OSError:  # the host has ended
                return
            token = batch["token"]
            for event in batch["events"]:
                record = event.get("snapshot", {})
                self.told.setdefault(event["ref"], []).append(
                    (event["operation"], record.get("status"), record.get("progress")))
            time.sleep(self.pause)
