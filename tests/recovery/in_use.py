# SPDX-License-Identifier: MIT
"""TEST: timeout=600

Drivers and servers killed while a person uses them: what is seen is at most a pause.
"""
import hashlib
import os

from session import Failed, Session, boot, extra_disk, fsck, holds, main_alone, same, test

COPY_MIB = 64


def incarnation(s, name):
    """As `service` shows it."""
    output = s.must(f"service status {name}")
    columns = output.splitlines()[0].split()
    return int(output.splitlines()[1].split()[columns.index("incarnation")])


def make_source(directory):
    """A disk with a file larger than what is kept in memory of it; its md5."""
    tree = os.path.join(directory, "tree")
    os.mkdir(tree)
    data = os.urandom(COPY_MIB << 20)
    with open(f"{tree}/big", "wb") as f:
        f.write(data)
    return extra_disk(directory, "disk", f"{2 * COPY_MIB + 24}M", tree=tree), hashlib.md5(data).hexdigest()


@test("virtio_blk is killed while 64 MiB are copied")
def disk_driver(directory):
    disk, digest = make_source(directory)
    s = Session(boot(disks=[disk]))
    s.must("mount -t ext2 /dev/vdb /mnt")
    before = {name: incarnation(s, name) for name in ("virtio_blk", "virtio_blk1")}
    s.must("cp /mnt/big /mnt/copy & sleep 0.3; service kill virtio_blk1; service kill virtio_blk; wait $!; sync", 180)
    same(s.must("md5sum </mnt/copy", 120).split()[0], digest)
    for name, number in before.items():
        if incarnation(s, name) != number + 1:
            raise Failed(f"{name} is incarnation {incarnation(s, name)} after {number} and one kill")
    s.guest.poweroff(60)
    s.guest.close()
    fsck(disk, 0)


@test("ext2 is killed while 64 MiB are copied")
def file_system(directory):
    disk, digest = make_source(directory)
    s = Session(boot(disks=[disk]))
    s.must("mount -t ext2 /dev/vdb /mnt")
    s.must("cp /mnt/big /mnt/copy & sleep 0.3; service kill ext2; service kill ext2.1; wait $!; sync", 180)
    same(s.must("md5sum </mnt/copy", 120).split()[0], digest)
    s.guest.poweroff(60)
    s.guest.close()
    fsck(disk, 0)


@test("uart16550 is killed under the shell that runs on it")
def serial_driver(_):
    s = Session(boot())
    before = incarnation(s, "uart16550")
    s.line("service kill uart16550", 30)
    same(s.line("echo still here", 30), "still here\n")
    same(s.line("seq 1 300", 30), "".join(f"{n}\n" for n in range(1, 301)))
    same(incarnation(s, "uart16550"), before + 1, "incarnation")
    s.guest.close()


@test("tty is killed under the shell, with a job stopped and a line half typed")
def terminal(_):
    s = Session(boot())
    s.start("cat >/tmp/half")
    s.type("first\r")
    s.expect("first\n")
    s.key("Z")
    s.line("service kill tty", 30)
    holds("Stopped.*cat", s.line("jobs"))
    s.start("(sleep 2; service kill tty) & fg %1")
    s.type("half a ")
    s.expect("half a ")
    pause(s, 4)
    s.type("line\r\x04")
    s.prompt(30)
    holds("^half a line$", s.must("cat /tmp/half"))
    s.guest.close()


def pause(s, seconds):
    try:
        s.expect("this is not printed", seconds)
    except Exception:       # pylint: disable=broad-except
        pass


@test("pm is killed while processes come and go")
def process_manager(_):
    s = Session(boot())
    s.must("for k in 1 2 3 4 5; do sleep 1; service kill pm; done & i=0; while [ $i -lt 200 ]; do "
           "[ \"$(echo $i | cat)\" = $i ] || exit 1; i=$((i+1)); done; wait", 180)
    same(s.line("echo $(echo fine)"), "fine\n")
    s.guest.close()


@test("pm ends at random instructions while processes and threads come, go and are counted")
def process_manager_steps(_):
    s = Session(boot())
    before, rounds = incarnation(s, "pm"), 0
    # On a fast machine the programs are over before it has ended often.
    while rounds < 9 or (incarnation(s, "pm") - before < 20 and rounds < 60):
        program = ("fork", "exec", "threads")[rounds % 3]
        rounds += 1
        # A step is refused while the one before has not been taken.
        s.must("cd /tmp; touch going; (while [ -e going ]; do service step pm $((RANDOM / 4 + 300)) 2>/dev/null; "
               "sleep 0.1; done) & "
               f"/usr/lib/anole/tests/{program} >out 2>&1; status=$?; rm going; wait; grep '^not ok' out; "
               "[ $status = 0 ]", 180)
    crashes = incarnation(s, "pm") - before
    if crashes < 20:
        raise Failed(f"pm has ended only {crashes} times")
    s.guest.close()


@test("vfs, pipe and tmpfs are killed ten times each while a tree is packed and unpacked")
def many_kills(_):
    s = Session(boot())
    s.must("mkdir -p /tmp/in/a/b; for i in $(seq 50); do seq $i 400 >/tmp/in/a/b/f$i; done")
    s.must("(for k in $(seq 10); do for n in vfs pipe tmpfs; do service kill $n || exit 1; sleep 0.3; done; done) & killer=$!; "
           "rounds=0; while kill -0 $killer 2>/dev/null; do rm -rf /tmp/out; mkdir /tmp/out; "
           "(cd /tmp/in && tar -cf - a) | (cd /tmp/out && tar -xf -) || exit 2; "
           "for i in 1 25 50; do cmp /tmp/in/a/b/f$i /tmp/out/a/b/f$i || exit 3; done; rounds=$((rounds+1)); done; "
           "wait $killer && [ $rounds -ge 2 ]", 300)
    s.guest.close()


@test("vfs is killed wherever it is while it lets go of thousands of names at once")
def many_names(_):
    s = Session(boot(smp=2))
    before = incarnation(s, "vfs")
    s.must("cd /tmp; seq 10000 12999 | sed 's/^/a-name-that-is-too-long-to-lie-in-the-entry-itself-/' >names; mkdir many; "
           "touch going; (while [ -e going ]; do service kill vfs; sleep 0.1; done) & "
           "(cd many && xargs touch) <names || exit 1; "
           "for i in 1 2 3 4; do echo 2 >/proc/sys/vm/drop_caches; [ $(ls -l many | wc -l) = 3001 ] || exit 2; done; "
           "(cd many && xargs rm) <names || exit 3; [ $(ls many | wc -l) = 0 ] || exit 4; rmdir many || exit 5; "
           "rm going; wait", 300)
    if incarnation(s, "vfs") < before + 20:
        raise Failed("vfs has hardly been killed")
    same(s.must("dmesg | grep 'undo log'; true"), "", "a transaction that outgrew its log")
    s.guest.close()


@test("the crashes are in the log, and nobody else has died")
def log(_):
    s = Session(boot())
    s.must("service kill rtc; sleep 1")
    holds("rtc", s.must("dmesg"))
    output = s.must("service")
    columns = output.splitlines()[0].split()
    others = [line.split() for line in output.splitlines()[1:]]
    number = columns.index("incarnation")
    died = [row[0] for row in others if int(row[number]) > 1]
    same(died, ["rtc"], "services that were restarted")
    s.guest.close()


main_alone()
