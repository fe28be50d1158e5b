# SPDX-License-Identifier: MIT
# A library for servers and drivers: LIB (its name, if not the directory's), SRCS, SUBDIRS, INCLUDES, CFLAGS.
NAME ?= $(or $(LIB),$(notdir $(D)))
$(eval $(call compile_leaf,server))
$(eval $(call lib_rules))
