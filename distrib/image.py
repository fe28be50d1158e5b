#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Make a disk image without root or loop devices.

  image.py base FILE ROOT_MIB   GPT, boot sector, GRUB's BIOS core and an ESP with GRUB for UEFI
  image.py root BASE DIR FILE   FILE is BASE with an ext2 root file system made from DIR

Partitions: 1 GRUB's core for BIOS, 2 the ESP, 3 the root (so /dev/vda3).
"""
import os
import struct
import subprocess
import sys
import tempfile

SECTOR = 512
MIB = 1 << 20
CORE_MIB = 1
ESP_MIB = 32
CORE_START = MIB
ESP_START = CORE_START + CORE_MIB * MIB
ROOT_START = ESP_START + ESP_MIB * MIB
LABEL = "anole"

# Finds the root by its label wherever the firmware puts the disk; GRUB then reads grub.cfg there.
EARLY_CONFIG = f"""search.fs_label {LABEL} root hd0,gpt3
set prefix=($root)/boot/grub
"""
MODULES = "part_gpt ext2 search_label normal multiboot2 echo".split()


def run(*command, **kw):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kw)
    if done.returncode:
        sys.exit(f"{' '.join(command)}:\n{done.stdout.decode(errors='replace')}")


def write_at(path, offset, data):
    with open(path, "r+b") as f:
        f.seek(offset)
        f.write(data)


def grub_core(directory, target, *modules):
    config = os.path.join(directory, "early.cfg")
    with open(config, "w") as f:
        f.write(EARLY_CONFIG)
    out = os.path.join(directory, "core." + target)
    run("grub-mkimage", "-O", target, "-o", out, "-p", "/boot/grub", "-c", config, *modules, *MODULES)
    return out


def install_bios(image, core_path):
    """What grub-bios-setup would do: tell boot.img where the core is, and the core where its rest is."""
    with open(core_path, "rb") as f:
        core = bytearray(f.read())
    assert len(core) <= CORE_MIB * MIB
    start = CORE_START // SECTOR
    struct.pack_into("<Q", core, 0x200 - 12, start + 1)
    write_at(image, CORE_START, core)
    with open("/usr/lib/grub/i386-pc/boot.img", "rb") as f:
        boot = bytearray(f.read(440))       # from there on the sector is the partition table's
    struct.pack_into("<Q", boot, 0x5C, start)
    write_at(image, 0, boot)


def install_esp(image, directory, efi):
    esp = os.path.join(directory, "esp")
    run("truncate", "-s", f"{ESP_MIB}M", esp)
    run("mkfs.vfat", "-F", "16", "-n", "ESP", esp)
    run("mmd", "-i", esp, "::/EFI", "::/EFI/BOOT")
    run("mcopy", "-i", esp, efi, "::/EFI/BOOT/BOOTX64.EFI")
    run("dd", f"if={esp}", f"of={image}", "bs=1M", f"seek={ESP_START // MIB}", "conv=notrunc,sparse")


def make_base(image, root_mib):
    if os.path.exists(image):
        os.unlink(image)
    run("truncate", "-s", str(ROOT_START + (root_mib + 1) * MIB), image)
    first = [n // SECTOR for n in (CORE_START, ESP_START, ROOT_START, ROOT_START + root_mib * MIB)]
    run("sgdisk", "-o",
        "-n", f"1:{first[0]}:{first[1] - 1}", "-t", "1:ef02", "-c", "1:grub",
        "-n", f"2:{first[1]}:{first[2] - 1}", "-t", "2:ef00", "-c", "2:esp",
        "-n", f"3:{first[2]}:{first[3] - 1}", "-t", "3:8300", "-c", "3:root", image)
    with tempfile.TemporaryDirectory() as directory:
        install_bios(image, grub_core(directory, "i386-pc", "biosdisk"))
        install_esp(image, directory, grub_core(directory, "x86_64-efi"))


def make_root(base, tree, image):
    """A new file, renamed into place, so that a QEMU that runs from the old one is not disturbed."""
    new = image + ".new"
    run("cp", "--sparse=always", base, new)
    root_mib = (os.path.getsize(base) - ROOT_START) // MIB - 1
    fake = [] if os.getuid() == 0 else ["fakeroot"]     # files of root although the builder is somebody else
    run(*fake, "mke2fs", "-q", "-F", "-t", "ext2", "-b", "4096", "-i", "8192", "-L", LABEL, "-m", "1",
        "-O", "none,filetype,sparse_super,large_file,has_journal", "-J", "size=16",
        "-E", f"offset={ROOT_START},root_owner=0:0,nodiscard", "-d", tree, new, f"{root_mib}M")
    os.rename(new, image)


def main(argv):
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    if len(argv) == 3 and argv[0] == "base":
        make_base(argv[1], int(argv[2]))
    elif len(argv) == 4 and argv[0] == "root":
        make_root(*argv[1:])
    else:
        sys.exit(__doc__)


main(sys.argv[1:])
