# SPDX-License-Identifier: MIT
# A script that needs no command but the shell itself: everything is compared with what it must be.
PATH=/nonexistent
same() {
	[ "$1" = "$2" ] || { echo "$3: '$1', not '$2'"; exit 1; }
}

same "$((7 * (3 + 4) % 10)) $((1 << 20)) $((0x1f & ~3))" "9 1048576 28" arithmetic
v=path/to/file.tar.gz
same "${v##*/} ${v%.*} ${v#*/} ${v%%.*} ${#v} ${none:-default} ${v:+set}" \
	"file.tar.gz path/to/file.tar to/file.tar.gz path/to/file 19 default set" expansion
set -- one "two words" three
same "$# $2" "3 two words" positional
IFS=,; same "$*" "one,two words,three" IFS; unset IFS
for w in "$@"; do last=$w; done
same "$last" three for

factorial() {
	local n=$1
	[ "$n" -le 1 ] && { echo 1; return; }
	echo $((n * $(factorial $((n - 1)))))
}
same "$(factorial 12)" 479001600 recursion

case abc.c in *.h) k=header ;; *.[co]) k=source ;; *) k=else ;; esac
same "$k" source case
while getopts ab:c o -a -b value -c; do got=$got$o$OPTARG; done
same "$got" abvaluec getopts

text=$(read -r first rest <<END
word and the\\rest
END
printf '%s|%s' "$first" "$rest")
same "$text" 'word|and the\rest' "here document"
lines=0
printf '%s\n' 1 2 3 4 5 | { while read -r n; do lines=$((lines + n)); done; same $lines 15 pipeline; } || exit 1
same "$(printf '%05d|%-5s|%x|%b' 42 ab 255 'a\tb')" "00042|ab   |ff|a	b" printf

f=/tmp/builtins.$$
exec 5>"$f"; echo through five >&5; exec 5>&-
echo more >>"$f"
{ read -r one; read -r two; } <"$f"
same "$one+$two" "through five+more" "redirected descriptors"
same "$( (echo out; echo err >&2) 2>&1 >/dev/null)" err "order of redirections"
set -C; (echo x >"$f") 2>/dev/null && exit 1; set +C
umask 027; same "$(umask)" 0027 umask
cd /usr/bin && cd ../lib && same "$PWD" /usr/lib cd
[ -d /usr ] && [ ! -e /nonexistent ] && [ -s "$f" ] && [ /bin/sh -ef /bin/sh ] || exit 1

trap 'seen=$seen+usr1' USR1
kill -USR1 $$; kill -USR1 $$
same "$seen" +usr1+usr1 trap
same "$(trap 'echo at exit' EXIT; exit 3)" "at exit" "trap at exit"
(exit 7); same $? 7 status
trap 'term=yes' TERM; (kill -TERM $$) & wait; wait; same "$term" yes "a signal from a child"
(exit 9) & wait $!; same $? 9 "status of a job"
! false_nowhere 2>/dev/null; same $? 0 negation
nowhere 2>/dev/null; same $? 127 "command not found"
same "$(set -e; nowhere 2>/dev/null; echo not reached)" "" "set -e"
alias hi='echo aliased'; same "$(eval hi)" aliased alias
eval 'same "$(echo nested "$(echo deep)")" "nested deep" nesting'
command -v cd >/dev/null || exit 1
echo "all as expected"
