# SPDX-License-Identifier: MIT
"""Names of the machines that tests/machines boots."""
import os

import guest


def describe(options, log=False):
    """What the machine is called in a test's name; with log, where its console is kept."""
    firmware = "uefi" if options["uefi"] else "bios"
    name = f"{options['machine']} {firmware} smp{options['smp']} {options['cpu']} {options['mem']}M"
    if not log:
        return name
    os.makedirs(os.path.join(guest.BUILD, "log"), exist_ok=True)
    return os.path.join(guest.BUILD, "log", "machine-" + name.replace(" ", "-"))
