# SPDX-License-Identifier: MIT
"""Programs that use the whole screen."""
import time

from session import control, holds, main, same, test

CURSOR_UP = "\x1b[A"


def started(s, command, pattern):
    """A full-screen program that shows pattern once it is ready for keys."""
    s.at = len(s.guest.seen)
    s.type(command + "\r")
    s.expect(r"\n")
    s.expect(pattern)
    time.sleep(0.5)


def keys(s, *all_keys):
    """One after the other, each with the time to take effect: an Escape would swallow what follows."""
    for some in all_keys:
        s.type(some)
        time.sleep(0.4)


@test("vi makes a file")
def vi_create(s):
    s.must("rm -f /tmp/vi")
    started(s, "vi /tmp/vi", "~")
    keys(s, "ifirst line\rsecond line", "\x1b", ":wq\r")
    s.prompt()
    same(s.must("cat /tmp/vi"), "first line\nsecond line\n")


@test("vi moves, deletes, puts, substitutes, undoes")
def vi_edit(s):
    s.must("printf 'one\\ntwo\\nthree\\n' >/tmp/vi2")
    started(s, "vi /tmp/vi2", "three")
    keys(s, "j", "dd", "p", "u", "k", "k", "x", ":%s/three/THREE/\r", "G", "oend", "\x1b", ":wq\r")
    s.prompt()
    text = s.must("cat /tmp/vi2")
    holds("THREE", text)
    holds("^end$", text)


@test("vi goes without saving")
def vi_quit(s):
    s.must("echo kept >/tmp/vi3")
    started(s, "vi /tmp/vi3", "kept")
    keys(s, "x", ":q!\r")
    s.prompt()
    same(s.must("cat /tmp/vi3"), "kept\n")


@test("vi takes arrow keys")
def vi_arrows(s):
    s.must("printf 'a\\nb\\n' >/tmp/vi4")
    started(s, "vi /tmp/vi4", "b")
    keys(s, "G", CURSOR_UP, "x", ":wq\r")
    s.prompt()
    same(s.must("cat /tmp/vi4"), "\nb\n")


@test("vi can be stopped and continued")
def vi_stop(s):
    s.must("echo text >/tmp/vi5")
    started(s, "vi /tmp/vi5", "text")
    s.type(control("Z"))
    s.prompt()
    holds("Stopped", s.line("jobs"))
    s.at = len(s.guest.seen)
    started(s, "fg", "text")
    keys(s, "x", ":wq\r")
    s.prompt()
    same(s.must("cat /tmp/vi5"), "ext\n")


@test("less shows a file page by page")
def less(s):
    s.must("seq 1 500 >/tmp/less")
    started(s, "less /tmp/less", r"(^|K)20$")
    s.type(" ")
    s.expect(r"(^|K)40$")
    time.sleep(0.3)
    s.type("G")
    s.expect(r"(^|K)500")
    time.sleep(0.3)
    s.type("/123\r")
    time.sleep(0.5)
    s.type("q")
    s.prompt()


@test("less reads a pipe, keys come from the terminal")
def less_pipe(s):
    started(s, "seq 1 500 | less", r"(^|K)20$")
    s.type(" ")
    s.expect(r"(^|K)40$")
    time.sleep(0.3)
    s.type("q")
    s.prompt()


@test("more shows a file page by page")
def more(s):
    s.must("seq 1 500 >/tmp/less")
    started(s, "more /tmp/less", r"--More--")
    s.type(" ")
    s.expect(r"^40")
    time.sleep(0.3)
    s.type("q")
    s.prompt()


@test("top shows processes, again and again, and ends")
def top(s):
    started(s, "top -d 1", r"PID +PPID")
    s.expect(r"PID +PPID", 15)
    s.type("q")
    s.prompt()


@test("watch repeats a command until Ctrl-C")
def watch(s):
    started(s, "watch -n 1 'echo tick'", "tick")
    s.expect("tick")
    s.key("C")


main()
