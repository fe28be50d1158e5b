# SPDX-License-Identifier: MIT
# A driver is built as a server is.
include mk/server.mk
