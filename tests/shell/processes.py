# SPDX-License-Identifier: MIT
"""ps, top and their like: processes as on Linux, services as Linux shows the threads of its kernel."""
import glob
import os
import re
import time

import guest
from session import Failed, holds, main, same, test

TICKS = 100                     # USER_HZ
NEVER_ENDS = "while :; do :; done"


def always_running():
    """The services of the tree that every guest has: not those that a device, a mount or a request brings."""
    names = ["rs", "kernel"]
    for path in glob.glob(os.path.join(guest.TOP, "*/**/*.manifest"), recursive=True):
        with open(path) as manifest:
            text = manifest.read()
        if os.path.relpath(path, guest.TOP).startswith(("servers", "drivers")) and \
                not re.search(r"^(device|instance|manual)\b", text, re.M):
            names.append(re.search(r"^service (\S+)", text, re.M).group(1))
    return names


def services(s):
    """pid, parent, size, resident (KiB) and state by name, as ps tells."""
    found = {}
    for line in s.must("ps -o pid,ppid,vsz,rss,stat,args").splitlines():
        match = re.match(r" *(\d+) +(\d+) +(\w+) +(\w+) (\S+) +\[(\S+)\]$", line)
        if match:
            found[match.group(6)] = match.groups()[:5]
    return found


def pid_of(s, name):
    return int(s.must("pidof " + name))


def stat(s, pid):
    return s.must(f"cat /proc/{pid}/stat").rsplit(")", 1)[1].split()


def ticks(s, pid):
    fields = stat(s, pid)
    return int(fields[11]) + int(fields[12])


@test("ps lists every service, the kernel and rs, as children of rs", linux=False)
def listed(s):
    found = services(s)
    missing = [name for name in always_running() + ["ext2", "virtio_blk"] if name not in found]
    same(missing, [], "services that ps lacks")
    same(found["kernel"][:2], ("32768", "0"), "pid and parent of the kernel")
    same(found["rs"][:2], ("32769", "0"), "pid and parent of rs")
    same({entry[1] for name, entry in found.items() if name not in ("kernel", "rs")}, {"32769"}, "parents")
    running = re.findall(r"^(\S+) +running", s.must("cat /proc/services"), re.M)
    same(sorted(found), sorted(running + ["kernel"]), "services")


@test("the numbers of services are possible: memory, start, priority", linux=False)
def numbers(s):
    uptime = float(s.must("cat /proc/uptime").split()[0])
    total = int(re.search(r"MemTotal: +(\d+)", s.must("cat /proc/meminfo")).group(1))
    for name, entry in services(s).items():
        fields = stat(s, entry[0])
        resident, started, priority = int(fields[21]) * 4, int(fields[19]) / TICKS, int(fields[15])
        if not 0 < resident < total or resident > int(fields[20]) / 1024:
            raise Failed(f"{name} has {resident} KiB resident of {fields[20]} bytes")
        if started > uptime:
            raise Failed(f"{name} was started after {started} s, it is {uptime} s")
        if name != "kernel" and not -32 <= priority <= -9:
            raise Failed(f"{name} has priority {priority}")
        holds(rf"^Name:\t{name[:15]}$", s.must(f"cat /proc/{entry[0]}/status"))
        same(s.must(f"cat /proc/{entry[0]}/cmdline"), "", "command line")


@test("the time of a server that works grows, that of others does not", linux=False)
def busy(s):
    ext2, rtc = pid_of(s, "ext2"), pid_of(s, "rtc")
    before = ticks(s, ext2), ticks(s, rtc)
    s.must("for i in 1 2 3; do dd if=/dev/zero of=/root/busy bs=1k count=4000 2>/dev/null; done; rm /root/busy", 120)
    if ticks(s, ext2) <= before[0]:
        raise Failed("ext2 has used no time")
    same(ticks(s, rtc), before[1], "time of rtc")


@test("after a service is killed its successor has its pid, and a new start", linux=False)
def restarted(s):
    pid = pid_of(s, "tty")
    before = int(stat(s, pid)[19])
    s.must("service kill tty")
    same(pid_of(s, "tty"), pid, "pid")
    if int(stat(s, pid)[19]) <= before:
        raise Failed("it was not started again")


@test("nobody can signal a service", linux=False)
def signals(s):
    status, output = s.run("killall vfs")
    same(status, 1, "status")
    holds("Operation not permitted", output)
    for command in ("kill -9 32770", "kill -0 32769", "kill -CONT 32768", "su -s /bin/sh user -c 'kill -9 32770'"):
        holds("not permitted", s.run(command)[1])
    holds("No such process", s.run("kill -9 40000")[1])
    holds("No such process", s.run("kill -9 -32770")[1])


@test("directories of services have what can be told, and no more", linux=False)
def directory(s):
    pid = pid_of(s, "vfs")
    same(s.must(f"ls -1 --color=never /proc/{pid}").split(), ["cmdline", "comm", "stat", "statm", "status", "task"])
    same(s.must(f"ls -1 --color=never /proc/{pid}/task").split(), [str(pid)])
    same(s.must(f"cat /proc/{pid}/task/{pid}/comm"), "vfs\n")
    for path in ("32769/exe", "32769/fd", "32895/stat", "32896/stat", "32767/stat"):
        holds("No such file", s.run(f"ls /proc/{path}")[1])


@test("top shows processes and services once, with the processor's time")
def top(s):
    output = s.must(f"sh -c '{NEVER_ENDS}' & sleep 1; top -b -n6 -d1 | cat; kill $!", 60)
    looks = output.split("Mem:")[2:]
    holds(r"^CPU: +[\d.]+% usr +[\d.]+% sys", looks[0])
    holds(r"^ *\d+ +\d+ root +R .*while :", looks[0])
    used = re.findall(r"^ *\d+ +\d+ root +R +\S+ +[\d.]+ +\d+ +([\d.]+) sh -c while", "".join(looks), re.M)
    # Of all processors; a busy build machine may have taken one away for one of the looks.
    if not used or max(map(float, used)) < 50 / int(s.must("nproc")):
        raise Failed(f"the loop has {used} %: {looks[0][:1500]}")


@test("time that was idle or used is what has passed on all processors", linux=False)
def processor_time(s):
    look = "read from idle </proc/uptime; set -- $(head -1 /proc/stat); read to rest </proc/uptime; echo $from $to $idle $2 $4 $5"
    before = [float(word) for word in s.must(look).split()]
    s.must(f"sh -c '{NEVER_ENDS}' & sleep 1; kill $!")
    after = [float(word) for word in s.must(look).split()]
    processors = int(s.must("nproc"))
    for start, end, idle, *ticks in (before, after):
        if idle > (start + 0.1) * processors or not start * processors - 0.2 < sum(ticks) / 100 < end * processors + 0.2:
            raise Failed(f"{idle} s idle of {start} on {processors} processors; ticks {ticks}")
    if after[3] - before[3] < 50:
        raise Failed(f"a loop of a second: user time from {before[3]} to {after[3]} ticks")


@test("pidof, pgrep and killall find processes by name")
def by_name(s):
    s.must("cp /bin/busybox /tmp/sleep; for i in 1 2; do /tmp/sleep 100 & done")
    pids = s.must("pidof sleep").split()
    same(len(pids), 2, "processes")
    same(sorted(s.must("pgrep sleep").split()), sorted(pids), "pgrep")
    s.must("killall sleep; n=0; while pidof sleep; do sleep 0.1; n=$((n + 1)); [ $n -lt 100 ] || exit 1; done")
    s.must("rm /tmp/sleep")


@test("who computes is seen to run, who waits to sleep")
def states(s):
    s.must(f"sh -c '{NEVER_ENDS}' & echo $! >/tmp/busy; sleep 100 & echo $! >/tmp/idle; sleep 1")
    same(s.must("cut -d' ' -f3 /proc/$(cat /tmp/busy)/stat"), "R\n")
    same(s.must("cut -d' ' -f3 /proc/$(cat /tmp/idle)/stat"), "S\n")
    running = int(s.must("cut -d' ' -f4 /proc/loadavg").split("/")[0])
    s.must("kill $(cat /tmp/busy) $(cat /tmp/idle); rm /tmp/busy /tmp/idle")
    same(running, 2, "running threads")


@test("the load average is what runs, over time")
def load(s):
    s.must(f"sh -c '{NEVER_ENDS}' & echo $! >/tmp/busy; cat /proc/loadavg; sleep 12")
    average = float(s.must("cat /proc/loadavg").split()[0])
    s.must("kill $(cat /tmp/busy); rm /tmp/busy")
    if not 0.08 <= average <= 0.6:
        raise Failed(f"load {average} after 12 seconds of one busy process")


@test("time tells user from system time, children included")
def times(s):
    output = s.must("time sh -c 'i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done' 2>&1", 60)
    real, user, system = (float(m) + 60 * float(n) for n, m in
                          re.findall(r"^(?:real|user|sys)\s+(\d+)m ([\d.]+)s", output, re.M))
    if not 0.5 * real <= user + system <= real + 0.1 or user < system:
        raise Failed(output)



@test("limits as they were set, of oneself and of others")
def limits(s):
    output = s.must("sh -c 'ulimit -t 77; ulimit -S -n 99; ulimit -c 0; sleep 100' & sleep 1; "
                    "cat /proc/$(pidof sleep)/limits; killall sleep")
    holds(r"^Max cpu time +77 +77 +seconds", output)
    holds(r"^Max open files +99 +\d+ +files", output)
    holds(r"^Max core file size +0 +0 +bytes", output)
    holds(r"^Max address space +unlimited +unlimited +bytes", output)


@test("smaps tells how much of each mapping is resident")
def smaps(s):
    output = s.must("cat /proc/self/smaps")
    sizes = [(int(size), int(resident)) for size, resident in
             re.findall(r"^Size: +(\d+) kB\n(?:.*kB\n)*?Rss: +(\d+) kB", output, re.M)]
    same(len(sizes), len(re.findall(r"^[0-9a-f]+-[0-9a-f]+ ", output, re.M)), "mappings")
    if not sizes or any(resident > size for size, resident in sizes) or not sum(r for _, r in sizes):
        raise Failed(output)


def memory(s):
    return {key: int(value) for key, value in re.findall(r"^(\w+): +(\d+) kB", s.must("cat /proc/meminfo"), re.M)}


@test("meminfo adds up: free, cached, anonymous, the kernel's", linux=False)
def meminfo(s):
    m = memory(s)
    same(m["MemTotal"], m["MemFree"] + m["Cached"] + m["AnonPages"] + m["Slab"] + m["PageTables"], "sum")
    s.must("cp /bin/busybox /root/copied")
    s.must("head -c 8000000 /dev/zero >/tmp/memory")
    more = memory(s)
    s.must("rm /tmp/memory /root/copied")
    if more["AnonPages"] < m["AnonPages"] + 7500 or more["Cached"] <= m["Cached"]:
        raise Failed(f"{m}, then {more}")
    holds(r"^pgfault [1-9]", s.must("cat /proc/vmstat"))


@test("random/uuid differs each time, boot_id does not; both are UUIDs of version 4")
def uuids(s):
    form = r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\n$"
    one, other = (s.must("cat /proc/sys/kernel/random/uuid") for _ in range(2))
    boot, again = (s.must("cat /proc/sys/kernel/random/boot_id") for _ in range(2))
    for text in (one, other, boot):
        holds(form, text)
    if one == other or boot != again:
        raise Failed(one + other + boot + again)


@test("links of descriptors are whole paths, across mounts and in /proc")
def descriptors(s):
    s.must("mkdir -p /tmp/below; mount -t tmpfs none /tmp/below; echo a >/tmp/below/file")
    output = s.must("sh -c 'exec 3</tmp/below/file 4</proc/sys/kernel/pid_max 5</etc/passwd; "
                    "for i in 3 4 5; do readlink /proc/$$/fd/$i; done'")
    s.must("umount /tmp/below; rmdir /tmp/below")
    same(output, "/tmp/below/file\n/proc/sys/kernel/pid_max\n/etc/passwd\n")


main()
