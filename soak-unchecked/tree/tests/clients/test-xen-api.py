#!/usr/bin/python3
"""npm's xen-api, Xen Orchestra's connector, over both protocols."""
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "sim"), str(HERE.parent / "unit")]
from accounts import Accounts
from host import BUILDDIR, Host


def install():
    """The package and what it needs, once a build folder."""
    folder = BUILDDIR / "clients"
    folder.mkdir(exist_ok=True)
    for name in ("package.json", "xen-api.mjs"):
        shutil.copy(HERE / name, folder / name)
    if not (folder / "node_modules" / "xen-api").exists():
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=folder,
                       check=True, timeout=300, stdout=sys.stderr)
    return folder


folder = install()
status = tests = 0
for transport in ("json-rpc", "xml-rpc"):
    with Host(https=True, accounts=Accounts({"root": (0, "secret")})) as host:
        done = subprocess.run(["node", folder / "xen-api.mjs", f"https://127.0.0.1:{host.https_port}",
                               "root", "secret", transport, host.folder()], cwd=folder, timeout=120,
                              stdout=subprocess.PIPE, text=True)
        print(done.stdout, end="", flush=True)
        tests += sum(line.startswith(("ok ", "not ok ")) for line in done.stdout.splitlines())
        if done.returncode:
            status = 1
            print("# " + host.tail().replace("\n", "\n# "), flush=True)
print(f"1..{tests}")
sys.exit(status)
