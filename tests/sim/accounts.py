"""Users, groups and passwords for a test, by libnss-wrapper and libpam-wrapper: the system's own
are neither read nor changed."""
from pathlib import Path


class Accounts:
    """users: name -> (uid, password); groups: name -> (gid, members).  root and nobody are added.
    recorder: tests/unit/pam-recorder.so, which writes new passwords to the file `new_password`.
    slow: seconds that the check of a user takes who has a password here."""

    def __init__(self, users, groups=(), recorder=None, slow=0):
        self.recorder, self.new_password = recorder, None
        self.users = {"nobody": (65534, None), **users}
        self.users.setdefault("root", (0, None))
        self.groups = dict(groups)
        self.slow = slow

    def write(self, folder):
        """Writes the files into `folder`; returns the environment that makes programs use them."""
        folder.mkdir()
        (folder / "passwd").write_text("".join(
            f"{name}:x:{uid}:{uid}:{name.capitalize()},,,:/:/bin/sh\n"
            for name, (uid, _) in self.users.items()))
        (folder / "group").write_text("".join(
            [f"{name}:x:{uid}:\n" for name, (uid, _) in self.users.items()] +
            [f"{name}:x:{gid}:{','.join(members)}\n" for name, (gid, members) in self.groups.items()]))
        (folder / "pam").mkdir()
        (folder / "passdb").write_text("".join(
            f"{name}:{password}:xapid\n" for name, (_, password) in self.users.items() if password))
        matrix = next(Path("/usr/lib").glob("*/pam_wrapper/pam_matrix.so"))
        self.new_password = folder / "new-password"
        changes = f"{self.recorder} {self.new_password}" if self.recorder else "pam_deny.so"
        known = ":".join(name for name, (_, password) in self.users.items() if password)
        slow = (f"auth [success=ignore default=1] pam_succeed_if.so quiet user in {known}\n"
                f"auth optional pam_exec.so quiet /bin/sleep {self.slow}\n") if self.slow else ""
        (folder / "pam" / "xapid").write_text(slow + "".join(
            f"{kind} required {matrix} passdb={folder}/passdb\n" for kind in ("auth", "account")) +
            f"password required {changes}\n")
        return {"LD_PRELOAD": "libpam_wrapper.so libnss_wrapper.so",
                "NSS_WRAPPER_PASSWD": str(folder / "passwd"),
                "NSS_WRAPPER_GROUP": str(folder / "group"),
                "PAM_WRAPPER": "1", "PAM_WRAPPER_SERVICE_DIR": str(folder / "pam"),
                # For the build with sanitizers; the first one's name is libpam-wrapper's slip.
                "UID_WRAPPER_DISABLE_DEEPBIND": "1", "NSS_WRAPPER_DISABLE_DEEPBIND": "1",
                "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"}
