#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tests/posix/stress.c on two and four processors, ten minutes each.

TEST: slow timeout=1800
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from machines import stress  # noqa: E402

if __name__ == "__main__":
    sys.exit(stress(600))
