# SPDX-License-Identifier: MIT
"""TEST: slow timeout=1800

Ten minutes of data both ways at once while one packet in a hundred is lost, and others come twice, late or in the wrong
order: all of it is right. LOSSY_SECONDS=N for another while.
"""
import os
import time

import accidents
from duplex import transfer
from guest import network
from session import Failed, Session, boot, main_alone, same, test

SECONDS = int(os.environ.get("LOSSY_SECONDS", "600"))
SIZE = 4 << 20


@test(f"{SECONDS} seconds of data both ways while packets get lost", linux=False)
def bulk(_):
    s = Session(boot(extra=network()))
    s.must("until ip route | grep -q default; do sleep 0.1; done")
    accidents.start(s, "any drop 100", "any duplicate 500", "any reorder 500", "any delay 500 0 0 30")
    end, rounds = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        transfer(s, "127.0.0.1", SIZE, "10.0.2.2")
        rounds += 1
    counts = accidents.counts(s)
    print(f"  {rounds * SIZE >> 20} MiB each way; {counts}", flush=True)
    for accident in ("dropped", "duplicated", "reordered", "delayed"):
        if not counts[accident]:
            raise Failed(f"no packet was {accident}: {counts}")
    same(s.must("service status net | grep -c 'running  *1 '"), "1\n", "incarnation")
    s.guest.close()


main_alone()
