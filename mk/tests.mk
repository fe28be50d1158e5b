# SPDX-License-Identifier: MIT
# What tests/run runs: `make unit-tests` and so on; tests/run asks for one target per suite. A unit test is one file
# that names the sources under test in a comment, `SOURCES: lib/fs/cache.c ...`, and is run on the build machine.
unit_sources := $(wildcard tests/unit/*.c)
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(unit_sources))

define unit_rules
$(BUILD)/tests/unit/$(1): tests/unit/$(1).c $(2) mk/config.mk
	$$(call say,HOSTCC,$$<)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(HOSTCC) $$(CFLAGS_unit) -MM -MP -MT $$@ $$(filter %.c,$$^) >$$@.d
	$$(Q)$$(HOSTCC) $$(CFLAGS_unit) $$(filter %.c,$$^) -lpthread -o $$@
DEPS += $(BUILD)/tests/unit/$(1).d
endef
tested = $(filter %.c,$(subst :, ,$(filter tests/unit/$(1).c:%,$(unit_lines))))
# "file:source" for each source that a unit test names.
unit_lines := $(if $(unit_sources),$(shell awk 'match($$0, /SOURCES:/) { $$0 = substr($$0, RSTART + 8); \
	for (i = 1; i <= NF; i++) if ($$i ~ /\.c$$/) print FILENAME ":" $$i }' $(unit_sources)))
$(foreach t,$(unit_sources:tests/unit/%.c=%),$(eval $(call unit_rules,$(t),\
	$(filter-out tests/unit/$(t).c,$(call tested,$(t))))))

.PHONY: unit-tests
unit-tests: $(UNIT_TESTS)
