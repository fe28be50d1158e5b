# SPDX-License-Identifier: MIT
"""The fuzzer for ten minutes of the guest in all: each kind alone, all together, on one to four processors.

TEST: slow timeout=3600
"""
import fuzzing
from session import main_alone, test

KINDS = ["kernel", "proto", "posix", "replay"]


@test("each kind of hostile calls, with chaos")
def kinds(directory):
    fuzzing.campaign(directory, [f"--seed {n} --only {kind} --only chaos" for n, kind in enumerate(KINDS)], 60)


@test("hostile calls of all kinds on two processors")
def two(directory):
    fuzzing.campaign(directory, ["--seed 2 --workers 6", "--seed 22 --workers 2 --threads 8"], 90, smp=2)


@test("hostile calls of all kinds on four processors")
def four(directory):
    fuzzing.campaign(directory, ["--seed 4 --workers 8", "--seed 44"], 90, smp=4)


main_alone()
