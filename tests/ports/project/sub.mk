# SPDX-License-Identifier: MIT
# Its jobs are counted by the make above.
parts := $(foreach n,1 2 3 4 5 6 7 8,part$(n))
all: $(parts)
	@echo "$(words $^) parts, $(expected) lines"
$(parts):
	@sleep 0.1
.PHONY: all $(parts)
