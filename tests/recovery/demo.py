# SPDX-License-Identifier: MIT
"""What `./build.sh demo recovery` shows is true: a copy and a loop of the shell lose nothing while all services die in turn."""
import re

from session import Failed, holds, main, same, test


@test("the demonstration of recovery loses nothing")
def demo(s):
    output = s.must("demo recovery 8", 120)
    kills, copies, lines = map(int, re.search(r"(\d+) kills; (\d+) copies compared, (\d+) lines counted: nothing was lost",
                                              output).groups())
    killed = re.findall(r" s  (\S+) +killed;", output)
    same(len(killed), kills)
    if len(set(killed)) < 3 or copies < 1 or lines < 10:
        raise Failed(f"too little was seen: {sorted(set(killed))} killed, {copies} copies, {lines} lines")


@test("a user may not show it")
def by_a_user(s):
    holds("/proc/service_control: Permission denied", s.line("su user -c 'cd; demo recovery 3'"))


# The first incarnation of RS has memory of the kernel's start, which goes a little after it.
main(first="service kill rs; sleep 3")
