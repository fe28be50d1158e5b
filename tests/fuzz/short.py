# SPDX-License-Identifier: MIT
"""The fuzzer for ten seconds of the guest, which are the same instructions on every machine.

TEST: timeout=600
"""
import fuzzing
from session import main_alone, test

CLOCK = ("-icount", "shift=3,sleep=off")        # 8 ns an instruction


@test("hostile calls of all kinds for ten seconds")
def short(directory):
    fuzzing.campaign(directory, ["--seed 20261123"], 10, extra=CLOCK)


main_alone()
