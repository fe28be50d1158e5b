# SPDX-License-Identifier: MIT
"""The fuzzer for ten seconds of the guest, which are the same instructions on every machine.

TEST: timeout=600
"""
import fuzzing
from session import main_alone, test

CLOCK = ("-icount", "shift=3,sleep=off")        # 8 ns an instruction
RUNS = ["--only kernel --only chaos", "--only replay --only chaos"]


@test("hostile kernel calls and changed workloads, with chaos")
def short(directory):
    fuzzing.campaign(directory, RUNS, 5, extra=CLOCK)


main_alone()
