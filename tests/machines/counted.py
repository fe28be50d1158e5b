#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What tests/posix judges by the clock, where that counts instructions: how long others are kept waiting by hogs.

TEST: slow timeout=3600
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from guest import BUILD, Guest, GuestError  # noqa: E402
from programs import RESULT  # noqa: E402

HOGS = "forks memory files open sockets pipes watches fifos processor all".split()


def attempt(smp, hog):
    os.makedirs(os.path.join(BUILD, "log"), exist_ok=True)
    try:
        with Guest(icount=True, smp=smp, log=os.path.join(BUILD, "log", f"counted-smp{smp}-{hog}")) as guest:
            status, output = guest.run(f"cd /tmp && HOGS={hog} /usr/lib/anole/tests/hogs", 900)
        bad = [f"{test}: {why}" for verdict, test, why in RESULT.findall(output) if verdict != "ok"]
        return bad or ([f"status {status}"] if status else []), output
    except GuestError as error:
        return [str(error).split("\n", 1)[0]], str(error)


def main():
    failed = False
    for smp in (1, 4):
        for hog in HOGS:
            bad, output = attempt(smp, hog)
            failed |= bool(bad)
            print(f"not ok hogs smp{smp} {hog}: {'; '.join(bad)}\n{output}" if bad else f"ok hogs smp{smp} {hog}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
