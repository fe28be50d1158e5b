# SPDX-License-Identifier: MIT
"""The tests that are one source file each, and the programs among them that run in a guest."""
import glob
import os
import re

import leaks
from guest import TOP, Guest, GuestError

RESULT = re.compile(r"^(not ok|ok) ([^\n:]+?)(?:: ([^\n]*))?\s*$", re.M)


class Source:
    """A file that is one test."""

    def __init__(self, suite, path):
        self.path = path
        self.base = os.path.splitext(os.path.basename(path))[0]
        self.name = f"{suite}/{self.base}"
        with open(path, errors="replace") as f:
            marks = " ".join(re.findall(r"\bTEST:(.*)", f.read(4000)))
        self.slow = "slow" in marks.split()
        self.stock = re.search(r"\bstock\b", marks) is not None
        timeout = re.search(r"timeout=(\d+)", marks)
        self.timeout = int(timeout.group(1)) if timeout else 60


def sources(suite, ending):
    return [Source(suite, path) for path in sorted(glob.glob(f"{TOP}/tests/{suite}/*.{ending}"))]


def run_programs(tests, patience=1, **options):
    """Run tests of tests/posix in a guest, in a new one after each that it did not survive: yields (program, status,
    output), with None for the status and the error for the output if there was no end. The last line of the output
    says whether the program has left something behind. Options are Guest's; patience multiplies the timeouts."""
    guest, before = None, {}
    try:
        for test, program in [(t, t.base) for t in tests] + [(t, t.base + ".stock") for t in tests if t.stock]:
            try:
                guest = guest or Guest(**options)
                before = before or leaks.beginning(guest)
                status, output = guest.run(f"cd /tmp && /usr/lib/anole/tests/{program}", test.timeout * patience)
                before, verdict = leaks.verdict(guest, before)
                yield program, status, f"{output}\n{verdict}\n"
            except GuestError as error:
                yield program, None, str(error)
                booted = guest and guest.serial > 0
                if guest:
                    guest.close()
                guest, before = None, {}
                if not booted:
                    return
    finally:
        if guest:
            guest.close()
