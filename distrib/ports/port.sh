#!/bin/bash
# SPDX-License-Identifier: MIT
# Fetch, check, build and stage one port.  Usage: port.sh NAME...
# What a recipe says, and what it may use, is in README.md beside this file.
set -euo pipefail

ports=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export ANOLE_CACHE=${ANOLE_CACHE:-$HOME/.cache/anole}
cache=$ANOLE_CACHE
# What this tree's recipes have made: stage/NAME, work/NAME, sysroot and bin/anole-gcc are links into the cache, where everything
# lies under the hash of what it was made from, so that trees with different recipes share what they have in common and
# do not disturb each other. stamp/NAME holds that hash.
links=${ANOLE_PORTS:-$(cd "$ports/../.." && pwd)/build/ports}
jobs=${JOBS:-$(nproc)}

# These would lead a configure script to the build machine's own libraries.
unset LIBRARY_PATH CPATH C_INCLUDE_PATH LD_LIBRARY_PATH CFLAGS LDFLAGS MAKEFLAGS MFLAGS
export LC_ALL=C

say() { printf '  %-8s %s\n' "$1" "$2" >&2; }
die() { printf 'port: %s\n' "$*" >&2; exit 1; }

# apt with its own lists, so that the machine's configuration is left alone.
private_apt() {
	local tool=$1; shift
	"$tool" -q -o Dir::Etc::sourcelist="$cache/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::State::lists="$cache/apt/lists" -o Dir::Cache="$cache/apt/cache" \
		-o APT::Sandbox::User="$(id -un)" "$@"
}

# The machine's own Debian sources, as deb-src lines.
source_lines() {
	local codename files
	codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
	files=$(ls /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null || true)
	[ -z "$files" ] || sed -n 's/^deb\(-src\)\? /deb-src /p' $files | grep -E "[ /]$codename([-/ ])" || true
	for f in /etc/apt/sources.list.d/*.sources; do
		[ -e "$f" ] || continue
		awk -v codename="$codename" '
			function flush(  i, n, u, s, m, w, opt) {
				opt = key != "" ? "[signed-by=" key "] " : ""
				n = split(uris, u, " "); m = split(suites, s, " ")
				for (i = 1; i <= n; i++) for (w = 1; w <= m; w++)
					if (s[w] ~ "^" codename "($|[-/])")
						print "deb-src " opt u[i], s[w], comps
				uris = suites = comps = key = ""
			}
			/^#/ { next }
			/^[ \t]*$/ { flush(); next }
			{ value = $0; sub(/^[^:]*:[ \t]*/, "", value) }
			/^URIs:/ { uris = value }
			/^Suites:/ { suites = value }
			/^Components:/ { comps = value }
			/^Signed-By:/ { key = value ~ "^/" ? value : "" }
			END { flush() }' "$f"
	done
}

update_lists() {
	local want
	mkdir -p "$cache/apt/lists/partial" "$cache/apt/cache/archives/partial"
	want=$(source_lines | sort -u)
	[ -n "$want" ] || die "found no Debian source in /etc/apt to fetch from"
	if [ ! -e "$cache/apt/updated" ] || [ "$want" != "$(cat "$cache/apt/sources.list" 2>/dev/null)" ] || [ "${1:-}" = force ]; then
		say FETCH "lists of source packages"
		printf '%s\n' "$want" >"$cache/apt/sources.list"
		private_apt apt-get update >"$cache/log/apt.log" 2>&1 || { tail -n 5 "$cache/log/apt.log" >&2; die "apt-get update failed"; }
		touch "$cache/apt/updated"
	fi
}

# The name of the upstream tarball in the source directory, if it is there and its checksum is right.
tarball() {
	local f
	for f in "$cache/src/${source}"_*.tar.*; do
		case $f in *.asc|*.debian.tar.*) continue ;; esac
		[ -e "$f" ] || continue
		[ "$(sha256sum <"$f" | cut -d' ' -f1)" != "$sha256" ] || { echo "$f"; return 0; }
	done
	return 1
}

fetch() {
	local v
	mkdir -p "$cache/src"
	! tarball >/dev/null || return 0
	exec 8>"$cache/apt.lock"; flock 8
	for try in first force; do
		update_lists $try
		# A point release or the security suite may list what the pool no longer has: try each version.
		for v in $(private_apt apt-cache showsrc --only-source "$source" | sed -n 's/^Version: //p' | sort -ru); do
			case ${v#*:} in "$version"*) ;; *) continue ;; esac
			say FETCH "$source $v"
			(cd "$cache/src" && private_apt apt-get source --download-only --only-source "$source=$v") >"$cache/log/$name.fetch" 2>&1 || continue
			! tarball >/dev/null || { exec 8>&-; return 0; }
		done
	done
	tail -n 5 "$cache/log/$name.fetch" >&2 || true
	die "$name: no $source $version with sha256 $sha256 to be had"
}

# Everything a build depends on: the recipe's directory, this script, and the ports it needs.
fingerprint() {
	{
		(cd "$ports/$1" && find . -type f ! -name '*.md' | LC_ALL=C sort | xargs sha256sum)
		sha256sum <"$ports/port.sh"
		for n in $needs; do cat "$links/stamp/$n"; done
	} | sha256sum | cut -d' ' -f1
}

missing_packages() {
	local p
	for p in $packages; do
		dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || echo "$p"
	done
}

port() {
	name=$1
	local print work log
	source= version= sha256= needs= packages=
	unset -f build stage
	[ -e "$ports/$name/recipe" ] || die "no port named $name (there are: $(cd "$ports" && echo */ | tr -d /))"
	. "$ports/$name/recipe"
	for n in $needs; do "$ports/port.sh" "$n"; done

	print=$(fingerprint "$name")
	built=$cache/built/$name-${print:0:16}
	mkdir -p "$cache"/{log,lock,built}
	if [ ! -e "$built/done" ]; then
		exec 9>"$cache/lock/$name-${print:0:16}"; flock 9
		[ -e "$built/done" ] || make_port
		exec 9>&-
	fi
	link_port
}

# The links of this tree. The stamp is touched only if it changes, for make looks at its time.
link_port() {
	touch "$built"
	mkdir -p "$links"/{stage,work,stamp,bin}
	ln -sfn "$built/stage" "$links/stage/$name"
	ln -sfn "$built/work" "$links/work/$name"
	[ ! -e "$built/sysroot" ] || ln -sfn "$built/sysroot" "$links/sysroot"
	[ ! -e "$built/bin/anole-gcc" ] || ln -sfn "$built/bin/anole-gcc" "$links/bin/anole-gcc"
	[ "$(cat "$links/stamp/$name" 2>/dev/null)" = "$print" ] || echo "$print" >"$links/stamp/$name"
}

make_port() {
	local missing; missing=$(missing_packages)
	[ -z "$missing" ] || "$ports/../install-packages.sh" "to build the port $name" $missing
	fetch
	local work=$built/work log=$cache/log/$name-${print:0:16}.log
	rm -rf "$built"
	STAGE=$built/stage
	mkdir -p "$work" "$STAGE"
	tar -xf "$(tarball)" -C "$work" --strip-components=1
	[ ! -d "$ports/$name/overlay" ] || cp -a "$ports/$name/overlay/." "$work/"
	for p in "$ports/$name"/patches/*.patch; do
		[ ! -e "$p" ] || patch -s -d "$work" -p1 <"$p" || die "$name: $(basename "$p") does not apply"
	done
	say BUILD "$name $version (about a minute at most; log in ${log/#$HOME/\~})"
	# A subshell that is not a condition, so that set -e holds inside the recipe.
	set +e
	(
		set -e
		export PATH=$links/bin:$PATH JOBS=$jobs STAGE
		PORT=$ports/$name SYSROOT=$links/sysroot
		[ "$name" != musl ] || SYSROOT=$built/sysroot
		cd "$work"
		build
		stage
	) >"$log" 2>&1
	local status=$?
	set -e
	[ $status = 0 ] || { tail -n 25 "$log" >&2; die "$name failed; the whole log is ${log/#$HOME/\~}"; }
	touch "$built/done"
	say STAGE "$name"
	forget_old
}

# What no tree has used for a month.
forget_old() {
	find "$cache/built" -mindepth 1 -maxdepth 1 -mtime +30 -exec rm -rf {} +
}

[ $# -gt 0 ] || die "usage: port.sh NAME..."
for p in "$@"; do port "$p"; done
