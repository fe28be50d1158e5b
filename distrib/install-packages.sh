#!/bin/bash
# SPDX-License-Identifier: MIT
# Install Debian packages and say why.  Usage: install-packages.sh REASON PACKAGE...
# The only step of the build that needs root.
set -euo pipefail
reason=$1; shift
[ $# -gt 0 ] || exit 0
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
echo "  INSTALL  $* ($reason)" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
get() { $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@" >"$log" 2>&1; }
get install --no-install-recommends "$@" || { get update && get install --no-install-recommends "$@"; } || {
	tail -n 10 "$log" >&2
	echo "could not install: $*" >&2
	exit 1
}
