"""The lives of consoles, as test-faults.py has them."""
import contextlib

import consoles
import tap
from host import GUEST, UnixConnection
from life import SEED
from owner import Gate, Owner


def looked(host, uuid):
    """A console that is open, or False: something was ended meanwhile."""
    with contextlib.suppress(OSError, AssertionError):
        sock = consoles.unix(host)
        return consoles.connect(sock, uuid)[0] == 200 and sock
    return False


def life_of_a_console(host, text=False):
    owner = Owner(host, 0, SEED, Gate(1))
    owner.insist(owner.connect)
    vm = owner.insist(lambda: consoles.machine(owner.x))
    uuid = owner.insist(lambda: owner.x.console.get_uuid(owner.x.VM.get_consoles(vm)[text]))
    with (consoles.tty_of if text else consoles.echo_of)(host, owner.x, vm) as guest:
        sock = tap.wait_until(lambda: looked(host, uuid), "a console")
        sock.sendall(b"x")
        while text and guest.read(1) != b"x" or not text and not guest.accept().recv(1):
            pass  # one that was given up
        owner.insist(lambda: owner.x.VM.hard_shutdown(vm))
        return owner.wrong + ([] if consoles.ended(sock) else ["the console goes on"])


def life_of_a_text_console(host):
    return life_of_a_console(host, text=True)


def pictured(host, uuid):
    """A picture of what it shows, or False."""
    with contextlib.suppress(OSError, AssertionError):
        connection = UnixConnection(host.socket, timeout=20)
        connection.request("GET", f"/vncsnapshot?uuid={uuid}")
        reply = connection.getresponse()
        return reply.status == 200 and reply.read()
    return False


def life_of_a_picture(host):
    owner = Owner(host, 0, SEED, Gate(1))
    owner.insist(owner.connect)

    def started():
        vm = owner.x.VM.create(GUEST)
        owner.x.VM.start(vm, False, False)
        return vm
    vm = owner.insist(started)
    with consoles.tty_of(host, owner.x, vm):
        tap.wait_until(lambda: pictured(host, owner.insist(lambda: owner.x.VM.get_uuid(vm))), "a picture")
    owner.insist(lambda: owner.x.VM.hard_shutdown(vm))
    return owner.wrong
