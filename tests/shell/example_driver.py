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


main_alone()
