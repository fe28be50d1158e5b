# SPDX-License-Identifier: MIT
"""TEST: timeout=600

What was written is there after the next boot, and the file system is clean."""
import time

from session import ON_LINUX, Failed, Session, boot, copy_of_disk, fsck, main_alone, repair, same, test

CONSOLE = ("-display", "none", "-serial", "stdio", "-monitor", "none")
WRITE = ("mkdir -p /root/kept/deep && echo text >/root/kept/deep/file && ln -s deep/file /root/kept/link && "
         "seq 1 100000 >/root/kept/many && chmod 750 /root/kept/deep && touch -d '2020-01-02 03:04:05' /root/kept/link && "
         "ln /root/kept/many /root/kept/hard && rm -rf /root/gone; md5sum </root/kept/many")
LOOK = ("cat /root/kept/link && stat -c '%a %h' /root/kept/deep /root/kept/hard && date -r /root/kept/deep/file +%F && "
        "md5sum </root/kept/hard")
SEEN = "text\n750 2\n644 2\n2020-01-02\n"


def wrote(disk, **options):
    """Boot, write; the session and the checksum."""
    s = Session(boot(image=disk, snapshot=False, **options))
    return s, s.must(WRITE)


def look(disk, checksum):
    s = Session(boot(image=disk, snapshot=False))
    same(s.must(LOOK), SEEN + checksum)
    return s


def power_off(s):
    status = s.guest.poweroff(60)
    if status:
        raise Failed(f"QEMU ended with {status}")
    s.guest.close()


@test("files survive poweroff, e2fsck finds nothing")
def poweroff(directory):
    disk = copy_of_disk(directory)
    s, checksum = wrote(disk)
    power_off(s)
    fsck(disk)
    power_off(look(disk, checksum))
    fsck(disk)


@test("files survive reboot, in the same QEMU")
def reboot(directory):
    if ON_LINUX:
        return      # its kernel is QEMU's -kernel: the same test would show QEMU's reset only
    disk = copy_of_disk(directory)
    s, checksum = wrote(disk, console=CONSOLE)
    s.type("reboot\r")
    s.expect(r"\] Anole\n", 60)
    s.prompt(120)
    same(s.must(LOOK), SEEN + checksum)
    power_off(s)
    fsck(disk)


def lose_power(s, disk):
    """QEMU is killed; what e2fsck repairs then, as a machine's start would, must be all."""
    s.guest.close()
    repair(disk)


@test("files written before sync survive the loss of power")
def power_loss(directory):
    disk = copy_of_disk(directory)
    s, checksum = wrote(disk)
    s.must("sync")
    lose_power(s, disk)
    power_off(look(disk, checksum))
    fsck(disk)


@test("power lost while files are written: what was synced is there")
def power_loss_while_writing(directory):
    disk = copy_of_disk(directory)
    s, checksum = wrote(disk)
    s.must("sync")
    s.type("i=0; while :; do mkdir -p /root/w$i/d; cp /bin/busybox /root/w$i/d/f; mv /root/w$i /root/v$((i%7)) 2>/dev/null; "
           "rm -rf /root/v$((i%5)); [ $((i%20)) = 19 ] && sync; i=$((i+1)); done\r")
    time.sleep(12)
    lose_power(s, disk)
    s = look(disk, checksum)
    s.must("ls -lR /root >/dev/null; rm -rf /root/[vw]*")
    power_off(s)
    fsck(disk)


@test("poweroff ends the guest although programs run")
def poweroff_busy(directory):
    disk = copy_of_disk(directory)
    s = Session(boot(image=disk, snapshot=False))
    s.line("sleep 1000 &")
    s.line("(trap '' TERM; while :; do sleep 1; done) &")
    s.line("yes >/dev/null &")
    power_off(s)
    fsck(disk)


@test("a shell that exits is started again")
def shell_exit(directory):
    s = Session(boot())
    s.type("exit\r")
    s.expect(r"\n")
    s.prompt(30)
    same(s.line("echo again"), "again\n")
    s.guest.close()


main_alone()
