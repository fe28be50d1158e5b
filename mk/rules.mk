# SPDX-License-Identifier: MIT
# How a leaf becomes rules. A leaf sets some variables and includes mk/KIND.mk, which calls a template from here.
# D is the leaf's directory. Nothing is inherited from one leaf to the next.
define newline


endef
comma := ,
DEPS :=
ALL :=
BOOT_FILES :=
SYMBOLS :=
leaf_variables = NAME SERVER DRIVER LIB SRCS SUBDIRS LIBS INCLUDES CFLAGS LINKER_SCRIPT BOOT MANIFEST TX_LOG

define read_leaf
$(foreach v,$(leaf_variables),undefine $(v)$(newline))
D := $(patsubst %/,%,$(dir $(1)))
include $(1)
endef

# The leaf's sources: SRCS, else every .c and .S in its directory and its SUBDIRS. A name that is not there is taken
# from the top of the tree.
sources = $(if $(SRCS),$(foreach s,$(SRCS),$(firstword $(wildcard $(D)/$(s)) $(s))),\
	$(foreach d,$(D) $(addprefix $(D)/,$(SUBDIRS)),$(sort $(wildcard $(d)/*.c $(d)/*.S))))

# Objects live below the leaf that compiles them, so one source can be compiled in two ways.
object = $(BUILD)/obj/$(D)/$(patsubst $(D)/%,%,$(1)).o

# $(call remember,FILE,TEXT): FILE changes when TEXT does. Links depend on it, to notice files that come and go.
# ($(file <...) would save the shell, but make 4.3 now and then reads more than the file.)
remember = $(if $(call same,$(strip $(shell cat $(1) 2>/dev/null)),$(strip $(2))),,$(shell mkdir -p $(dir $(1)))$(file >$(1),$(2)))
same = $(if $(subst x$(1)x,,x$(2)x),,yes)

$(call remember,$(BUILD)/compiler,$(CC))

ifdef TX_PLUGIN
$(TX_PLUGIN): mk/tx.cc $(BUILD)/compiler
	$(call say,HOSTCXX,$<)
	$(Q)mkdir -p $(@D) && $(HOSTCXX) -O1 -shared -fPIC -fno-rtti -Wall -Wextra -Werror -isystem $(shell $(CC) -print-file-name=plugin)/include \
		$< -o $@.new && mv $@.new $@
endif

# $(1) kind (for flags), $(2) source, $(3) object
define compile
$(3): $(2) mk/config.mk $(D)/Makefile $(BUILD)/compiler $(if $(filter server,$(1)),$(TX_PLUGIN))
	$$(call say,CC,$(2))
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(CFLAGS_$(1)) $(CFLAGS) $(CFLAGS_$(2)) $(addprefix -I,$(INCLUDES)) -I$(D) \
		$$(INCLUDES_ALL) -MMD -MP -c $(2) -o $$@
DEPS += $(3:.o=.d)
endef

# $(1) kind; sets OBJECTS and the rules that make them.
define compile_leaf
OBJECTS := $(foreach s,$(sources),$(call object,$(s)))
$(foreach s,$(sources),$(eval $(call compile,$(1),$(s),$(call object,$(s)))))
$(call remember,$(BUILD)/obj/$(D)/.sources,$(sources) $(LIBS))
endef

# lib/NAME -> build/lib/libNAME.a
define lib_rules
$(BUILD)/lib/lib$(NAME).a: $(OBJECTS) $(BUILD)/obj/$(D)/.sources
	$$(call say,AR,$$@)
	$$(Q)mkdir -p $$(@D) && rm -f $$@
	$$(Q)ar rcs $$@ $(OBJECTS)
.PHONY: $(D)
$(D): $(BUILD)/lib/lib$(NAME).a
ALL += $(BUILD)/lib/lib$(NAME).a
endef

libraries = $(foreach l,$(LIBS),$(BUILD)/lib/lib$(l).a)

# $(1) kind, $(2) output, $(3) linker script
define link_rules
$(2): $(OBJECTS) $(libraries) $(3) $(BUILD)/obj/$(D)/.sources
	$$(call say,LD,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS_$(1)) $(if $(TX_LOG),-Wl$(comma)--defsym=TX_LOG=$(TX_LOG)) -Wl,-T,$(3) -Wl,-Map,$$@.map -o $$@.new $(OBJECTS) \
		$(if $(LIBS),-Wl$(comma)--start-group $(libraries) -Wl$(comma)--end-group) -lgcc && mv $$@.new $$@
.PHONY: $(D)
$(D): $(2)
ALL += $(2)
endef

# A service: build/bin/NAME, its stripped copy and its manifest for the boot archive, its symbols for crash reports.
define service_rules
$(call link_rules,server,$(BUILD)/bin/$(NAME),$(or $(LINKER_SCRIPT),mk/server.ld))
$(if $(filter no,$(BOOT)),,BOOT_FILES += $(NAME) $(if $(wildcard $(MANIFEST)),$(NAME).manifest))
$(BUILD)/boot/$(NAME): $(BUILD)/bin/$(NAME)
	$$(Q)mkdir -p $$(@D) && $$(OBJCOPY) --strip-all $$< $$@
$(if $(filter no,$(BOOT)),,SYMBOLS += $(BUILD)/symbols/$(NAME))
$(BUILD)/symbols/$(NAME): $(BUILD)/bin/$(NAME) mk/frames.awk
	$$(Q)mkdir -p $$(@D) && { nm -n $$<; readelf --debug-dump=frames-interp $$< 2>/dev/null; } | LC_ALL=C awk -f mk/frames.awk >$$@
$(BUILD)/boot/$(NAME).manifest: $(MANIFEST)
	$$(Q)mkdir -p $$(@D) && cp $$< $$@
endef
