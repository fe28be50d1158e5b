# SPDX-License-Identifier: MIT
# The kernel is linked twice: the second time with the table of its own functions that a panic names them from. The
# table lies after the text, so that it moves no function.
NAME = kernel
LINKER_SCRIPT ?= $(D)/arch/x86_64/kernel.ld
$(eval $(call compile_leaf,kernel))
$(eval $(call link_rules,kernel,$(BUILD)/kernel/pass1.elf,$(LINKER_SCRIPT)))

KERNEL := $(BUILD)/kernel/anole.elf
ALL += $(KERNEL)
kernel: $(KERNEL)
$(BUILD)/kernel/symbols.S: $(BUILD)/kernel/pass1.elf mk/symbols.awk
	$(Q)nm -n $< | LC_ALL=C awk -f mk/symbols.awk >$@
$(KERNEL): KERNEL_LINK := $(OBJECTS) $(libraries)
$(KERNEL): KERNEL_SCRIPT := $(LINKER_SCRIPT)
$(KERNEL): $(BUILD)/kernel/symbols.S
	$(call say,LD,$@)
	$(Q)$(CC) -c $< -o $(<:.S=.o)
	$(Q)$(CC) $(LDFLAGS_kernel) -Wl,-T,$(KERNEL_SCRIPT) -Wl,-Map,$@.map -o $@.new $(<:.S=.o) $(KERNEL_LINK) -lgcc
	$(Q)nm -n $@.new | LC_ALL=C awk -f mk/symbols.awk | cmp -s - $< || { echo "$@: the symbol table moved the text" >&2; exit 1; }
	$(Q)mv $@.new $@
# Stripped copy for the image.
$(BUILD)/kernel/boot.elf: $(KERNEL)
	$(Q)$(OBJCOPY) --strip-all $< $@
