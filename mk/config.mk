# SPDX-License-Identifier: MIT
# What things are compiled with. Every object depends on this file.
CC = gcc
HOSTCC = gcc
HOSTCXX = g++
OBJCOPY = objcopy
ANOLE_CACHE ?= $(HOME)/.cache/anole
ANOLE_PORTS = build/ports
ANOLE_GCC = $(ANOLE_PORTS)/bin/anole-gcc
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' $(1) '$(2)')

# It would add the build machine's own libraries.
unexport LIBRARY_PATH
unexport CPATH

INCLUDES_ALL = -Iinclude -Ilib
# Builtins stay (small copies are expanded in line) although nothing is hosted. clang keeps them off by itself.
CFLAGS_ALL = -std=gnu17 -ffreestanding -fbuiltin -O2 -g -Wall -Wextra -Werror \
	-fno-stack-protector -fno-asynchronous-unwind-tables -fno-strict-aliasing -fno-common \
	-ffunction-sections -fdata-sections -fcf-protection=none -mgeneral-regs-only
CFLAGS_server = $(CFLAGS_ALL) -fno-pic -fno-pie $(if $(TXCHECK),-DTXCHECK) $(CFLAGS_tx)
# Services ask before they store (lib/sys/tx.h): a plugin of gcc sees to it. make NOTX=1: services without transactions,
# to compare with; as are all that another compiler makes. make TXCHECK=1: each commit is checked (lib/sys/txcheck.c).
TX_PLUGIN = $(if $(NOTX)$(if $(findstring clang,$(CC)),clang),,$(BUILD)/tx.so)
CFLAGS_tx = $(if $(TX_PLUGIN),$(if $(filter lib/sys/% lib/util/% tests/% %.S $(tx_none),$<),,-mno-red-zone -DTX_PLUGIN \
	-fplugin=$(TX_PLUGIN) -fplugin-arg-tx-shadow=$(tx_shadow) $(if $(findstring /lwip/,$<),-fplugin-arg-tx-statics)),-DNOTX)
# Of services that are not transactional nothing asks.
tx_none := $(addsuffix /%,$(filter-out $(patsubst %/,%,$(dir $(shell grep -rl 'transactional = true' servers drivers))),\
	$(wildcard servers/* drivers/*/*)))
tx_shadow := $(shell sed -n 's/^#define TX_SHADOW *\(0x[0-9a-f]*\).*/\1/p' include/abi/startup.h)
CFLAGS_kernel = $(CFLAGS_ALL) -fno-pic -fno-pie -mcmodel=kernel -mno-red-zone
CFLAGS_libposix = $(CFLAGS_ALL) -fPIE -fvisibility=hidden -fno-plt

# gcc and clang both drive GNU ld here.
LDFLAGS_ALL = -nostdlib -Wl,--gc-sections -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,max-page-size=4096 \
	-Wl,-z,norelro -Wl,--fatal-warnings
LDFLAGS_server = $(LDFLAGS_ALL) -static -Wl,--defsym=PRESERVED_BASE=$(preserved_base)
preserved_base := $(shell sed -n 's/^#define PRESERVED_BASE *\(0x[0-9a-f]*\).*/\1/p' include/abi/startup.h)
LDFLAGS_kernel = $(LDFLAGS_ALL) -static -Wl,--no-warn-rwx-segments
LDFLAGS_libposix = $(LDFLAGS_ALL) -pie -Wl,--no-dynamic-linker -Wl,-z,text

# Programs that run on Anole as on Linux, and programs that run on the build machine to test our sources.
CFLAGS_guest = -std=gnu17 -O2 -g -Wall -Wextra -Werror -Iinclude
CFLAGS_unit = -std=gnu17 -O1 -g -Wall -Wextra -Werror -fsanitize=address,undefined -fno-sanitize-recover=all \
	-Iinclude -Ilib -I. -iquote tests/unit/kernel -iquote kernel
CFLAGS_fuzz = $(CFLAGS_unit) -fsanitize=fuzzer
