# SPDX-License-Identifier: MIT
# A server: SERVER (its name, if not the directory's), SRCS, SUBDIRS, LIBS, INCLUDES, CFLAGS, LINKER_SCRIPT, BOOT = no (not in the archive).
NAME ?= $(or $(SERVER),$(DRIVER),$(notdir $(D)))
MANIFEST ?= $(D)/$(NAME).manifest
$(eval $(call compile_leaf,server))
$(eval $(call service_rules))
