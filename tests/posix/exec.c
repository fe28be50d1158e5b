/* SPDX-License-Identifier: MIT */
/* exec: arguments, scripts, what survives, hostile files. Run with an argument it is its own child. */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

extern char **environ;
static const char *self;

static int run(const char *path, char *const argv[], char *const envp[])
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		execve(path, argv, envp);
		_exit(100 + (errno & 31));
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int child_arguments(int argc, char **argv)
{
	if (argc != 5 || strcmp(argv[2], "") || strcmp(argv[3], "two words") || strlen(argv[4]) != 100000)
		return 1;
	if (!environ[0] || strcmp(environ[0], "A=1") || strcmp(environ[1], "B=") || environ[2])
		return 2;
	if (getauxval(AT_PAGESZ) != 4096 || !getauxval(AT_RANDOM) || getauxval(AT_SECURE))
		return 3;
	return 0;
}

static void test_arguments(void)
{
	static char big[100001];
	char *argv[] = { (char *)self, "arguments", "", "two words", big, NULL };
	char *envp[] = { "A=1", "B=", NULL };

	memset(big, 'x', sizeof(big) - 1);
	CHECK("arguments", run(self, argv, envp) == 0);
}

static int child_inheritance(void)
{
	struct sigaction action;
	sigset_t mask, pending;

	sigprocmask(SIG_BLOCK, NULL, &mask);
	sigpending(&pending);
	if (!sigismember(&mask, SIGUSR1) || !sigismember(&pending, SIGUSR1))
		return 1;
	sigaction(SIGUSR2, NULL, &action);
	if (action.sa_handler != SIG_IGN)
		return 2;
	sigaction(SIGTERM, NULL, &action);
	if (action.sa_handler != SIG_DFL)
		return 3;
	if (fcntl(20, F_GETFD) != -1 || fcntl(21, F_GETFD) == -1)
		return 4;
	return 0;
}

static void nothing(int signal)
{
	(void)signal;
}

static void test_inheritance(void)
{
	char *argv[] = { (char *)self, "inheritance", NULL };
	sigset_t set;
	pid_t pid = fork();
	int status;

	if (!pid) {
		sigemptyset(&set);
		sigaddset(&set, SIGUSR1);
		sigprocmask(SIG_BLOCK, &set, NULL);
		raise(SIGUSR1);
		signal(SIGUSR2, SIG_IGN);
		signal(SIGTERM, nothing);
		dup2(0, 21);
		dup3(0, 20, O_CLOEXEC);
		execv(self, argv);
		_exit(99);
	}
	waitpid(pid, &status, 0);
	CHECK("inheritance", status == 0);
}

static void write_file(const char *name, const void *data, size_t length)
{
	int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY, 0755);

	NEED(fd >= 0 && write(fd, data, length) == (ssize_t)length);
	close(fd);
}

static void write_text(const char *name, const char *text)
{
	write_file(name, text, strlen(text));
}

static void test_scripts(void)
{
	char *argv[] = { "zero", "3", NULL };

	write_text("plain", "#!/bin/sh\nexit $1\n");
	CHECK("script", run("./plain", argv, environ) == 3);
	write_text("spaces", "#!  /bin/sh   -e  \nfalse\nexit 0\n");
	CHECK("script_argument", run("./spaces", argv, environ) == 1);
	write_text("chain", "#!./plain\n");
	CHECK("script_of_script", run("./chain", argv, environ) == 2);
	write_text("loop", "#!./loop\n");
	CHECK("script_loop", run("./loop", argv, environ) == 100 + (ELOOP & 31));
	write_text("nowhere", "#!/no/such/interpreter\n");
	CHECK("script_nowhere", run("./nowhere", argv, environ) == 100 + ENOENT);
	write_text("empty", "#!\n");
	CHECK("script_empty", run("./empty", argv, environ) == 100 + ENOEXEC);
}

static void test_refusals(void)
{
	char *argv[] = { "x", NULL };

	write_text("text", "no program\n");
	CHECK("not_a_program", run("./text", argv, environ) == 100 + ENOEXEC);
	chmod("text", 0644);
	CHECK("not_executable", run("./text", argv, environ) == 100 + EACCES);
	CHECK("directory", run("/tmp", argv, environ) == 100 + EACCES);
	CHECK("missing", run("./missing", argv, environ) == 100 + ENOENT);
	CHECK("through_file", run("./text/x", argv, environ) == 100 + ENOTDIR);
	write_file("nothing", "", 0);
	CHECK("empty_file", run("./nothing", argv, environ) == 100 + ENOEXEC);
	CHECK_ERROR("bad_path", syscall(SYS_execve, 8, argv, environ), EFAULT);
	CHECK_ERROR("bad_argv", syscall(SYS_execve, "./plain", 8, environ), EFAULT);
}

/* A small program: one segment with an exit system call. */
struct tiny {
	Elf64_Ehdr header;
	Elf64_Phdr program[2];
	unsigned char code[16];
};

static struct tiny tiny_program(void)
{
	static const unsigned char code[] = { 0xbf, 33, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05 };
	struct tiny tiny = {
		.header = {
			.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			.e_type = ET_EXEC, .e_machine = EM_X86_64, .e_version = EV_CURRENT,
			.e_entry = 0x400000 + offsetof(struct tiny, code), .e_phoff = offsetof(struct tiny, program),
			.e_ehsize = sizeof(Elf64_Ehdr), .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1,
		},
		.program[0] = {
			.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = 0x400000, .p_filesz = sizeof(struct tiny),
			.p_memsz = sizeof(struct tiny), .p_align = 4096,
		},
	};

	memcpy(tiny.code, code, sizeof(code));
	return tiny;
}

static int run_tiny(const struct tiny *tiny)
{
	char *argv[] = { "tiny", NULL };

	write_file("tiny", tiny, sizeof(*tiny));
	return run("./tiny", argv, environ);
}

static void test_hostile(void)
{
	struct tiny tiny = tiny_program();

	CHECK("syscall_instruction", run_tiny(&tiny) == 33);
	tiny.program[0].p_vaddr = 0x7fe000000000;
	CHECK("over_thread_blocks", run_tiny(&tiny) == 100 + ENOEXEC);
	tiny = tiny_program();
	tiny.program[0].p_vaddr = 0xffffffff80000000;
	CHECK("in_the_kernel", run_tiny(&tiny) == 100 + ENOEXEC);
	tiny = tiny_program();
	tiny.program[0].p_filesz = tiny.program[0].p_memsz = 1ull << 62;
	CHECK("huge_segment", run_tiny(&tiny) == 100 + ENOEXEC);
	tiny = tiny_program();
	tiny.program[0].p_offset = -4096ull;
	CHECK("offset_wraps", run_tiny(&tiny) == 100 + ENOEXEC);
	tiny = tiny_program();
	tiny.header.e_phnum = 65535;
	CHECK("many_headers", run_tiny(&tiny) == 100 + ENOEXEC);
	tiny = tiny_program();
	tiny.header.e_phoff = ~0ull - 10;
	CHECK("headers_nowhere", run_tiny(&tiny) == 100 + ENOEXEC);
	tiny = tiny_program();
	tiny.header.e_machine = EM_AARCH64;
	CHECK("other_machine", run_tiny(&tiny) == 100 + ENOEXEC);
	tiny = tiny_program();
	tiny.program[0].p_vaddr = 0;
	CHECK("null_page", run_tiny(&tiny) == 100 + ENOEXEC);
	tiny = tiny_program();
	tiny.header.e_entry = 0x12345;
	CHECK("entry_nowhere", run_tiny(&tiny) == -SIGSEGV);
}

static void test_set_id(void)
{
	char *argv[] = { (char *)self, "setid", NULL };
	pid_t pid;
	int status;

	write_text("copy.sh", "#!/bin/sh\ncp $1 ./setid && chmod 4755 ./setid\n");
	NEED(run("./copy.sh", (char *[]){ "copy", (char *)self, NULL }, environ) == 0);
	chmod(".", 0755);
	pid = fork();
	if (!pid) {
		setgid(100);
		setuid(1000);
		execv("./setid", argv);
		_exit(99);
	}
	waitpid(pid, &status, 0);
	CHECK("set_id", WEXITSTATUS(status) == 0);
}

static int child_set_id(void)
{
	if (getuid() != 1000 || geteuid() != 0)
		return 1;
	return getauxval(AT_SECURE) ? 0 : 2;
}

int main(int argc, char **argv)
{
	static char path[4096];

	if (argc > 1 && !strcmp(argv[1], "arguments"))
		return child_arguments(argc, argv);
	if (argc > 1 && !strcmp(argv[1], "inheritance"))
		return child_inheritance();
	if (argc > 1 && !strcmp(argv[1], "setid"))
		return child_set_id();
	NEED(realpath((const char *)getauxval(AT_EXECFN), path) || realpath(argv[0], path));
	self = path;
	check_enter_directory();
	test_arguments();
	test_inheritance();
	test_scripts();
	test_refusals();
	test_hostile();
	test_set_id();
	return check_result();
}
