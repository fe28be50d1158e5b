#!/bin/sh
# SPDX-License-Identifier: MIT
# Make the tree that becomes the root file system: ports, our own files, our programs.
# Usage: root.sh BUILD ROOT PORTS PORT...
set -eu
build=$1 root=$2 ports=$3
shift 3
here=$(dirname "$0")

rm -rf "$root"
mkdir -p "$root"
for d in bin sbin boot dev etc home host lib mnt proc root run sys tmp usr/bin usr/sbin usr/lib var/log var/run var/tmp; do
	mkdir -p "$root/$d"
done

for port; do
	# A port may have what busybox has too, and must not be written through busybox's link.
	[ "$port" = musl ] || cp -a --remove-destination "$ports/stage/$port/." "$root/"
done
# What programs run with, and what a compiler wants.
cp -a "$ports/sysroot/include" "$ports/sysroot/lib" "$root/usr/"
mv "$root/usr/lib/libc.so" "$root/lib/libc.so"
ln -s ../../lib/libc.so "$root/usr/lib/libc.so"
ln -s libc.so "$root/lib/ld-musl-x86_64.so.1"
ln -s ../lib/ld-musl-x86_64.so.1 "$root/bin/ldd"

# Functions of the services, for crash reports.
mkdir -p "$root/usr/lib/symbols"
cp "$build"/symbols/* "$root/usr/lib/symbols/"

# After the ports, to replace what we do ourselves.
cp -a "$here/root/." "$root/"
# What DHCP and router advertisements have told.
ln -s ../proc/net/pnp "$root/etc/resolv.conf"
[ ! -s "$build/programs.list" ] || for program in $(cat "$build/programs.list"); do
	to=$root${program#"$build/programs"}
	mkdir -p "$(dirname "$to")"
	strip -o "$to" "$program"
	chmod 755 "$to"
done

[ "$(id -u)" != 0 ] || chown -hR 0:0 "$root"
rm -f "$root/linuxrc"
chmod -R go-w,go+rX "$root"
chmod 755 "$root/etc/rc" "$root/etc/rc.network"
chmod 700 "$root/root"
install -d -m 755 -o 1000 -g 1000 "$root/home/user"
chmod 600 "$root/etc/shadow"
# What a user may have done with root's rights; busybox drops them for every other name.
cp "$root/bin/busybox" "$root/bin/busybox.suid"
chmod 4711 "$root/bin/busybox.suid"
for program in bin/su bin/ping bin/ping6 usr/bin/passwd usr/bin/traceroute usr/bin/traceroute6; do
	[ ! -L "$root/$program" ] || ln -sf /bin/busybox.suid "$root/$program"
done
chmod 1777 "$root/tmp" "$root/var/tmp"
