# SPDX-License-Identifier: MIT
# The one position-independent image, linked at 0. It is mapped, never relocated, so a relocation fails the build: a
# table of pointers, say, must be a switch or a table of offsets.
NAME = libposix
$(eval $(call compile_leaf,libposix))
$(eval $(call link_rules,libposix,$(BUILD)/libposix/libposix.elf,$(or $(LINKER_SCRIPT),$(firstword $(wildcard $(D)/libposix.ld) mk/libposix.ld))))
BOOT_FILES += libposix
$(BUILD)/boot/libposix: $(BUILD)/libposix/libposix.elf
	$(Q)mkdir -p $(@D)
	$(Q)if readelf -rW $< | grep R_X86_64; then echo "$<: an image that is only mapped cannot have relocations" >&2; exit 1; fi
	$(Q)$(OBJCOPY) -O binary -j .text $< $@
