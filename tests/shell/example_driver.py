# SPDX-License-Identifier: MIT
"""The example driver of docs/writing-a-driver.md, on its device."""
from session import Session, boot, holds, main_alone, same, test

ASK = "ask() { exec 7<>/dev/edu; echo $1 >&7; read answer <&7; exec 7>&-; echo $answer; }; "


def guest():
    return Session(boot(extra=("-device", "edu")))


@test("it computes")
def computes(_):
    s = guest()
    same(s.must(ASK + "ask 5; ask 12; ask 0; ask 13"), f"120\n479001600\n1\n{6227020800 % 2**32}\n")
    same(s.must("cat /dev/edu; stat -c '%F %t %T %a' /dev/edu"), "character special file f0 0 666\n")
    for wrong, why in (("x", "Invalid argument"), ("99999999999", "Numerical result|Result not|out of range")):
        status, output = s.guest.run(f"echo {wrong} >/dev/edu")
        same(bool(status), True)
        holds(why, output)
    s.guest.close()


@test("many ask at once, and it is killed meanwhile")
def killed(_):
    s = guest()
    same(s.must(ASK + "for n in $(seq 20); do (for i in $(seq 10); do ask 6; done) & done; "
                "for i in 1 2 3 4; do sleep 0.1; service kill edu; done; wait"), "720\n" * 200)
    holds(r"edu +running +5 ", s.must("service"))
    s.guest.close()


SCRIPT = """#!/bin/sh
echo "$1 $2 $3 $(grep -c '^reason' $4)" >>/tmp/deaths
"""


@test("it dies as often as its manifest allows; each death runs the script")
def limit(_):
    s = guest()
    s.must(f"cat >/etc/edu.died <<'END'\n{SCRIPT}END\nchmod 755 /etc/edu.died")
    for number in range(1, 5):
        s.must("until service status edu | grep -q running; do sleep 0.1; done; service crash edu")
        s.must(f"until [ $(cat /tmp/deaths 2>/dev/null | wc -l) = {number} ]; do sleep 0.1; done")
    same(s.must("cat /tmp/deaths"), "edu restarted 1 1\nedu restarted 2 1\nedu clean 3 1\nedu failed 4 1\n")
    holds(r"edu +failed ", s.must("service"))
    holds("Input/output error|I/O error", s.guest.run("cat /dev/edu")[1])
    holds(r"(?s)done +given up\nlost +all that it held", s.must("cat /var/log/crash/edu.3"))
    holds(r"(?s)done +restarted after 40 ms\nlost +its open objects", s.must("cat /var/log/crash/edu.2"))
    s.must("service start edu")
    same(s.must(ASK + "ask 5"), "120\n")
    s.guest.close()


main_alone()
