"""Commands and processes of ./try: none outlives it unless it is meant to, and none that is not its
own is ever ended."""
import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

END_SECONDS = 20  # for what is asked to end, before it is killed


class Trouble(Exception):
    """What went wrong, for people."""


def wait(condition, what, seconds, every=0.1):
    """The first true value of condition (), for which a refused connection is not yet one."""
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            value = condition()
            if value:
                return value
        if time.monotonic() > end:
            raise Trouble(f"no {what} within {seconds} s")
        time.sleep(every)


STOPPERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def undisturbed():
    """Signals that would end us wait until this is over: no process is started and then forgotten."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPERS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPERS)


def popen(command, **options):
    """A process in a session of its own: a Ctrl-C reaches us alone."""
    return subprocess.Popen(
        command, start_new_session=True,
        preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPERS), **options)


def end_group(process):
    """Ends a command with all that belongs to it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_SECONDS)
            return


def run(command, seconds, text=None, stdin=subprocess.DEVNULL, env=None):
    """What a command prints; `text` is its input.  When it is interrupted it gets time to tidy up."""
    process = None
    try:
        with undisturbed():
            process = popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            errors="replace", env=env,
                            stdin=subprocess.PIPE if text is not None else stdin)
        output, _ = process.communicate(text, timeout=seconds)
    except subprocess.TimeoutExpired:
        end_group(process)
        raise Trouble(f"{command[0]} did not end within {seconds} s") from None
    except BaseException:
        if process:
            end_group(process)
        raise
    if process.returncode:
        raise Trouble(f"{' '.join(map(str, command))}: {output.strip()[-2000:]}")
    return output


def identity(pid):
    """[pid, when it started]: no later process of the same number is taken for it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return None if fields[0] == "Z" else [pid, fields[19]]


def alive(known):
    try:
        return identity(known[0]) == known
    except OSError:
        return False


def end(known):
    """Ends the process of this identity, if it is still there."""
    for number, seconds in ((signal.SIGTERM, 2 * END_SECONDS), (signal.SIGKILL, 5)):
        stop_at = time.monotonic() + seconds
        with contextlib.suppress(ProcessLookupError):
            if alive(known):
                os.kill(known[0], number)
        while alive(known) and time.monotonic() < stop_at:
            time.sleep(0.05)


def end_all_in(folder):
    """Ends what runs with its working directory in the folder, which is ours alone."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            where = Path(os.readlink(entry / "cwd"))
            known = identity(int(entry.name))
            if known and (where == folder or folder in where.parents):
                end(known)
