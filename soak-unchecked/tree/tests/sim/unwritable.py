"""What a client sees of a database that cannot be written."""
from host import Failure

CODE = "INTERNAL_ERROR"


def refused(call, *args, why=""):
    """Whether a change is refused; the failure names the database, and `why`."""
    try:
        call(*args)
    except Failure as failure:
        assert failure.code == CODE and "xapid.db" in str(failure) and why in str(failure), failure
        return True
    return False


def writable(x, vm):
    try:
        x.VM.set_name_description(vm, "room again")
    except Failure:
        return False
    return x.VM.get_name_description(vm) == "room again"
