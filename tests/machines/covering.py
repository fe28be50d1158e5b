#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The tests of posix, shell and recovery on machines that cover each pair of values: processors, machine, firmware,
processor model and memory.

TEST: slow timeout=36000

In the fast tier each machine runs a few files, every file on some machine; with --full each runs all. By hand:
covering.py [--full] [WORD...], where a word is one of a machine's name (pc, smp4, 128M) or the beginning of a test's
(shell/jobs).
"""
import os
import re
import subprocess
import sys
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import guest  # noqa: E402
from machines import describe  # noqa: E402
from programs import RESULT, run_programs, sources  # noqa: E402

MACHINES = [
    dict(machine="pc", smp=4, cpu="max", mem=8192, uefi=True),
    dict(machine="q35", smp=4, cpu="qemu64", mem=128, uefi=False),
    dict(machine="pc", smp=2, cpu="qemu64", mem=128, uefi=True),
    dict(machine="q35", smp=2, cpu="max", mem=8192, uefi=False),
    dict(machine="pc", smp=1, cpu="max", mem=128, uefi=False),
    dict(machine="q35", smp=1, cpu="qemu64", mem=8192, uefi=True),
]
PATIENCE = 2


class Tests:
    """Reports by lines, `ok MACHINE: TEST` for what passed as a whole."""

    def __init__(self):
        self.failed = False

    def report(self, options, test, bad, output=""):
        name = f"{describe(options)} {test}"
        self.failed |= bool(bad)
        print(f"not ok {name}: {'; '.join(bad)}\n{indented(output)}" if bad else f"ok {name}", flush=True)

    def programs(self, options, tests):
        """In one boot, as far as they let it live."""
        for program, status, output in run_programs(tests, patience=PATIENCE, log=describe(options, log=True), **options):
            self.report(options, f"posix/{program}", failures(status, output), output)

    def script(self, options, test):
        env = {**os.environ, "ANOLE_PATIENCE": str(PATIENCE), "PYTHONPATH": os.path.dirname(guest.__file__),
               "ANOLE_MACHINE": " ".join(f"{k}={v}" for k, v in options.items() if k != "uefi" or v)}
        try:
            done = subprocess.run([sys.executable, test.path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=env,
                                  stderr=subprocess.STDOUT, text=True, errors="replace",
                                  timeout=PATIENCE * max(test.timeout, 300))
            self.report(options, test.name, failures(done.returncode, done.stdout), done.stdout)
        except subprocess.TimeoutExpired as late:
            self.report(options, test.name, [f"not done after {late.timeout:.0f} s"], (late.stdout or b"").decode())


def indented(output):
    return "".join(f"    {line}\n" for line in output.rstrip().splitlines()[-40:])


def failures(status, output):
    if status is None:
        return [output.split("\n", 1)[0]]
    bad = [f"{test}: {why}" if why else test for verdict, test, why in RESULT.findall(output) if verdict != "ok"]
    return bad or ([f"ended with status {status}"] if status else [])


def scripts():
    """Not the slow ones, those that count instructions, which one processor of one kind has to execute, nor what makes
    a build of its own."""
    return [s for suite in ("shell", "recovery") for s in sources(suite, "py") if not s.slow and not particular(s)]


def particular(source):
    with open(source.path) as f:
        return re.search(r"icount|TXCHECK", f.read())


def chosen(found, names, n, full):
    """A file's machine does not depend on what other files there are."""
    if names:
        return [s for s in found if any(s.name.startswith(name) for name in names)]
    return [s for s in found if full or zlib.crc32(s.name.encode()) % len(MACHINES) == n]


def main():
    full = "--full" in sys.argv
    words = [w for w in sys.argv[1:] if w != "--full"]
    names = [w for w in words if "/" in w]
    tests = Tests()
    for n, options in enumerate(MACHINES):
        if not all(word in describe(options).split() for word in words if word not in names):
            continue
        tests.programs(options, chosen(sources("posix", "c"), names, n, full))
        for script in chosen(scripts(), names, n, full):
            tests.script(options, script)
    return tests.failed


if __name__ == "__main__":
    sys.exit(main())
