#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""TEST: slow timeout=1200

The programs of tests/posix that are built as Linux binaries too, run on Linux: whether what they ask for is what Linux
does. A program that has passed is not run again until it changes.

    PYTHONPATH=tests/lib python3 tests/suites/posix.py [NAME...]
"""
import glob
import hashlib
import os
import re
import shutil
import sys
import tempfile

import guest
import linux
import session

PROGRAMS = f"{guest.BUILD}/programs/usr/lib/anole/tests"
RESULT = re.compile(r"^(?:not ok|ok) .*$", re.M)
KEPT = f"{linux.CACHE}/passed"
TIMEOUT = 120


def fingerprint(path):
    key = hashlib.sha256()
    for part in (path, f"{linux.CACHE}/vmlinuz"):
        with open(part, "rb") as f:
            key.update(f.read())
    return os.path.join(KEPT, key.hexdigest()[:16])


def boot(programs, work):
    root = os.path.join(work, "root")
    os.mkdir(root)
    for program in programs:
        shutil.copy(program, root)
    disk = session.extra_disk(work, "tests.img", "32M", tree=root)
    session.ON_LINUX = True
    os.makedirs(f"{guest.BUILD}/log", exist_ok=True)
    machine = session.boot(disks=[disk], log=f"{guest.BUILD}/log/posix.linux")
    machine.run("mkdir -p /mnt; mount -t ext2 /dev/vdb /mnt; ip link set lo up", TIMEOUT)
    return machine


def run(machine, program):
    """Whether it passes."""
    name = os.path.basename(program).removesuffix(".stock")
    status, output = machine.run(f"cd /tmp && /mnt/{name}.stock", TIMEOUT)
    wrong = [line for line in RESULT.findall(output) if line.startswith("not ok")]
    if not status and not wrong:
        session.report(f"{name} on Linux")
        return True
    session.report(f"{name} on Linux", wrong[0] if wrong else f"ends with status {status}", output[-2000:])
    return False


def main():
    linux.initramfs()
    os.makedirs(KEPT, exist_ok=True)
    named = sys.argv[1:] and [a for a in sys.argv[1:] if not a.startswith("--")]
    programs = [p for p in sorted(glob.glob(f"{PROGRAMS}/*.stock"))
                if not named or os.path.basename(p).removesuffix(".stock") in named]
    bad = 0
    machine = None
    with tempfile.TemporaryDirectory() as work:
        for program in programs:
            if not named and os.path.exists(fingerprint(program)):
                session.report(f"{os.path.basename(program).removesuffix('.stock')} on Linux")
                continue
            machine = machine or boot(programs, work)
            if run(machine, program):
                open(fingerprint(program), "w").close()
            else:
                bad += 1
    if machine:
        machine.close()
    sys.exit(bad != 0)


main()
