# SPDX-License-Identifier: MIT
# From `nm -n` and `readelf --debug-dump=frames-interp` of a service, in this order, what a backtrace needs:
#	f ADDRESS NAME		a function
#	u ADDRESS REG OFFSET RBP	from here on the caller's stack pointer is REG (s: rsp, b: rbp) + OFFSET, and the
#				caller's rbp is at that stack pointer - RBP (0: still in rbp)
function hex(text) {
	sub(/^0+/, "", text)
	return text == "" ? "0" : text
}
NF == 3 && $2 ~ /^[tTwW]$/ { print "f", hex($1), $3 }
$1 == "LOC" {
	column = 0
	for (i = 1; i <= NF; i++)
		if ($i == "rbp")
			column = i
}
$1 ~ /^[0-9a-f]+$/ && length($1) == 16 && $1 !~ /^0+$/ && $2 ~ /^r[bs]p\+/ {
	split($2, cfa, "+")
	saved = column && $column ~ /^c-/ ? substr($column, 3) : 0
	print "u", hex($1), substr(cfa[1], 2, 1), cfa[2], saved
}
