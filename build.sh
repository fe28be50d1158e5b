#!/bin/bash
# SPDX-License-Identifier: MIT
set -euo pipefail

usage() {
	cat <<'END'
usage: ./build.sh VERB

  run [OPTION...]         build what is missing and boot with the shell on this terminal (leave with C-a x)
  test [full | NAME...]   run the tests; NAME is the beginning of a test's name, as posix/pipe
  image                   build/anole.img: GPT, GRUB for BIOS and UEFI, ext2 root
  exec [OPTION...] 'cmd'  boot a throwaway copy, run cmd in its shell, print its output, exit with its status
  port NAME...            fetch, build and stage ports (distrib/ports)
  bench                   measure Anole beside Linux in the same QEMU
  demo recovery [SECONDS] a copy and a shell loop go on while every service is killed in turn
  debug [OPTION...]       boot under gdb, with the symbols of the kernel and of every service
  help                    this text

options of run, exec and debug:
  --disk FILE     one more disk, /dev/vdb (and so on)
  --share DIR     show this folder of the host in the guest, as /host
  --smp N         processors           --mem M        memory, in MiB
  --icount        one guest instruction is one nanosecond, for counting
  --cpu MODEL     --machine TYPE       --uefi         UEFI instead of BIOS
  --timeout S     exec only: give up after S seconds (600)
  --kernel-test   boot tests/kernel instead of the system

Packages that a verb needs and the machine lacks are installed, by sudo unless you are root. Sources of ports, and
what is built from them, are kept in ${ANOLE_CACHE:-~/.cache/anole}.
END
}

cd "$(dirname "$0")"
export ANOLE_CACHE=${ANOLE_CACHE:-$HOME/.cache/anole}

# need REASON PACKAGE...: what is not installed yet.
need() {
	local reason=$1 missing
	shift
	missing=$(comm -23 <(printf '%s\n' "$@" | sort -u) \
		<(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p' | sort -u))
	[ -z "$missing" ] || distrib/install-packages.sh "$reason" $missing
}

need_build() {
	need "to compile" gcc gcc-12 g++ gcc-12-plugin-dev libc6-dev binutils make python3 util-linux
}

need_image() {
	need_build
	need "to make the boot archive and the disk image" cpio gdisk dosfstools mtools e2fsprogs grub-common \
		grub-pc-bin grub-efi-amd64-bin musl-tools $([ "$(id -u)" = 0 ] || echo fakeroot)
}

need_qemu() {
	need "to boot the image" qemu-system-x86 $(case " $* " in *" --uefi "*) echo ovmf ;; esac)
}

ports() {
	distrib/ports/port.sh $(sed -n 's/^PORTS = //p' mk/image.mk)
}

# What the options of run, exec and debug boot.
target() {
	case " $* " in *" --kernel-test "*) echo test-kernel-image ;; *) echo image ;; esac
}

verb=${1:-help}
shift || true
case $verb in
run | exec | debug)
	need_image
	need_qemu "$@"
	[ $verb != debug ] || need "to debug" gdb
	ports
	make -s "$(target "$@")" >&2
	[ $verb != debug ] || make -s all >&2
	exec tests/lib/guest.py $verb "$@"
	;;
image)
	need_image
	ports
	make image
	;;
test)
	need_image
	need_qemu --uefi
	need "to check the style" clang-format-14
	need "to check its commands" gdb
	need "to log in to the guest" openssh-client
	need "to read what was on the wire" tshark
	need "to fuzz with libFuzzer" clang libclang-rt-14-dev
	ports
	exec tests/run "$@"
	;;
demo)
	need_image
	need_qemu
	ports
	make -s image >&2
	exec tests/lib/guest.py exec "demo $*"
	;;
bench)
	need_image
	need_qemu
	ports
	make -s image >&2
	[ -x tests/bench/run ] || { echo "nothing to measure yet: there is no tests/bench/run" >&2; exit 1; }
	exec tests/bench/run "$@"
	;;
port)
	need_build
	exec distrib/ports/port.sh "$@"
	;;
help | --help | -h)
	usage
	;;
*)
	usage >&2
	exit 2
	;;
esac
