/* SPDX-License-Identifier: MIT */
/* TEST: stock. Files without a name. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

int main(void)
{
	int fd = memfd_create("some name", MFD_CLOEXEC), other = memfd_create("some name", 0), status;
	char long_name[300], *shared;
	struct stat st;
	pid_t pid;

	memset(long_name, 'x', sizeof(long_name));
	long_name[299] = 0;
	CHECK("made", fd >= 0 && other >= 0);
	CHECK("close-on-exec", fcntl(fd, F_GETFD) == FD_CLOEXEC && fcntl(other, F_GETFD) == 0);
	CHECK("a regular file without a name", fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0);
	CHECK("written and read", write(fd, "hello", 5) == 5 && pread(fd, long_name, 9, 0) == 5 &&
				      !memcmp(long_name, "hello", 5));
	CHECK("each its own", fstat(other, &st) == 0 && st.st_size == 0);
	CHECK("given a size", ftruncate(fd, 100000) == 0 && fstat(fd, &st) == 0 && st.st_size == 100000);
	shared = mmap(NULL, 100000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK("mapped", shared != MAP_FAILED && !memcmp(shared, "hello", 5));
	pid = fork();
	if (pid == 0) {
		shared[99999] = 'z';
		_exit(0);
	}
	CHECK("shared with a child", waitpid(pid, &status, 0) == pid && shared[99999] == 'z');
	CHECK("and seen by read", pread(fd, long_name, 1, 99999) == 1 && long_name[0] == 'z');
	memset(long_name, 'x', 299);
	CHECK_ERROR("too long a name", memfd_create(long_name, 0), EINVAL);
	CHECK_ERROR("unknown flags", memfd_create("x", 0x8000), EINVAL);
	return check_result();
}
