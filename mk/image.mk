# SPDX-License-Identifier: MIT
# The boot archive, the root tree and the disk images.
PORTS = musl busybox dash dropbear e2fsprogs lua make tcc
ROOT_MIB = 256

boot_files := $(addprefix $(BUILD)/boot/,$(BOOT_FILES))
$(call remember,$(BUILD)/boot.list,$(BOOT_FILES))

# rs comes first for whoever reads a listing; the kernel finds it by its name.
archive = (cd $(1) && printf '%s\n' rs $(2) | awk '!seen[$$0]++' | cpio -o -H newc -R 0:0 --quiet) >$@.new && mv $@.new $@

$(BUILD)/boot.cpio: $(boot_files) $(BUILD)/boot.list
	$(call say,CPIO,$@)
	$(Q)test -e $(BUILD)/boot/rs || { echo "no archive to boot from: servers/rs is not built" >&2; exit 1; }
	$(Q)$(call archive,$(BUILD)/boot,$(BOOT_FILES))

# The same archive with another rs.
$(BUILD)/test-kernel.cpio: $(boot_files) $(BUILD)/boot.list $(KERNEL_TEST)
	$(call say,CPIO,$@)
	$(Q)test -n "$(KERNEL_TEST)" || { echo "no tests/kernel" >&2; exit 1; }
	$(Q)mkdir -p $(BUILD)/test-boot
	$(Q)cp -f $(boot_files) $(BUILD)/test-boot/ 2>/dev/null; $(OBJCOPY) --strip-all $(KERNEL_TEST) $(BUILD)/test-boot/rs
	$(Q)$(call archive,$(BUILD)/test-boot,$(BOOT_FILES))

root_sources := $(shell find distrib/root -type f -o -type l)
$(call remember,$(BUILD)/root.list,$(root_sources))
kernel_image = $(if $(KERNEL),$(BUILD)/kernel/boot.elf)

# Everything of an image up to the root file system: partitions, boot sector, ESP.
$(BUILD)/base.img: distrib/image.py
	$(call say,IMAGE,$@)
	$(Q)distrib/image.py base $@ $(ROOT_MIB)

.PHONY: need-kernel
need-kernel:
	$(if $(KERNEL),,@echo "no image without a kernel: kernel/Makefile is missing" >&2; exit 1)

$(BUILD)/anole.img: $(BUILD)/base.img $(kernel_image) $(BUILD)/boot.cpio $(root_sources) $(BUILD)/root.list \
		$(PROGRAMS) $(SYMBOLS) $(BUILD)/programs.list distrib/root.sh $(PORTS:%=$(ANOLE_PORTS)/stamp/%) | need-kernel
	$(call say,IMAGE,$@)
	$(Q)distrib/root.sh $(BUILD) $(BUILD)/root $(ANOLE_PORTS) $(PORTS)
	$(Q)cp $(kernel_image) $(BUILD)/root/boot/anole.elf
	$(Q)cp $(BUILD)/boot.cpio $(BUILD)/root/boot/boot.cpio
	$(Q)distrib/image.py root $(BUILD)/base.img $(BUILD)/root $@

$(BUILD)/test-kernel.img: $(BUILD)/base.img $(kernel_image) $(BUILD)/test-kernel.cpio distrib/root/boot/grub/grub.cfg | need-kernel
	$(call say,IMAGE,$@)
	$(Q)rm -rf $(BUILD)/test-root && mkdir -p $(BUILD)/test-root/boot/grub
	$(Q)cp distrib/root/boot/grub/grub.cfg $(BUILD)/test-root/boot/grub/
	$(Q)cp $(kernel_image) $(BUILD)/test-root/boot/anole.elf
	$(Q)cp $(BUILD)/test-kernel.cpio $(BUILD)/test-root/boot/boot.cpio
	$(Q)distrib/image.py root $(BUILD)/base.img $(BUILD)/test-root $@

.PHONY: image test-kernel-image
image: $(BUILD)/anole.img
test-kernel-image: $(BUILD)/test-kernel.img
