# SPDX-License-Identifier: MIT
# The program that takes the place of rs in the archive of test-kernel.img.
NAME = kernel-test
$(eval $(call compile_leaf,server))
$(eval $(call link_rules,server,$(BUILD)/tests/kernel/rs,$(or $(LINKER_SCRIPT),mk/server.ld)))
KERNEL_TEST := $(BUILD)/tests/kernel/rs
