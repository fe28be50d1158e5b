# SPDX-License-Identifier: MIT
"""Passwords: who may become whom."""
from session import control, holds, lacks, main, same, test


def becomes(s, command, password, then):
    """What `then` says in the shell that `command` gives for a password; the shell is left again."""
    s.type(command + "\r")
    s.expect("assword:")
    s.type(password + "\r")
    s.expect(r"\$ \Z")
    start = s.at
    s.type(then + "\r")
    s.expect(r"\$ \Z")
    output = s.text(start)
    s.type("exit\r")
    s.prompt()
    return output


@test("root gives a user a password, who logs in with it", linux=False)
def login(s):
    s.must("echo user:sesame | chpasswd -c sha512")
    same(s.must("ls -l /etc/shadow | cut -c1-10"), "-rw-------\n")
    output = becomes(s, "login user", "sesame", "id -un; pwd; tty; cat /etc/shadow")
    holds(r"user\n/home/user\n/dev/(console|tty\w+)\n.*Permission denied", output)


@test("a wrong password, a locked account and a user that is not there are refused", linux=False)
def refused(s):
    s.must("echo user:sesame | chpasswd -c sha512")
    for name in ("user", "daemon", "fred"):
        s.type(f"login {name}\r")
        s.expect("assword:")
        s.type("open\r")
        if s.expect("Login incorrect|bad salt", 40)[0] == b"Login incorrect":
            s.expect("login:")
            s.type(control("C"))
        s.prompt()


@test("su: a user needs root's password, root nobody's", linux=False)
def su(s):
    same(s.line("su user -c 'id -un'"), "user\n")
    s.type("su user\r")
    s.expect(r"\$ \Z")
    s.type("su -c 'id -un; id -ru'\r")
    s.expect("assword:")
    s.type("anole\r")
    s.expect(r"root\r?\n0\r?\n")
    s.expect(r"\$ \Z")
    s.type("su -c 'id -un'\r")
    s.expect("assword:")
    s.type("wrong\r")
    s.expect("incorrect password", 40)
    s.expect(r"\$ \Z")
    s.type("exit\r")
    s.prompt()


@test("what is set-id gives its rights to nothing else", linux=False)
def set_id(s):
    for applet in ("sh -c id", "id", "cat /etc/shadow", "chpasswd"):
        output = s.must(f"su user -c '/bin/busybox.suid {applet}' </dev/null 2>&1; true")
        holds("uid=1000|ermission denied", output)
        lacks("uid=0|root:", output)


@test("a user changes the password that the user has", linux=False)
def passwd(s):
    s.must("echo user:sesame | chpasswd -c sha512")
    s.type("su user\r")
    s.expect(r"\$ \Z")
    s.type("passwd\r")
    for answer in ("sesame", "Sim5sal-bim", "Sim5sal-bim"):
        s.expect("assword:")
        s.type(answer + "\r")
    s.expect("changed")
    s.expect(r"\$ \Z")
    s.type("exit\r")
    s.prompt()
    same(becomes(s, "login user", "Sim5sal-bim", "id -un").split()[-3:-1], ["user", "~"])


@test("keys of ssh are made", linux=False)
def keys(s):
    for kind, text in (("ed25519", "ssh-ed25519"), ("ecdsa", "ecdsa-sha2-nistp256")):
        holds(text + " AAAA", s.must(f"dropbearkey -t {kind} -f /tmp/key.{kind}; dropbearkey -y -f /tmp/key.{kind}", 120))
        same(s.must(f"ls -l /tmp/key.{kind} | cut -c1-10; rm /tmp/key.{kind}"), "-rw-------\n")


main()
