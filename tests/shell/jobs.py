# SPDX-License-Identifier: MIT
"""Job control."""
import time

from session import Failed, control, holds, lacks, main, same, test


@test("Ctrl-C ends a program: status 130")
def interrupt(s):
    s.start("sleep 100")
    s.key("C")
    same(s.line("echo $?"), "130\n")


@test("Ctrl-\\ ends a program: status 131")
def quit_program(s):
    s.start("sleep 100")
    s.key("\\")
    same(s.line("echo $?"), "131\n")


@test("Ctrl-C ends a whole pipeline")
def interrupt_pipeline(s):
    s.start("yes anole-unique | cat | cat >/dev/null")
    s.key("C")
    same(s.line("echo $?"), "130\n")
    lacks("anole-unique$", s.must("ps | grep -v grep"))


@test("Ctrl-C ends a loop of the shell")
def interrupt_loop(s):
    s.start("while :; do :; done")
    s.key("C")
    same(s.line("echo alive"), "alive\n")


@test("Ctrl-C ends a loop of programs")
def interrupt_program_loop(s):
    s.start("while true; do sleep 1; done")
    s.key("C")
    same(s.line("echo alive"), "alive\n")


@test("Ctrl-Z stops, jobs lists, fg continues")
def stop_and_continue(s):
    s.start("sleep 101")
    s.key("Z")
    holds(r"\[1\].*Stopped.*sleep 101", s.line("jobs"))
    s.start("fg")
    s.key("C")
    same(s.line("echo $?"), "130\n")
    same(s.line("jobs"), "")


@test("bg continues in the background, kill %1 ends it")
def background(s):
    s.start("sleep 102")
    s.key("Z")
    s.line("bg")
    holds(r"Running.*sleep 102", s.line("jobs"))
    s.line("kill %1; sleep 1")
    lacks("sleep 102", s.must("ps | grep -v grep | grep -v kill"))
    s.line("")
    same(s.line("jobs"), "")


@test("a stopped program goes on where it was")
def stopped_state(s):
    s.start("i=0; cat >/tmp/stopped")
    s.type("one\r")
    time.sleep(0.5)         # Ctrl-Z throws away what has not been read
    s.key("Z")
    s.start("fg")
    s.type("two\r" + control("D"))
    s.prompt()
    same(s.must("cat /tmp/stopped"), "one\ntwo\n")


@test("reading the terminal from the background stops the job")
def background_read(s):
    s.line("cat &")
    s.line("sleep 1")
    holds(r"Stopped.*cat", s.line("jobs"))
    s.line("kill -9 %1; sleep 1")
    s.line("")
    same(s.line("jobs"), "")


@test("writing from the background stops the job under tostop")
def background_write(s):
    s.line("stty tostop; (echo said) & sleep 1")
    holds(r"Stopped", s.line("jobs"))
    s.line("stty -tostop")
    holds("said", s.line("fg"))


@test("wait answers a background job's status")
def wait_status(s):
    holds("^7$", s.line("sh -c 'exit 7' & wait $!; echo $?"))


@test("two jobs, %1 and %2")
def two_jobs(s):
    s.line("sleep 103 &")
    s.line("sleep 104 &")
    jobs = s.line("jobs")
    holds(r"\[1\].*sleep 103", jobs)
    holds(r"\[2\].*sleep 104", jobs)
    s.line("kill %2; sleep 1")
    s.line("")
    lacks("sleep 104", s.line("jobs"))
    s.line("kill %1; sleep 1")
    s.line("")
    same(s.line("jobs"), "")


@test("kill -STOP and -CONT")
def stop_signal(s):
    s.line("sleep 105 &")
    s.line("kill -STOP $!; sleep 1")
    holds(r"Stopped", s.line("jobs"))
    holds(r"^T.*sleep 105", s.must("ps -o stat,args"))
    s.line("kill -CONT $!; sleep 1")
    holds(r"^S.*sleep 105", s.must("ps -o stat,args"))
    s.line("kill $!; sleep 1")
    s.line("")


@test("a trap runs on Ctrl-C")
def trap(s):
    s.start("sh -c 'trap \"echo trap\"ped INT; sleep 100; echo \"after\"ward'")
    s.type(control("C"))
    s.expect("trapped\nafterward")
    s.prompt()


@test("nohup, setsid and daemons survive their shell")
def survive(s):
    s.must("(setsid sleep 106 >/dev/null 2>&1 &)")
    holds("sleep 106", s.must("ps | grep -v grep"))
    s.must("kill $(pidof -s sleep)")


@test("orphans are reaped by init")
def orphans(s):
    s.must("sh -c 'sleep 1 & sleep 1 & exit 0'; sleep 2")
    lacks(r"\bZ\b.*sleep|\[sleep\]", s.must("ps"))


@test("an ending shell's stopped job is warned of or ended")
def stopped_at_exit(s):
    s.line("sh")
    s.start("sleep 107")
    s.key("Z")
    s.line("exit; exit")
    s.line("")
    if "sleep 107" in s.must("ps | grep -v grep | grep -v 'exit'"):
        s.must("pkill -9 -f 'sleep 107'")
        raise Failed("sleep 107 is left, stopped, in an orphaned process group")


main()
