#!/usr/bin/python3
"""Runs tests/sim/http-abuse against the HTTP door alone."""
import os
import subprocess
import sys
import tempfile

here = os.path.dirname(os.path.abspath(__file__))
with tempfile.TemporaryDirectory() as folder:
    server = subprocess.Popen(
        [os.path.join(os.environ.get("BUILDDIR", "."), "tests/sim/http-echo"), "--seconds", "1", "--certificate", folder + "/host.pem"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    port, tls_port = server.stdout.readline().split()
    done = subprocess.run(
        [os.path.join(here, "..", "sim", "http-abuse"), "--echo", "--seconds", "1", "--pid",
         str(server.pid), "--tls-port", tls_port, "127.0.0.1", port], check=False)
    server.stdin.close()
    sys.exit(done.returncode or server.wait(10))
