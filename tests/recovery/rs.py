# SPDX-License-Identifier: MIT
"""TEST: timeout=600

RS dies, alone, in the middle of its work, and together with its standby; and it tells of every death why it was.
"""
import random

from session import Failed, Session, boot, holds, main_alone, same, test

STANDBYS = ("standby", "standby1")
COUNT = "restarts() { service status $1 | awk 'END { print $5 }'; }; "
# A death is taken note of when the service has been started once more.
DIES = COUNT + ("dies() { before=$(restarts $1); service inject $1 $2 || return 1; n=0; "
                "until [ $(restarts $1) -gt $before ] || [ $n -gt 100 ]; do hwclock >/dev/null; sleep 0.1; n=$((n+1)); done; "
                "service status $1 | tail -1; }; ")


def restarts(s, name):
    return int(s.must(f"{COUNT} restarts {name}"))


def until(s, condition, seconds=30):
    """By the guest's clock."""
    s.must(f"{COUNT} n=0; until {condition}; do sleep 0.1; n=$((n+1)); [ $n -lt {seconds * 10} ] || exit 1; done", 2 * seconds + 60)


def works(s):
    """RS answers, and makes a service again."""
    before = restarts(s, "rtc")
    s.must("service kill rtc")
    same(restarts(s, "rtc"), before + 1, "restarts of rtc")
    s.must("hwclock >/dev/null")


@test("rs and its standbys end in turn, by request and by crashes, and each is made again")
def in_turn(_):
    s = Session(boot())
    for turn in range(3):
        for name in ("rs",) + STANDBYS:
            for command in ("kill", "crash"):
                before = restarts(s, name)
                s.must(f"service {command} {name}", 60)
                until(s, f"[ $(restarts {name}) = {before + 1} ]")
                works(s)
        holds(r"^rs +running +\d+ ", s.must("service"))
    s.guest.close()


@test("rs ends at random instructions while it makes again what has just died")
def in_its_work(_):
    s = Session(boot())
    rng, before = random.Random(7), restarts(s, "rs")
    for name in ("rtc", "tty", "vfs", "pm", "procfs", "virtio_blk", "tmpfs", "ext2", "pipe", "block") * 2:
        count = restarts(s, name)
        # Making a service takes some ten thousand instructions.
        s.must(f"echo x >/tmp/x; service step rs {rng.randint(1, 20000)}; service kill {name}", 60)
        until(s, f"[ $(restarts {name}) -gt {count} ]")
        same(s.must("echo x | cat; cat /tmp/x"), "x\nx\n")
    if restarts(s, "rs") - before < 10:
        raise Failed(f"rs has ended only {restarts(s, 'rs') - before} times")
    works(s)
    s.guest.close()


@test("rs and its standby end together")
def together(_):
    s = Session(boot())
    for turn in range(2):
        before = restarts(s, "standby"), restarts(s, "rs")
        # The standby counts RS's steps: when RS has ended it, RS's next instruction waits for nobody.
        s.must("service step rs 1000000; service kill standby", 60)
        until(s, f"[ $(restarts standby) -gt {before[0]} ]")
        if restarts(s, "rs") <= before[1]:
            raise Failed("rs has not ended")
        holds(r"rs +running .*ended together with its standby", s.must("service"))
        works(s)
    s.guest.close()


@test("each way to die is noticed, and told in service's list, the log and a report")
def reasons(_):
    s = Session(boot())
    for way, reason in (("segfault", "fault 14 at [0-9a-f]+, address 8"), ("abort", "fault 6 at"), ("exit", "exit with status 5"),
                        ("malformed", "exit with status 71: it broke the protocol"),
                        ("vanish", "its thread has ended"), ("silent", "holds requests too long"),
                        # It asks for the highest priority before, which it does not get.
                        ("loop", "hangs")):
        holds(rf"^rtc +running .* {reason}", s.must(f"{DIES} dies rtc {way}", 60))
        until(s, f"grep -Eq '^reason +{reason}' /var/log/crash/rtc.*")
        holds(f"rs: rtc: .*{'waits' if way == 'silent' else reason.split()[0]}", s.must("dmesg"))
    s.must("service restart rtc")
    holds("rtc .*restarted by request", s.must("service"))
    s.must("service kill rtc")
    holds("rtc .*killed by request", s.must("service"))
    s.must("service crash rs")
    until(s, "grep -Eq '^reason +fault 14' /var/log/crash/rs.*")
    holds("(?s)service +rs .*backtrace\n.* service_main", s.must("cat /var/log/crash/rs.*"))
    s.guest.close()


main_alone()
