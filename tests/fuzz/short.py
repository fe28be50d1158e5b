# SPDX-License-Identifier: MIT
"""The fuzzer for ten seconds of the guest.

TEST: timeout=600
"""
import fuzzing
from session import main_alone, test


@test("hostile calls of all kinds")
def short(directory):
    fuzzing.campaign(directory, [""], 10, extra=fuzzing.CLOCK)


main_alone()
