# SPDX-License-Identifier: MIT
"""Guests that the host's ssh reaches."""
import os
import subprocess

from guest import free_port, network
from session import Session, boot

OPTIONS = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
           "-o", "PreferredAuthentications=password", "-F", "none"]
TIMEOUT = 240


def guest(directory):
    """A guest and the way there: (session, port, environment of a client that knows root's password)."""
    port = free_port()
    s = Session(boot(extra=network(*[(port, 22)])))
    s.must("until netstat -ltn | grep -q ':22 '; do sleep 0.1; done; until ip route | grep -q default; do sleep 0.1; done")
    ask = os.path.join(directory, "ask")
    with open(ask, "w") as f:
        f.write("#!/bin/sh\necho anole\n")
    os.chmod(ask, 0o755)
    return s, port, dict(os.environ, SSH_ASKPASS=ask, SSH_ASKPASS_REQUIRE="force", DISPLAY="none")


def start(port, env, *command, flags=()):
    return subprocess.Popen(["ssh", *OPTIONS, *flags, "-p", str(port), "root@127.0.0.1", *command], env=env, text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def output(process, text=None):
    return process.communicate(text, timeout=TIMEOUT)[0]
