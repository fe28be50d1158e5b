# SPDX-License-Identifier: MIT
"""trace shows who calls whom, by the names of the protocols and of Linux."""
import json
import re

from session import Failed, holds, lacks, main, same, test


def recorded(s, path):
    """A timeline as JSON; the terminal wraps nothing and adds nothing."""
    return json.loads(s.must(f"cat {path}", 60))["traceEvents"]


@test("the messages of a program, with server, text and size", linux=False)
def messages(s):
    output = s.must("trace cat /etc/hostname")
    holds(r'^\d+\.\d{6} cat\[\d+\] vfs\.open\("/etc/hostname"\[13\] .*\) to vfs = 0 .*<\d+\.\d{3} ms>$', output)
    holds(r'cat\[\d+\] file\.read\(\[\d+\] .*\) to ext2 = \d+ "[a-z]+\\n" <', output)
    holds(r"cat\[\d+\] pm\.exit\(status=0\) to pm", output)
    lacks(r"records lost|^\S+ (pm|vfs|ext2) ", output)


@test("what a program prints is not disturbed, its status is trace's", linux=False)
def status(s):
    same(s.run("trace sh -c 'exit 7'")[0], 7)
    same(s.must("trace -o /tmp/record echo as ever"), "as ever\n")


@test("-s: Linux's calls, with paths and what is read, children too", linux=False)
def system_calls(s):
    output = s.must("trace -s sh -c 'cat /etc/hostname | wc -c'")
    holds(r'trace\[(\d+)\] execve\(.*\) "/bin/sh" = 0', output)
    holds(r'cat\[\d+\] (open\(0x|openat\(-100, 0x)\w+, \w+, \w+\) "/etc/hostname" = 3 <', output)
    holds(r'wc\[\d+\] read\(0, 0x\w+, \d+\) = 6 "anole\\n" <', output)
    holds(r"stat\(.*\) \"/nowhere\" = -2 \(No such file or directory\)", s.must("trace -s ls /nowhere 2>&1 || true"))
    lacks("to vfs", output)


@test("-p: a process that runs already, until it ends", linux=False)
def running(s):
    output = s.must("(sleep 1; cat /etc/hostname >/dev/null; exec sleep 0) & trace -p $!", 30)
    holds(r"pm\.fork\(", output)
    holds(r"cat\[\d+\] vfs\.open\(", output)
    holds(r'pm\.exec_commit\("sleep"', output)


@test("-a: servers too, what they ask each other", linux=False)
def everybody(s):
    output = s.must("echo new >/root/traced; trace -a cat /root/traced | cat")
    holds(r"^\S+ vfs fs\.(open|lookup)\(.*\) to ext2 = 0 .* async$", output)
    holds(r"^\S+ cat\[\d+\] vfs\.open\(", output)
    lacks(r"trace\[\d+\] file\.read.* to procfs", output)


@test("a timeline loads: slices, asynchronous slices in pairs, names of processes", linux=False)
def timeline(s):
    s.must("trace --timeline /tmp/t.json -a sh -c 'cat /etc/passwd; ls -l / | wc' >/dev/null", 60)
    events = recorded(s, "/tmp/t.json")
    names = {e["pid"]: e["args"]["name"] for e in events if e["ph"] == "M" and e["name"] == "process_name"}
    for name in ("cat", "wc", "pm", "vfs", "ext2"):
        if name not in names.values():
            raise Failed(f"no {name} in {sorted(names.values())}")
    slices = [e for e in events if e["ph"] == "X"]
    if not all(e["dur"] >= 0 and e["ts"] > 0 and e["pid"] in names and "tid" in e for e in slices):
        raise Failed("a slice without time or process")
    reads = [e for e in slices if e["name"] == "read" and e["cat"] == "syscall" and names[e["pid"]] == "wc"]
    inside = [e for e in slices if e["name"] == "file.read" and e["args"]["server"] == "pipe"
              and any(r["tid"] == e["tid"] and r["ts"] <= e["ts"] and e["ts"] + e["dur"] <= r["ts"] + r["dur"] for r in reads)]
    if not inside:
        raise Failed("no file.read to pipe within a read of wc")
    begun, ended = ({e["id"] for e in events if e["ph"] == phase} for phase in "be")
    if begun != ended or len(begun) < 10:
        raise Failed(f"{len(begun)} asynchronous slices begin, {len(ended)} end")
    asked = [e for e in events if e["ph"] == "b" and e["cat"] == "async call" and names[e["pid"]] == "vfs"]
    if not any(e["name"].startswith("fs.") and e["args"]["server"] == "ext2" for e in asked):
        raise Failed("nothing that vfs asked of ext2")


@test("a recording can be shown again, as text and as a timeline", linux=False)
def recording(s):
    s.must("trace -o /tmp/record -a cat /etc/hostname >/dev/null")
    holds(r'cat\[\d+\] vfs\.open\("/etc/hostname"', s.must("trace -r /tmp/record"))
    holds(r'cat\[\d+\] (open|openat)\(.*"/etc/hostname"', s.must("trace -s -r /tmp/record"))
    s.must("trace --timeline /tmp/r.json -r /tmp/record")
    if not any(e["name"] == "vfs.open" for e in recorded(s, "/tmp/r.json")):
        raise Failed("no vfs.open")


@test("a trace goes on while services are replaced, procfs among them", linux=False)
def services_die(s):
    s.must("cp /bin/busybox /root/big; sync")
    output = s.must("trace sh -c 'for n in ext2 procfs vfs pm; do service kill $n; cat /etc/hostname; sync; done; "
                    "cat /etc/shells' 2>&1", 60)
    same(output.count("anole\n"), 4, "times the file was read")
    holds(r'cat\[\d+\] vfs\.open\("/etc/shells"', output)
    holds(r"service\[\d+\] file\.write\(\"kill procfs.n\".* to procfs(, delivery 2)? = ", output)
    same(s.must("service status procfs").split("\n")[1].split()[2], "2", "incarnation of procfs")


@test("what is lost is counted", linux=False)
def losing(s):
    output = s.must("trace -s -p $$ >/tmp/out 2>&1 & sleep 1; kill -STOP $!; "
                    "dd if=/dev/zero of=/dev/null bs=1 count=20000 2>/dev/null; kill -CONT $!; sleep 1; kill $!; "
                    "wait; cat /tmp/out", 60)
    lost = re.search(r"^trace: (\d+) records lost", output, re.M)
    if not lost or int(lost[1]) < 10000:
        raise Failed(f"lost: {lost and lost[0]}")


@test("nobody but root", linux=False)
def root_only(s):
    holds("Permission denied", s.run("su -s /bin/sh user -c 'trace ls /' 2>&1")[1])
    for path in ("/proc/trace", "/proc/crashes"):
        holds("Permission denied", s.run(f"su -s /bin/sh user -c 'cat {path}' 2>&1")[1])
    for verb in ("dump", "panic", "crash ext2"):
        holds("Permission denied", s.run(f"su -s /bin/sh user -c 'service {verb}' 2>&1")[1])


@test("a trace that is killed leaves nothing switched on", linux=False)
def killed(s):
    s.must("trace -a >/dev/null & sleep 1; kill -9 $!; wait; true")
    before = s.must("free | grep Mem | sed 's/  */ /g' | cut -d' ' -f4")
    s.must("trace -a >/dev/null & sleep 1; free >/dev/null; kill -9 $!; wait; true")
    after = s.must("free | grep Mem | sed 's/  */ /g' | cut -d' ' -f4")
    if int(before) - int(after) > 3000:
        raise Failed(f"free memory went from {before} to {after}: the ring of 4 MiB is still there")


main()
