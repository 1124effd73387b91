"""Calls of event.from, and some that wait on a thread of their own."""
import threading

from host import Client, Failure


def events(x, classes, token, seconds):
    return x.call("event.from", classes, token, seconds)


class Waiting(threading.Thread):
    """An event.from that waits in a session, and what became of it."""

    def __init__(self, host, session):
        super().__init__(daemon=True)
        self.x = Client(host)
        self.x.session_ref = session
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
