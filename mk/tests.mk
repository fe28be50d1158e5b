# SPDX-License-Identifier: MIT
# What tests/run runs: `make unit-tests` and so on; tests/run asks for one target per suite. A unit test is one file
# that names the sources under test in a comment, `SOURCES: lib/fs/cache.c ...`, and is run on the build machine; a
# fuzzing target likewise, built by clang with libFuzzer.
unit_sources := $(wildcard tests/unit/*.c)
fuzz_sources := $(wildcard tests/fuzz/*.c)

# tests/fuzz/net.c and tests/unit/net_merge.c include lwIP's sources, which are not ours to make clean: they take the address of what is behind NULL,
# and read words where they stand. The port's stand-ins for C's headers are for what is built without a C library.
FLAGS_tests/unit/net_merge = $(FLAGS_tests/fuzz/net)
FLAGS_tests/fuzz/net = -w -fno-sanitize=alignment,null -I$(BUILD)/lwip -I$(BUILD)/lwip/include -idirafter servers/net/port
$(BUILD)/tests/fuzz/net $(BUILD)/tests/unit/net_merge: $(BUILD)/lwip/.fetched

# What is to be made, without its ending; the sources under test; compiler and flags.
define host_rules
$(BUILD)/$(1): $(1).c $(2) mk/config.mk
	$$(call say,HOSTCC,$$<)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$(3) $$(FLAGS_$(1)) -MM -MP -MT $$@ $(1).c $(2) >$$@.d
	$$(Q)$(3) $$(FLAGS_$(1)) $(1).c $(2) -lpthread -o $$@
DEPS += $(BUILD)/$(1).d
endef
tested = $(filter-out $(1).c,$(filter %.c,$(subst :, ,$(filter $(1).c:%,$(tested_lines)))))
# "file:source" for each source that a test names.
tested_lines := $(if $(unit_sources)$(fuzz_sources),$(shell awk 'match($$0, /SOURCES:/) { \
	$$0 = substr($$0, RSTART + 8); for (i = 1; i <= NF; i++) if ($$i ~ /\.c$$/) print FILENAME ":" $$i }' \
	$(unit_sources) $(fuzz_sources)))
$(foreach t,$(unit_sources:%.c=%),$(eval $(call host_rules,$(t),$(call tested,$(t)),$(HOSTCC) $(CFLAGS_unit))))
$(foreach t,$(fuzz_sources:%.c=%),$(eval $(call host_rules,$(t),$(call tested,$(t)),clang $(CFLAGS_fuzz))))

.PHONY: unit-tests fuzz-tests
unit-tests: $(unit_sources:%.c=$(BUILD)/%)
fuzz-tests: $(fuzz_sources:%.c=$(BUILD)/%)
