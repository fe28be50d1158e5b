#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every test of tests/posix on machines that cover each pair of values: processors, machine, firmware, processor model
and memory.

TEST: slow timeout=7200
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
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


def failures(program, status, output):
    if status is None:
        return [f"{program}: {output}"]
    bad = [f"{program}: {test}: {why}" for verdict, test, why in RESULT.findall(output) if verdict != "ok"]
    return bad or ([f"{program}: ended with status {status}"] if status else [])


def everything(options):
    """The failures of all programs on one machine."""
    bad, count = [], 0
    for program, status, output in run_programs(sources("posix", "c"), patience=2, log=describe(options, log=True),
                                                **options):
        bad += failures(program, status, output)
        count += 1
    return bad if count else ["nothing was run"]


def main():
    only = sys.argv[1:]
    failed = False
    for options in MACHINES:
        if only and not all(word in describe(options).split() for word in only):
            continue
        bad = everything(options)
        failed |= bool(bad)
        print(f"not ok {describe(options)}: {bad[0].splitlines()[0]}" if bad else f"ok {describe(options)}", flush=True)
        print("".join(f"    {line}\n" for line in bad), end="", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
