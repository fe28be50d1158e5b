# SPDX-License-Identifier: MIT
# From `nm -n` of the kernel, the table of its functions:
#	struct { uint64_t address; uint64_t name; } kernel_symbols[];	sorted, name an offset into
#	char kernel_symbol_names[];					strings
#	uint64_t kernel_symbol_count;
$2 ~ /^[tTwW]$/ && $3 !~ /^\.L|^__(start|end|text)/ {
	address[count] = $1
	name[count++] = $3
}
BEGIN { count = offset = 0 }
END {
	print "\t.section .rodata.symbols, \"a\"\n\t.balign 8"
	print "\t.globl kernel_symbols, kernel_symbol_names, kernel_symbol_count"
	print "kernel_symbol_count:\n\t.quad " count + 0
	print "kernel_symbols:"
	for (i = 0; i < count; i++) {
		print "\t.quad 0x" address[i] ", " offset
		offset += length(name[i]) + 1
	}
	print "kernel_symbol_names:"
	for (i = 0; i < count; i++)
		print "\t.asciz \"" name[i] "\""
	print "\t.section .note.GNU-stack, \"\""
}
