# SPDX-License-Identifier: MIT
"""The fuzzer for ten minutes of the guest: all kinds of hostile calls together.

FUZZ_SEED=N and FUZZ_SECONDS=N in the environment: another run.

TEST: slow timeout=7200
"""
import os

import fuzzing
from session import main_alone, test

SEED = os.environ.get("FUZZ_SEED", "20261123")
SECONDS = int(os.environ.get("FUZZ_SECONDS", "600"))


@test("ten minutes of hostile calls")
def one(directory):
    fuzzing.campaign(directory, [f"--seed {SEED}"], SECONDS, extra=fuzzing.CLOCK)


main_alone()
