# SPDX-License-Identifier: MIT
"""TEST: timeout=600

What the shell and the usual commands do with data: each line a name, a command and what it prints."""
from session import main, holds, same, test

EXACT = [
    ("a pipeline", "printf 'b\\na\\nc\\n' | sort | tr a-z A-Z | head -2 | tail -1", "B\n"),
    ("the status of a pipeline is the last command's", "false | true; echo $?; true | false; echo $?", "0\n1\n"),
    ("pipefail", "set -o pipefail; false | true; echo $?", "1\n"),
    ("a here-document", "x=5; cat <<END\nx is $x\n$((x+1))\nEND", "x is 5\n6\n"),
    ("a quoted here-document", "cat <<'END'\n$x `y`\nEND", "$x `y`\n"),
    ("a large here-document", "(echo 'cat <<END | wc -c'; seq 1 20000; echo END) >/tmp/h; sh /tmp/h", "108894\n"),
    ("globbing", "mkdir -p /tmp/g; cd /tmp/g; touch a1 a2 b1 .h; echo *; echo a?; echo [b-z]*; echo .h* q*",
     "a1 a2 b1\na1 a2\nb1\n.h q*\n"),
    ("command substitution", "echo \"<$(echo one; echo two | sed s/o/0/)>\" `echo three`", "<one\ntw0> three\n"),
    ("large command substitution", "x=$(seq 1 20000); echo ${#x}", "108893\n"),
    ("redirection to a file and from it", "echo one >/tmp/r; echo two >>/tmp/r; cat </tmp/r", "one\ntwo\n"),
    ("redirection of standard error", "(echo out; echo err >&2) 2>/tmp/e1 >/tmp/o1; cat /tmp/e1 /tmp/o1", "err\nout\n"),
    ("2>&1 into a pipe", "(echo out; echo err >&2) 2>&1 | sort", "err\nout\n"),
    ("descriptors by number", "exec 5>/tmp/five; echo five >&5; exec 5>&-; cat /tmp/five; echo x 2>/dev/null >&5 || echo closed",
     "five\nclosed\n"),
    ("reading and writing one descriptor", "echo abcdef >/tmp/rw; exec 6<>/tmp/rw; head -c 0 <&6; printf XY >&6; cat /tmp/rw",
     "XYcdef\n"),
    ("noclobber", "rm -f /tmp/nc; set -C; echo a >/tmp/nc; (echo b >/tmp/nc) 2>/dev/null || echo refused; cat /tmp/nc",
     "refused\na\n"),
    ("exit statuses", "true; echo $?; false; echo $?; (exit 42); echo $?; nosuchcommand 2>/dev/null; echo $?; "
     "/etc/passwd 2>/dev/null; echo $?", "0\n1\n42\n127\n126\n"),
    ("the status of a killed program", "for s in 9 15 11; do sh -c \"kill -$s \\$\\$\" 2>/dev/null; echo $?; done 2>/dev/null",
     "137\n143\n139\n"),
    ("and, or, not", "true && echo a || echo b; false && echo a || echo b; ! false && echo c", "a\nb\nc\n"),
    ("loops and cases", "for i in 1 2 3; do case $i in 2) continue;; *) echo $i;; esac; done; i=0; while [ $i -lt 3 ]; do "
     "i=$((i+1)); done; echo $i", "1\n3\n3\n"),
    ("functions and local variables", "f() { local x=in; echo $x $1; return 3; }; x=out; f arg; echo $? $x", "in arg\n3 out\n"),
    ("parameter expansion", "p=/a/b/file.tar.gz; echo ${p##*/} ${p%.*} ${p%%.*} ${q:-none} ${#p} ${p#/a}",
     "file.tar.gz /a/b/file.tar /a/b/file none 16 /b/file.tar.gz\n"),
    ("arithmetic", "echo $((7*6)) $((1<<40)) $((-7/2)) $((0x1f)) $((3>2?10:20))", "42 1099511627776 -3 31 10\n"),
    ("subshells keep their directory", "cd /tmp; (cd /usr; pwd); pwd", "/usr\n/tmp\n"),
    ("the environment", "A=1 sh -c 'echo $A'; export B=2; env | grep ^B=; env -i /bin/sh -c 'echo ${B:-gone}'", "1\nB=2\ngone\n"),
    ("a script by #!", "printf '#!/bin/sh\\necho script $# $1\\nexit 9\\n' >/tmp/s; chmod +x /tmp/s; /tmp/s 'a b' c; echo $?",
     "script 2 a b\n9\n"),
    ("#! with an argument", "printf '#!/bin/sed -n 2p\\nsecond\\n' >/tmp/s2; chmod +x /tmp/s2; cat /tmp/s2 | tail -1; "
     "printf '#!/bin/awk -f\\nBEGIN { print 6*7 }\\n' >/tmp/s3; chmod +x /tmp/s3; [ -e /bin/awk ] && /tmp/s3 || echo 42",
     "second\n42\n"),
    ("a #! script run by another", "printf '#!/tmp/s\\n' >/tmp/s4; chmod +x /tmp/s4; /tmp/s4 x", "script 2 /tmp/s4\n"),
    ("a program that is no program", "echo garbage >/tmp/x; printf '\\177ELFnonsense' >/tmp/y; chmod +x /tmp/x /tmp/y; "
     "/tmp/y 2>/dev/null; [ $? -ge 126 ] && echo refused", "refused\n"),
    ("trap on exit", "sh -c 'trap \"echo bye\" EXIT; echo hello'", "hello\nbye\n"),
    ("a signal wakes wait", "sh -c 'trap \"echo usr1\" USR1; (sleep 1; kill -USR1 $$) & wait; echo woken'", "usr1\nwoken\n"),
    ("SIGPIPE ends a writer", "yes | head -1; echo ${PIPESTATUS:-none}", "y\nnone\n"),
    ("read splits a line", "echo 'one two three' | while read a b; do echo $b-$a; done", "two three-one\n"),
    ("a FIFO", "cd /tmp; rm -f ff; mkfifo ff; (echo through >ff) & cat ff; wait; test -p ff && echo fifo", "through\nfifo\n"),
    ("find", "rm -rf /tmp/f; mkdir -p /tmp/f/a/b; cd /tmp/f; touch a/x.c a/b/y.c a/b/z.h; find . -name '*.c' | sort; "
     "find . -type d | wc -l; find . -name z.h -exec echo found {} \\;", "./a/b/y.c\n./a/x.c\n3\nfound ./a/b/z.h\n"),
    ("grep", "seq 1 100 | grep -c '^[1-9]$'; printf 'Ab\\ncd\\n' | grep -in AB; grep -q nothing /etc/passwd; echo $?",
     "9\n1:Ab\n1\n"),
    ("grep -r", "rm -rf /tmp/gr; mkdir -p /tmp/gr/d; echo needle >/tmp/gr/d/f; echo hay >/tmp/gr/g; grep -rl needle /tmp/gr",
     "/tmp/gr/d/f\n"),
    ("sed", "printf 'one\\ntwo\\nthree\\n' | sed -e 2d -e 's/\\(t\\)h/\\1H/' -e '$a end'", "one\ntHree\nend\n"),
    ("sed -i", "echo old >/tmp/si; sed -i s/old/new/ /tmp/si; cat /tmp/si", "new\n"),
    ("awk", "seq 1 10 | awk '{ s += $1 } NR % 2 { n++ } END { print s, n, s / n }'", "55 5 11\n"),
    ("sort, uniq, cut, wc", "printf 'b:2\\na:1\\nb:3\\n' | cut -d: -f1 | sort | uniq -c | sort -rn | tr -s ' '; seq 9 | wc -l",
     " 2 b\n 1 a\n9\n"),
    ("tar there and back", "rm -rf /tmp/t /tmp/u; mkdir -p /tmp/t/d /tmp/u; cd /tmp/t; seq 1 1000 >d/n; ln -s n d/l; chmod 640 d/n; "
     "tar -cf ../t.tar d; cd ../u; tar -xf ../t.tar; cmp d/n ../t/d/n && readlink d/l && stat -c %a d/n", "n\n640\n"),
    ("tar with gzip", "cd /tmp; rm -rf v; mkdir v; tar -czf t.tgz t; tar -tzf t.tgz | sort; tar -C v -xzf t.tgz; cmp t/d/n v/t/d/n && echo same",
     "t/\nt/d/\nt/d/l\nt/d/n\nsame\n"),
    ("gzip there and back", "seq 1 50000 >/tmp/gz; a=$(md5sum </tmp/gz); gzip -f /tmp/gz; zcat /tmp/gz.gz | tail -1; gunzip /tmp/gz.gz; "
     "[ \"$a\" = \"$(md5sum </tmp/gz)\" ] && echo same", "50000\nsame\n"),
    ("bzip2 and xz", "seq 1 5000 >/tmp/bz; a=$(md5sum </tmp/bz); bzip2 -kf /tmp/bz; [ \"$a\" = \"$(bunzip2 -c /tmp/bz.bz2 | md5sum)\" ] && echo same",
     "same\n"),
    ("checksums", "printf abc | md5sum; printf abc | sha256sum | cut -c1-16", "900150983cd24fb0d6963f7d28e17f72  -\nba7816bf8f01cfea\n"),
    ("cp -a, mv, rm -r", "cd /tmp; rm -rf ca cb cc; mkdir -p ca/s; echo data >ca/s/f; ln -s s/f ca/l; touch -d '2001-02-03 04:05:06' ca/s/f; "
     "cp -a ca cb; mv cb cc; stat -c '%Y' cc/s/f ca/s/f | uniq | wc -l; cat cc/l; rm -r cc; test -e cc || echo gone",
     "1\ndata\ngone\n"),
    ("links", "cd /tmp; rm -rf ln; mkdir ln; cd ln; echo x >a; ln a b; stat -c %h a; rm a; cat b; ln -s b c; readlink c; cat c; "
     "ln -s c c2; cat c2; ln -s loop loop; cat loop 2>/dev/null || echo loop", "2\nx\nb\nx\nx\nloop\n"),
    ("modes and umask", "cd /tmp; rm -f m m2; touch m; chmod 4751 m; stat -c %a m; umask 077; touch m2; stat -c %a m2", "4751\n600\n"),
    ("a user may not read root's files", "echo secret >/tmp/only; chmod 600 /tmp/only; chmod 755 /tmp/g; "
     "su -s /bin/sh user -c 'cat /tmp/only 2>/dev/null || echo denied; id -u'", "denied\n1000\n"),
    ("truncate and holes", "cd /tmp; rm -f hole; truncate -s 100M hole; stat -c %s hole; [ $(stat -c %b hole) -lt 100 ] && echo sparse; "
     "printf end | dd of=hole bs=1 seek=50000000 conv=notrunc 2>/dev/null; tail -c +50000001 hole | head -c 3", "104857600\nsparse\nend"),
    ("dd", "dd if=/dev/zero bs=4k count=3 2>/dev/null | wc -c; printf abcdef | dd bs=1 skip=2 count=2 2>/dev/null", "12288\ncd"),
    ("od and hexdump", "printf 'A\\0B' | od -An -tx1 | tr -d ' '; printf AB | hexdump -C | head -1 | cut -c1-15", "410042\n00000000  41 42\n"),
    ("devices", "echo x >/dev/null; head -c 4 /dev/zero | od -An -tx1; [ $(head -c 100 /dev/urandom | od -An -tx1 | sort -u | wc -l) -gt 1 ] && "
     "echo random; echo x 2>/dev/null >/dev/full || echo full", " 00 00 00 00\nrandom\nfull\n"),
    ("many arguments", "echo $(seq 1 15000) | wc -c; /bin/echo $(seq 1 15000) | wc -c", "78894\n78894\n"),
    ("too many arguments", "/bin/echo $(seq 1 600000) >/dev/null 2>/dev/null; [ $? -ne 0 ] && echo refused", "refused\n"),
    ("xargs", "seq 1 1000 | xargs -n 100 echo | wc -l; printf 'a b\\n' | xargs -I{} echo '<{}>'", "10\n<a b>\n"),
    ("expr, test, printf, date arithmetic", "expr 3 \\* 4; test 3 -gt 2 && echo yes; printf '%05d|%-4s|%x\\n' 42 ab 255; date -u -d @86400 +%F",
     "12\nyes\n00042|ab  |ff\n1970-01-02\n"),
    ("hostname", "hostname", "anole\n"),
    ("the time goes on", "a=$(date +%s); sleep 2; b=$(date +%s); [ $((b-a)) -ge 2 ] && [ $((b-a)) -le 8 ] && echo right", "right\n"),
    ("timeout", "timeout 1 sleep 100 2>/dev/null; echo $?", "143\n"),
    ("a thousand files in a directory", "rm -rf /root/k; mkdir /root/k; cd /root/k; seq 1 1000 | xargs touch; ls | wc -l; rm -f *7; ls | wc -l; "
     "cd /; rm -r /root/k; ls /root/k 2>/dev/null | wc -l", "1000\n900\n0\n"),
    ("an unlinked file lives while it is open", "cd /root; echo alive >ul; exec 4<ul; rm ul; cat <&4; test -e ul || echo gone", "alive\ngone\n"),
    ("a large file there and back", "cd /root; dd if=/dev/urandom of=big bs=64k count=128 2>/dev/null; cp big big2; cmp big big2 && echo same; "
     "stat -c %s big2; rm big big2", "same\n8388608\n"),
    ("a thousand processes one after the other", "i=0; while [ $i -lt 1000 ]; do /bin/true || echo bad; i=$((i+1)); done; echo $i", "1000\n"),
    ("fifty processes at once", "for i in $(seq 50); do (sleep 1; echo $i >>/tmp/p50) & done; wait; sort -u /tmp/p50 | wc -l", "50\n"),
    ("a deep directory", "cd /tmp; rm -rf dd; p=dd; for i in $(seq 60); do p=$p/d; done; mkdir -p $p && cd $p && pwd | wc -c; cd /tmp; rm -r dd; "
     "test -e dd || echo gone", "128\ngone\n"),
    ("a long name", "cd /tmp; n=$(printf '%0255d' 0); touch $n && ls $n | wc -c; rm $n; touch 0$n 2>/dev/null || echo refused", "256\nrefused\n"),
    ("rename over a file and into itself", "cd /tmp; rm -rf mv1 mv2 mvd; echo 1 >mv1; echo 2 >mv2; mv mv1 mv2; cat mv2; mkdir mvd; "
     "mv mvd mvd/x 2>/dev/null || echo refused", "1\nrefused\n"),
    ("chroot", "rm -rf /tmp/cr; mkdir -p /tmp/cr/bin; cp /bin/busybox /tmp/cr/bin/; chroot /tmp/cr /bin/busybox ls --color=never /", "bin\n"),
]

MATCHING = [
    ("uname", "uname -sm", r"^(Anole|Linux) x86_64$"),
    ("ps", "ps | head -5", r"^ +1 root +.*init"),
    ("ps shows itself", "ps -o pid,ppid,stat,args", r"ps -o pid"),
    ("mount", "mount", r" on / type ext2"),
    ("df", "df /", r"^\S+ +\d+ +\d+ +\d+ +\d+% /$"),
    ("free", "free", r"^Mem: +\d+ +\d+ +\d+"),
    ("dmesg", "dmesg | head -50", r"\w+"),
    ("date", "date +%Y", r"^20\d\d$"),
    ("uptime", "uptime", r"up .*load average"),
    ("id", "id", r"^uid=0\(root\) gid=0\(root\)"),
    ("top", "top -b -n 1 | head -20", r"PID +PPID"),
    ("ls -l", "ls --color=never -l /etc/passwd", r"^-rw-r--r-- +1 root +root +\d+ \w+ +\d+ .* /etc/passwd$"),
    ("/proc/self", "cat /proc/self/stat; ls --color=never -l /proc/self/fd 2>/dev/null || true", r"^\d+ \(cat\) R(.*\n)*.*0 -> "),
    ("/proc/cpuinfo", "cat /proc/cpuinfo", r"^processor\s*: 0"),
    ("/proc/meminfo", "cat /proc/meminfo", r"^MemTotal: +\d+ kB"),
    ("pstree", "pstree", r"init"),
    ("time", "time sleep 1 2>&1", r"^real\s+0m 1\.\d+s"),
    ("help and applets", "busybox | head -3", r"BusyBox v1\.35"),
]


def register_exact(name, command, wanted):
    @test(name)
    def run(s):
        same(s.run(command)[1], wanted)


def register_matching(name, command, pattern):
    @test(name)
    def run(s):
        holds(pattern, s.must(command))


for case in EXACT:
    register_exact(*case)
for case in MATCHING:
    register_matching(*case)
main()
