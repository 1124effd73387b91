"""What befalls the host itself: a password, its power and its database, as test-faults.py has them."""
import http.client
import time

from host import Client, Failure, UnixConnection
from life import SEED, TRIES
from owner import EXCUSES, Gate, Owner


def life_of_a_password(host):
    """Each step fails at most once and says so; what is written is what was acknowledged."""
    wrong = []
    written = host.dir / "accounts" / "new-password"
    for last in (False, True):
        try:
            x = Client(host, connect=host.tls).login("root", "secret")
            break
        except Failure as failure:
            if last or failure.code != "SESSION_AUTHENTICATION_FAILED":
                raise
    for last in (False, True):
        try:
            x.session.change_password("", "changed")
            break
        except Failure as failure:
            if last or failure.code != "CHANGE_PASSWORD_REJECTED":
                raise
            if written.exists():
                wrong.append(f"{failure}, and it was changed")
    if written.read_text() != "changed":
        wrong.append("the password was not changed")
    return wrong


def ask(owner, what, call):
    """What was asked may be done although its answer was lost: it is asked again."""
    for _ in range(TRIES):
        try:
            return owner.insist(call)
        except Failure as failure:
            if failure.code not in EXCUSES:
                owner.say(f"{what}: {failure}")
        time.sleep(0.3)
    return owner.say(f"{what} cannot be done any more")


def life_of_the_log(host):
    owner = Owner(host, 0, SEED, Gate(1))
    owner.insist(owner.connect)
    here, file = owner.insist(lambda: owner.x.host.get_all()[0]), host.sim / "60-xapid-forward.conf"
    for destination in "log.example.com", "":
        owner.insist(lambda: owner.x.host.set_logging(here, {"syslog_destination": destination}))
        ask(owner, "host.syslog_reconfigure", lambda: owner.x.host.syslog_reconfigure(here))
        if file.exists() != bool(destination) or destination and f'"{destination}"' not in file.read_text():
            owner.say(f"the log does not go to '{destination}'")
    return owner.wrong


def life_of_a_name(host):
    owner = Owner(host, 0, SEED, Gate(1))
    owner.insist(owner.connect)
    here = owner.insist(lambda: owner.x.host.get_all()[0])
    for name in "iqn.2026-11.example:one", "iqn.2026-11.example:two":
        ask(owner, "host.set_iscsi_iqn", lambda: owner.x.host.set_iscsi_iqn(here, name))
        if owner.insist(lambda: owner.x.host.get_iscsi_iqn(here)) != name or name not in (host.sim / "initiatorname.iscsi").read_text():
            owner.say(f"the host is not {name}")
    return owner.wrong


def life_of_the_power(host):
    owner = Owner(host, 0, SEED, Gate(1))
    owner.insist(owner.connect)
    here = owner.insist(lambda: owner.x.host.get_all()[0])
    owner.insist(lambda: owner.x.host.disable(here))
    ask(owner, "host.reboot", lambda: owner.x.host.reboot(here))
    if (host.sim / "power").read_text() != "reboot":
        owner.say("it was not rebooted")
    return owner.wrong


def life_of_the_database(host):
    """Restored from its own dump, and asked for that until the one before lies beside it."""
    dump = b""
    for _ in range(TRIES):
        if list((host.dir / "state").glob("xapid.db.before-*")):
            host.wait_up()
            return []
        try:
            connection = UnixConnection(host.socket, 20)
            connection.request("PUT" if dump else "GET", "/pool/xmldbdump", dump or None)
            answer = connection.getresponse().read()
            dump = dump or answer
        except (OSError, http.client.HTTPException):
            pass  # it was ended, and comes again
        time.sleep(0.3)
    return ["the database was not restored"]
