# SPDX-License-Identifier: MIT
"""Linux in the same QEMU as Anole: what the benchmarks are compared with, and what the tests of the shell are tried on.

The kernel is Debian's cloud kernel; user space is the same busybox in the same configuration, built by an unmodified
musl compiler. All of it is kept in the cache.
"""
import contextlib
import fcntl
import glob
import hashlib
import os
import re
import shutil
import subprocess
import tempfile

import guest

META_PACKAGE = "linux-image-cloud-amd64"
MODULES = ["virtio", "virtio_ring", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk", "brd",
           "failover", "net_failover", "virtio_net"]
CACHE = os.path.join(os.environ.get("ANOLE_CACHE") or os.path.expanduser("~/.cache/anole"), "linux")
HEADERS = ("linux", "asm", "asm-generic", "mtd")
KERNEL_OPTIONS = "console=ttyS0 mitigations=off quiet loglevel=1"

# In memory: everything stays in the initramfs. `disk`: the root is on the third partition, as Anole's.
INIT = """#!/bin/sh
/bin/busybox --install -s
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts
mount -t devpts -o mode=620,ptmxmode=666 dev /dev/pts
for m in MODULES; do insmod /lib/$m.ko $(test $m = brd && echo rd_size=131072); done
stty -F /dev/ttyS0 -onlcr onlcr
if grep -qw disk /proc/cmdline; then
	mkdir /new
	mount -t ext2 /dev/vda3 /new
	mount --move /dev /new/dev
	umount /sys /proc
	exec switch_root /new /sbin/init
fi
mount -t tmpfs tmpfs /tmp
export PATH HOME=/root PS1='\\w # '
cd /root
exec setsid cttyhack sh
"""


def run(*command, **kw):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kw)
    if done.returncode:
        raise guest.GuestError(f"{' '.join(command)}:\n{done.stdout.decode(errors='replace')[-2000:]}")
    return done.stdout.decode()


def newest_package():
    run("apt-cache", "policy")
    for line in run("apt-cache", "depends", META_PACKAGE).splitlines():
        if "Depends: linux-image-" in line:
            return line.split()[-1]
    raise guest.GuestError(f"apt-get knows no {META_PACKAGE}; apt-get update may help")


@contextlib.contextmanager
def alone():
    """What is kept in the cache is made by one test at a time."""
    os.makedirs(CACHE, exist_ok=True)
    with open(f"{CACHE}/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def fetch_kernel():
    """vmlinuz and the modules, unpacked from Debian's package."""
    if all(os.path.exists(f"{CACHE}/{name}") for name in ["vmlinuz"] + [f"modules/{m}.ko" for m in MODULES]):
        return
    if not glob.glob(f"{CACHE}/*.deb"):
        run("apt-get", "download", "-q", newest_package(), cwd=CACHE)
    package = glob.glob(f"{CACHE}/*.deb")[0]
    with tempfile.TemporaryDirectory() as directory:
        run("dpkg-deb", "-x", package, directory)
        os.makedirs(f"{CACHE}/modules", exist_ok=True)
        for module in MODULES:
            found = glob.glob(f"{directory}/lib/modules/*/kernel/**/{module}.ko", recursive=True)
            shutil.copy(found[0], f"{CACHE}/modules")
        shutil.copy(glob.glob(f"{directory}/boot/vmlinuz-*")[0], f"{CACHE}/vmlinuz.new")
    os.rename(f"{CACHE}/vmlinuz.new", f"{CACHE}/vmlinuz")
    os.unlink(package)


def build_busybox():
    """With the configuration of ours, by musl-gcc as Debian has it."""
    if os.path.exists(f"{CACHE}/busybox"):
        return
    with tempfile.TemporaryDirectory() as directory:
        source = glob.glob(f"{os.path.dirname(CACHE)}/src/busybox_*.orig.tar.bz2")[0]
        run("tar", "-xf", source, "-C", directory, "--strip-components=1")
        shutil.copy(f"{guest.PORTS}/work/busybox/.config", f"{directory}/.config")
        os.mkdir(f"{directory}/kernel-headers")
        for name in HEADERS:
            there = [f"/usr/include/{name}", f"/usr/include/x86_64-linux-gnu/{name}"]
            os.symlink(next(t for t in there if os.path.isdir(t)), f"{directory}/kernel-headers/{name}")
        run("make", "-j2", f"CC=musl-gcc -isystem {directory}/kernel-headers", "busybox", cwd=directory)
        shutil.copy(f"{directory}/busybox", f"{CACHE}/busybox.new")
    os.rename(f"{CACHE}/busybox.new", f"{CACHE}/busybox")


@contextlib.contextmanager
def fresh_tree():
    with tempfile.TemporaryDirectory() as root:
        for name in "bin sbin usr/bin usr/sbin proc sys dev tmp root etc lib mnt run var".split():
            os.makedirs(f"{root}/{name}")
        shutil.copy(f"{CACHE}/busybox", f"{root}/bin/busybox")
        os.symlink("busybox", f"{root}/bin/sh")
        yield root


def modules_in_order():
    """MODULES, each behind those that it depends on: which these are differs between versions of the kernel."""
    ordered = []

    def place(module):
        with open(f"{CACHE}/modules/{module}.ko", "rb") as f:
            depends = re.search(rb"\0depends=([^\0]*)\0", f.read())
        for name in depends[1].decode().split(",") if depends else []:
            if name in MODULES and name not in ordered:
                place(name)
        if module not in ordered:
            ordered.append(module)
    for module in MODULES:
        place(module)
    return ordered


def make_initramfs(programs, target):
    """A cpio archive with busybox, the modules and the given programs in /bench."""
    with fresh_tree() as root:
        for module in MODULES:
            shutil.copy(f"{CACHE}/modules/{module}.ko", f"{root}/lib")
        os.mkdir(f"{root}/bench")
        for program in programs:
            shutil.copy(program, f"{root}/bench")
        with open(f"{root}/init", "w") as f:
            f.write(INIT.replace("MODULES", " ".join(modules_in_order())))
        os.chmod(f"{root}/init", 0o755)
        run("sh", "-c", 'find . | cpio -o -H newc -R 0:0 --quiet >"$0"', f"{target}.new", cwd=root)
    os.rename(f"{target}.new", target)


def initramfs(programs=()):
    """Its path; made anew only for other programs."""
    with alone():
        fetch_kernel()
        build_busybox()
        key = hashlib.sha256((INIT + " ".join(MODULES)).encode())
        for program in [f"{CACHE}/busybox", *programs]:
            with open(program, "rb") as f:
                key.update(f.read())
        target = f"{CACHE}/initramfs-{key.hexdigest()[:16]}"
        if not os.path.exists(target):
            for old in glob.glob(f"{CACHE}/initramfs-*"):
                os.unlink(old)
            make_initramfs(programs, target)
    return target


def make_disk(target, base=os.path.join(guest.BUILD, "base.img")):
    """A disk laid out as Anole's, with our files in /etc but for the console's name."""
    with alone():
        build_busybox()
    with fresh_tree() as root:
        for kind in "bin sbin usr/bin usr/sbin".split():
            for link in glob.glob(f"{guest.PORTS}/stage/busybox/{kind}/*"):
                if os.path.islink(link) and not os.path.lexists(f"{root}/{kind}/{os.path.basename(link)}"):
                    os.symlink("/bin/busybox", f"{root}/{kind}/{os.path.basename(link)}")
        run("cp", "-a", f"{guest.TOP}/distrib/root/etc", root)
        with open(f"{root}/etc/inittab") as f:
            table = f.read()
        with open(f"{root}/etc/inittab", "w") as f:
            f.write(table.replace("console::", "ttyS0::"))
        run(f"{guest.TOP}/distrib/image.py", "root", base, root, target)


class Linux(guest.Guest):
    """The same conversation as with Anole. With a disk the root is there, else in memory."""

    def __init__(self, disk=None, initrd=None, mem=512, extra=(), **options):
        options.setdefault("cpu", None if disk else guest.ICOUNT_CPU)
        arguments = KERNEL_OPTIONS + (" disk" if disk else "")
        extra = ("-kernel", f"{CACHE}/vmlinuz", "-initrd", initrd or initramfs(), "-append", arguments, *extra)
        super().__init__(image=disk or os.path.join(guest.BUILD, "base.img"), mem=mem, extra=extra, **options)
