# SPDX-License-Identifier: MIT
# Programs that run in the guest: our commands, tests and benchmarks, one source file each, built with anole-gcc.
$(ANOLE_PORTS)/stamp/%:
	+$(Q)JOBS=$(shell nproc) distrib/ports/port.sh $*

# $(1) source directory, $(2) directory on the image
define guest_programs
$(foreach s,$(wildcard $(1)/*.c),$(call guest_program,$(s),$(BUILD)/programs$(2)/$(basename $(notdir $(s)))))
endef
define guest_program
PROGRAMS += $(2)
DEPS += $(2).d
$(2): $(1) mk/config.mk $(ANOLE_PORTS)/stamp/musl
	$$(call say,GUEST,$(1))
	$$(Q)mkdir -p $$(@D)
	$$(Q)$(ANOLE_GCC) $$(CFLAGS_guest) -MMD -MP -MF $(2).d $(1) -o $(2)

endef

# The same from all sources of a directory: $(1) directory, $(2) program
define guest_program_of
PROGRAMS += $(2)
DEPS += $(2).d
$(2): $(wildcard $(1)/*.c $(1)/*.h) mk/config.mk $(ANOLE_PORTS)/stamp/musl
	$$(call say,GUEST,$(1))
	$$(Q)mkdir -p $$(@D)
	$$(Q)$(ANOLE_GCC) $$(CFLAGS_guest) -MM -MP -MT $(2) $$(filter %.c,$$^) >$(2).d
	$$(Q)$(ANOLE_GCC) $$(CFLAGS_guest) $$(filter %.c,$$^) -o $$@

endef

# Benchmarks, and tests that say so (TEST: stock), are also built by an unmodified musl compiler, as NAME.stock: Linux
# binaries.
stock_sources := $(if $(wildcard tests/posix/*.c),$(shell grep -lw 'TEST:.*stock' tests/posix/*.c))
define stock_program
PROGRAMS += $(2)
$(2): $(1) mk/config.mk
	$$(call say,MUSL,$(1))
	$$(Q)mkdir -p $$(@D)
	$$(Q)musl-gcc -static $$(CFLAGS_guest) $(1) -o $(2)

endef

# A command of several sources has a directory, distrib/cmd/NAME; distrib/lib is for all of these.
guest_lib := $(wildcard distrib/lib/*.c)
define guest_directory
PROGRAMS += $(2)
DEPS += $(patsubst %.c,$(BUILD)/obj/$(1)/%.d,$(notdir $(wildcard $(1)/*.c) $(guest_lib)))
$(2): $(wildcard $(1)/*.c) $(guest_lib) mk/config.mk $(BUILD)/protocols.inc $(ANOLE_PORTS)/stamp/musl
	$$(call say,GUEST,$(1))
	$$(Q)mkdir -p $$(@D) $(BUILD)/obj/$(1)
	$$(Q)for s in $(wildcard $(1)/*.c) $(guest_lib); do $(ANOLE_GCC) $$(CFLAGS_guest) -I. -I$(BUILD) -MMD -MP \
		-MT $(2) -c $$$$s -o $(BUILD)/obj/$(1)/$$$$(basename $$$$s .c).o || exit 1; done
	$$(Q)$(ANOLE_GCC) $(patsubst %.c,$(BUILD)/obj/$(1)/%.o,$(notdir $(wildcard $(1)/*.c) $(guest_lib))) -o $(2)

endef

# Every protocol there is, for what names them all.
protocols := $(sort $(basename $(notdir $(wildcard include/proto/*.def))))
$(call remember,$(BUILD)/protocols.list,$(protocols))
$(BUILD)/protocols.inc: $(BUILD)/protocols.list mk/programs.mk
	$(Q){ echo '#ifdef INCLUDES'; for p in $(protocols); do echo "#include <proto/$$p.h>"; done; echo '#else'; \
		for p in $(protocols); do echo "PROTOCOL($$p)"; done; echo '#endif'; } >$@

PROGRAMS :=
$(eval $(foreach s,$(stock_sources),$(call stock_program,$(s),$(BUILD)/programs/usr/lib/anole/tests/$(basename $(notdir $(s))).stock)))
$(eval $(call guest_programs,distrib/cmd,/bin))
$(foreach d,$(patsubst %/,%,$(wildcard distrib/cmd/*/)),$(eval $(call guest_directory,$(d),$(BUILD)/programs/bin/$(notdir $(d)))))
$(eval $(call guest_programs,tests/posix,/usr/lib/anole/tests))
$(eval $(call guest_programs,tests/bench,/usr/lib/anole/bench))
$(eval $(call guest_directory,tests/fuzz/guest,$(BUILD)/programs/usr/lib/anole/tests/fuzz))
$(eval $(call guest_program_of,tests/recovery/effects,$(BUILD)/programs/usr/lib/anole/tests/effects))
$(eval $(call guest_program_of,tests/recovery/crowd,$(BUILD)/programs/usr/lib/anole/tests/crowd))
$(eval $(call guest_program_of,tests/recovery/power,$(BUILD)/programs/usr/lib/anole/tests/power))
$(eval $(foreach s,$(wildcard tests/bench/*.c),$(call stock_program,$(s),$(BUILD)/programs/usr/lib/anole/bench/$(basename $(notdir $(s))).stock)))
# A source that is gone must not stay on the image.
$(call remember,$(BUILD)/programs.list,$(PROGRAMS))
ALL += $(PROGRAMS)

.PHONY: programs
programs: $(PROGRAMS)
