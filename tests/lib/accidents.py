# SPDX-License-Identifier: MIT
"""drivers/net/lossy below the network server of a guest, which has one card."""


def schedule(s, *rules, seed=7):
    """What happens to packets from now on; the counts begin again."""
    text = "\\n".join([f"lossy {seed}", *rules, ""])
    s.must(f"printf '{text}' | cat >/dev/lossy")


def counts(s):
    words = s.must("cat /dev/lossy").split()
    return {name: int(value) for name, value in zip(words[::2], words[1::2])}


def start(s, *rules, seed=7):
    """It takes the card over from eth0, and becomes eth1 with the same address."""
    s.must("service start lossy; until ip route | grep -q 'default.*eth1'; do sleep 0.1; done")
    schedule(s, *rules, seed=seed)
