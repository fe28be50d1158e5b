# SPDX-License-Identifier: MIT
"""A folder of the host in the guest, by virtio-9p: what one side does the other sees, also while parts of it die."""
import hashlib
import os

from session import Session, boot, holds, main_alone, same, test

MIB = 1 << 20


def shared(directory):
    folder = os.path.join(directory, "folder")
    os.makedirs(folder)
    return folder


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)
    return hashlib.md5(data).hexdigest()


def md5(path):
    with open(path, "rb") as f:
        return hashlib.md5(f.read()).hexdigest()


@test("files of the host are there, and files of the guest come to the host")
def both_ways(directory):
    folder = shared(directory)
    there = write(f"{folder}/there", os.urandom(3 * MIB + 17))
    os.symlink("there", f"{folder}/link")
    s = Session(boot(share=folder))
    same(s.must("cd /host; md5sum <there; md5sum <link; readlink link"), f"{there}  -\n{there}  -\nthere\n")
    s.must("cd /host; dd if=/dev/urandom of=here bs=100001 count=30 2>/dev/null; cp here copy; cmp here copy")
    same(s.must("md5sum </host/here"), md5(f"{folder}/here") + "  -\n")
    s.must("cd /host; mkdir -p a/b; echo one >a/b/f; echo two >>a/b/f; mv a/b/f a/g; ln a/g a/h; ln -s g a/s; chmod 640 a/g; "
           "touch -d '2001-02-03 04:05:06' a/g; mkfifo a/p; truncate -s 5 a/h")
    same(open(f"{folder}/a/g").read(), "one\nt")
    stat = os.stat(f"{folder}/a/g")
    same((stat.st_mode & 0o777, stat.st_nlink, os.readlink(f"{folder}/a/s")), (0o640, 2, "g"))
    os.rename(f"{folder}/a", f"{folder}/moved")
    os.unlink(f"{folder}/there")
    same(s.must("cd /host; echo *; cat moved/s"), "copy here link moved\none\nt")
    for command, error in (("cat /host/there", "No such file"), ("rmdir /host/moved", "Directory not empty"),
                           ("mkdir /host/moved", "File exists"), ("ls /host/copy/x", "Not a directory")):
        status, output = s.guest.run(command)
        holds(error, output)
        same(bool(status), True)
    s.must("rm -r /host/moved /host/copy /host/here /host/link")
    same(os.listdir(folder), [])
    s.guest.close()


@test("many names, programs and mappings")
def programs(directory):
    folder = shared(directory)
    for n in range(700):
        open(f"{folder}/a-name-of-some-length-{n}", "w").close()
    s = Session(boot(share=folder))
    same(s.must("ls /host | wc -l; ls -a /host | wc -l"), "700\n702\n")
    s.must("cp /bin/busybox /host/sh; cd /host; ./sh -c 'echo runs' >out")
    same(open(f"{folder}/out").read(), "runs\n")
    same(s.must("cd /host; rm a-name*; echo *"), "out sh\n")
    s.must("umount /host; mkdir /tmp/other; mount -t 9p host /tmp/other; cmp /tmp/other/sh /bin/busybox")
    holds("No such file|No such device", s.guest.run("mount -t 9p nothing /host")[1])
    s.guest.close()


@test("its driver and its server are killed while files are copied")
def killed(directory):
    folder = shared(directory)
    big = write(f"{folder}/big", os.urandom(8 * MIB))
    s = Session(boot(share=folder))
    s.must("cd /host; exec 5<big; dd bs=1M count=1 <&5 >/tmp/first 2>/dev/null")
    s.must("cd /host; for i in 1 2 3; do (sleep 0.1; service kill virtio_9p; sleep 0.2; service kill p9) & "
           "cp big copy.$i || exit 1; wait; done", timeout=120)
    for n in (1, 2, 3):
        same(md5(f"{folder}/copy.{n}"), big)
    same(s.must("md5sum </host/big; cd /host; service kill virtio_9p; echo still >>note; cat note"),
         f"{big}  -\nstill\n")
    s.guest.close()


@test("another file in the place of an open one is not taken for it when the session is lost")
def replaced(directory):
    folder = shared(directory)
    write(f"{folder}/f", b"old\n")
    s = Session(boot(share=folder))
    status, output = s.guest.run("exec 5</host/f; service kill virtio_9p; cat <&5")
    same(output, "old\n")
    s.line("exec 6</host/f")
    write(f"{folder}/new", b"new\n")
    os.rename(f"{folder}/new", f"{folder}/f")
    s.must("service kill virtio_9p; cat /host/f")
    holds("Stale|Bad file|No such file", s.line("cat <&6; exec 6<&-"))
    same(s.must("cat /host/f"), "new\n")
    s.guest.close()


main_alone()
