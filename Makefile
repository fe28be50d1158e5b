# SPDX-License-Identifier: MIT
# One make for the whole tree: it reads every leaf's Makefile, so it knows every dependency. See mk/README.md.
BUILD ?= build

ifndef ANOLE_LOCKED
# Several people may build in one checkout: whoever comes second waits, then finds the work done.
goals := $(or $(MAKECMDGOALS),all)
.PHONY: $(goals) relay
$(goals): relay ; @:
relay:
	+@mkdir -p $(BUILD) && flock $(BUILD)/.lock $(MAKE) --no-print-directory ANOLE_LOCKED=1 $(goals)
else

MAKEFLAGS += -rR -j$(shell nproc)
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:

include mk/config.mk
include mk/rules.mk

leaves := $(sort $(wildcard kernel/Makefile lib/*/Makefile servers/*/Makefile drivers/*/*/Makefile \
	libposix/Makefile tests/kernel/Makefile))
$(foreach leaf,$(leaves),$(eval $(call read_leaf,$(leaf))))

include mk/programs.mk
include mk/image.mk
include mk/tests.mk
-include $(DEPS)

.PHONY: all clean
all: $(ALL)
	$(if $(ALL),,@echo "nothing to build yet")
clean:
	find $(BUILD) -mindepth 1 -maxdepth 1 ! -name .lock -exec rm -rf {} +
endif
