# SPDX-License-Identifier: MIT
"""The prompt, editing a line in it, and the terminal's own line editing."""
from session import DELETE, DOWN, LEFT, RIGHT, UP, Failed, control, holds, lacks, main, same, test


@test("a prompt that ends in '# ', without a login")
def prompt(s):
    lacks(r"[Ll]ogin:", s.greeting)
    holds(r"# (\x1b\[6n)?\Z", s.greeting)


@test("arrows move the cursor")
def arrows(s):
    same(s.line("echo ad" + LEFT + "bX" + LEFT + "c" + RIGHT + "\x7f"), "abcd\n")


@test("Ctrl-A goes to the beginning")
def ctrl_a(s):
    same(s.line("abc" + control("A") + "echo "), "abc\n")


@test("Ctrl-E goes to the end")
def ctrl_e(s):
    same(s.line("cho ab" + control("A") + "e" + control("E") + "c"), "abc\n")


@test("Ctrl-K cuts to the end")
def ctrl_k(s):
    same(s.line("echo abXY" + LEFT * 2 + control("K")), "ab\n")


@test("Ctrl-U cuts to the beginning")
def ctrl_u(s):
    same(s.line("nonsense" + control("U") + "echo right"), "right\n")


@test("Ctrl-W cuts a word")
def ctrl_w(s):
    same(s.line("echo one two" + control("W") + "three"), "one three\n")


@test("backspace and delete")
def backspace(s):
    same(s.line("echo abX\x7fcYd" + LEFT * 2 + DELETE), "abcd\n")


@test("history by arrows")
def history(s):
    same(s.line("echo $((6*7))"), "42\n")
    same(s.line("echo other"), "other\n")
    same(s.line(UP + UP), "42\n")
    same(s.line(UP * 3 + DOWN * 2), "42\n")


@test("history command")
def history_command(s):
    s.line("echo unmistakable")
    holds(r"echo unmistakable", s.line("history"))


@test("a line longer than the screen")
def long_line(s):
    word = "0123456789" * 14
    same(s.line("echo " + word).splitlines()[-1], word)
    same(s.line("echo X" + word + control("A") + RIGHT * 5 + DELETE).splitlines()[-1], word)


@test("Tab completes a file's name")
def complete_file(s):
    s.must("mkdir -p /tmp/tab; echo found >/tmp/tab/unlikely-name")
    same(s.line("cat /tmp/tab/unl\t"), "found\n")


@test("Tab completes a command's name")
def complete_command(s):
    holds(r"^(Anole|Linux)$", s.line("unam\t"))


@test("Tab lists what is possible")
def complete_list(s):
    s.must("mkdir -p /tmp/many; cd /tmp/many; touch choice-one choice-two")
    s.type("ls /tmp/many/ch\t\t")
    s.expect("choice-one +choice-two")
    s.key("C")


@test("Ctrl-C drops a line")
def drop_line(s):
    s.type("touch /tmp/dropped")
    s.expect("dropped")
    s.key("C")
    same(s.line("ls /tmp/dropped 2>/dev/null; echo $?"), "1\n")


@test("Ctrl-D ends a shell")
def end_of_file(s):
    s.line("sh")
    s.line("cd /usr/bin")
    s.type(control("D"))
    s.prompt()
    lacks("/usr/bin", s.line("pwd"))


@test("the terminal echoes, erases, kills and ends a line")
def canonical(s):
    s.start("cat >/tmp/typed")
    s.type("abX\x7fc\r" + "gone" + control("U") + "kept\r" + "one two" + control("W") + "three\r")
    s.type(control("D"))
    s.prompt()
    same(s.must("cat /tmp/typed"), "abc\nkept\none three\n")


@test("Ctrl-D in the middle of a line hands it over as it is")
def partial_line(s):
    s.start("head -c 3 >/tmp/part")
    s.type("xyz" + control("D"))
    s.prompt()
    same(s.must("cat /tmp/part"), "xyz")


@test("stty -echo hides what is typed")
def no_echo(s):
    s.start("stty -echo; read secret; stty echo; echo \"<$secret>\"")
    start = len(s.guest.seen)
    s.type("hush\r")
    s.prompt()
    same(s.text(start).split("\n")[-2], "<hush>")
    if s.text(start).count("hush") != 1:
        raise Failed("echoed")


@test("stty shows and changes modes")
def stty(s):
    holds(r"^speed \d+ baud", s.line("stty"))
    s.line("stty rows 33 cols 101")
    same(s.line("stty size"), "33 101\n")
    s.line("stty rows 24 cols 80")


@test("tty is a terminal, a pipe is none")
def is_terminal(s):
    holds(r"^/dev/", s.line("tty"))
    same(s.line("test -t 0 && echo yes; echo | test -t 0 || echo no"), "yes\nno\n")


@test("a thousand lines come out whole")
def much_output(s):
    same(s.line("seq 1 1000", 60), "".join(f"{n}\n" for n in range(1, 1001)))


@test("a paste of many lines is taken whole")
def paste(s):
    s.start("cat >/tmp/paste")
    for n in range(40):
        s.type(f"pasted line {n}\r")
    s.type(control("D"))
    s.prompt()
    same(s.must("cat /tmp/paste"), "".join(f"pasted line {n}\n" for n in range(40)))


main()
