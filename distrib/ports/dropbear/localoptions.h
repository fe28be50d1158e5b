/* SPDX-License-Identifier: MIT */
/* Where dropbear's options differ from its default_options.h. */
#define DROPBEAR_X11FWD 0
#define DROPBEAR_PATH_SSH_PROGRAM "/usr/bin/dbclient"
#define DEFAULT_PATH "/usr/bin:/bin"
#define DEFAULT_ROOT_PATH "/usr/sbin:/usr/bin:/sbin:/bin"
/* Behind QEMU's user network everybody comes from one address. */
#define MAX_UNAUTH_PER_IP 30
