# SPDX-License-Identifier: MIT
"""The fuzzer for ten seconds of the guest, which counts instructions: as much work on every machine.

An idle guest waits as long as the host does (no sleep=off, with which its clock leaps to the next timer while a disk
is still at work, and drivers take that for a device that does not answer).

TEST: timeout=600
"""
import fuzzing
from session import main_alone, test

CLOCK = ("-icount", "shift=3")      # 8 ns an instruction


@test("hostile calls of all kinds")
def short(directory):
    fuzzing.campaign(directory, [""], 10, extra=CLOCK)


main_alone()
