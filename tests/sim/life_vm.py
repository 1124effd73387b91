"""The lives of a VM, and of a domain that is built ahead, as test-faults.py has them."""
import time

import tap
import world
from host import GUEST, Failure
from life import SEED, TRIES, nothing_left, until_done
from owner import AFTER, GONE, POSSIBLE, Gate, Owner

LIFE = ("start", "suspend", "resume", "vcpus", "sysrq", "guest_crash", "pause", "unpause",
        "clean_reboot", "hard_reboot", "clean_shutdown", "start_paused", "unpause", "hard_shutdown",
        "destroy")
STAYS = ("clean_reboot", "hard_reboot", "vcpus", "sysrq")


def step(owner, verb):
    """Tries until it is done, as a user would who is told of a failure."""
    for _ in range(TRIES):
        if owner.state == AFTER[verb]:
            return
        if verb not in POSSIBLE[owner.state]:
            # An earlier failure left the VM elsewhere: on the shortest way to where it can be.
            verb_now = {"Halted": "start", "Paused": "unpause", "Suspended": "resume",
                        "Running": "hard_shutdown"}[owner.state]
        else:
            verb_now = verb
        before = owner.done
        name, args = owner.message(verb_now)
        owner.attempt(lambda: getattr(owner.x.VM, name)(*args), verb_now, states={AFTER[verb_now]})
        if owner.done > before and verb_now == verb:
            return
        if owner.done == before:
            nothing_left(owner, verb_now)
        time.sleep(0.3 if owner.done == before else 0)
    owner.say(f"{verb} cannot be done any more; {owner.state}")


def run(owner):
    step(owner, {"Halted": "start", "Suspended": "resume"}.get(owner.state, "unpause"))


def stay(owner, verb):
    """Like step, for verbs that begin and end in the same state."""
    for _ in range(TRIES):
        run(owner)
        before = owner.done
        name, args = owner.message(verb)
        owner.attempt(lambda: getattr(owner.x.VM, name)(*args), verb, states={"Running"})
        if owner.done > before:
            return
        time.sleep(0.3)
    owner.say(f"{verb} cannot be done any more; {owner.state}")


def crash(owner):
    for _ in range(TRIES):
        run(owner)
        before, owner.crashes = owner.done, 0
        owner.guest_acts("crash")
        if owner.done > before:
            return
        time.sleep(0.3)
    owner.say("its guest cannot crash any more")


def create(owner):
    try:
        owner.create()
    except Failure as failure:
        if failure.code != "INTERNAL_ERROR":
            owner.say(f"create: {failure}")
        time.sleep(0.3)


def live(owner):
    owner.insist(owner.connect)
    for _ in range(20):
        if owner.vm is not None:
            break
        owner.insist(lambda: create(owner))
    for verb in LIFE:
        if verb == "guest_crash":
            owner.insist(lambda: crash(owner))
        else:
            owner.insist(lambda: (stay if verb in STAYS else step)(owner, verb))
    if owner.state != GONE:
        owner.say(f"{owner.state} at the end of its life")


def life_of_a_vm(host):
    owner = Owner(host, 0, SEED, Gate(1))
    live(owner)
    return owner.wrong


def life_of_a_ready_domain(host):
    """Built ahead, taken by a start, built ahead again, of another config, and wanted no more."""
    owner = Owner(host, 0, SEED, Gate(1))
    owner.insist(owner.connect)

    def do(what, there, call):
        return until_done(owner, lambda: there(owner.x), call, what)

    def built(other_than=None):
        found = lambda: world.ready(host.sim).get(uuid, {}).get("op_id")
        tap.wait_until(lambda: found() not in (None, other_than), "domain that was built ahead", 60)
        return found()

    vm = do("VM.create", lambda x: x.VM.get_by_name_label(GUEST["name_label"]),
            lambda x: x.VM.create({**GUEST, "other_config": {"ready_domain": "true"}}))[0]
    uuid = owner.insist(lambda: owner.x.VM.get_uuid(vm))
    first = built()
    do("VM.start", lambda x: x.VM.get_power_state(vm) == "Running", lambda x: x.VM.start(vm, False, False))
    do("VM.hard_shutdown", lambda x: x.VM.get_power_state(vm) == "Halted", lambda x: x.VM.hard_shutdown(vm))
    if built() != first:
        owner.say("another one of the same config")
    do("VM.set_PV_args", lambda x: x.VM.get_PV_args(vm) == "other", lambda x: x.VM.set_PV_args(vm, "other"))
    built(first)
    do("VM.set_other_config", lambda x: not x.VM.get_other_config(vm).get("ready_domain"), lambda x: x.VM.set_other_config(vm, {}))
    tap.wait_until(lambda: not world.ready(host.sim), "end of it", 60)
    return owner.wrong
