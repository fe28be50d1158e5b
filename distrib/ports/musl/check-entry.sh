#!/bin/sh
# SPDX-License-Identifier: MIT
# No syscall instruction may be left in what is linked into programs, and each entry must be lea and jmp, 15 bytes.
# Usage: check-entry.sh FILE...
set -eu
for f; do
	objdump -d --no-show-raw-insn "$f" | awk -v f="$f" '
		/\tsyscall/ { print f ": syscall instruction:" $0; bad = 1 }
		/jmp +\*%gs:0x10/ { if (last !~ /lea .*\(%rip\),%rcx/) { print f ": no lea before" $0; bad = 1 } entries++ }
		{ last = $0 }
		END { if (!entries) print f ": no entry into libposix at all"; exit bad || !entries }'
done
