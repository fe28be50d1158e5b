/* SPDX-License-Identifier: MIT */
/* Signals: actions, masks, frames, restarts, waiting, queues. */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "check.h"

static volatile sig_atomic_t count, last_code, last_value;
static volatile pid_t last_pid;
static void *volatile last_address;

static void counting(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)context;
	count++;
	last_code = info->si_code;
	last_pid = info->si_pid;
	last_value = info->si_value.sival_int;
	last_address = info->si_addr;
}

static void handle(int signal, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };

	NEED(sigaction(signal, &action, NULL) == 0);
	count = 0;
}

static void test_self(void)
{
	handle(SIGUSR1, counting, 0);
	CHECK("raise", raise(SIGUSR1) == 0 && count == 1);
	CHECK("kill_self",
	      kill(getpid(), SIGUSR1) == 0 && count == 2 && last_code == SI_USER && last_pid == getpid());
	CHECK("kill_probe", kill(getpid(), 0) == 0 && count == 2);
	CHECK_ERROR("kill_nobody", kill(32000, 0), ESRCH);
	CHECK_ERROR("kill_bad_signal", kill(getpid(), 65), EINVAL);
	CHECK_ERROR("no_action_for_kill",
		    sigaction(SIGKILL, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL), EINVAL);
}

static void test_mask(void)
{
	sigset_t set, old, pending;

	handle(SIGUSR1, counting, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &old);
	raise(SIGUSR1);
	raise(SIGUSR1);
	sigpending(&pending);
	CHECK("blocked", count == 0 && sigismember(&pending, SIGUSR1));
	sigprocmask(SIG_SETMASK, &old, NULL);
	CHECK("unblocked_once", count == 1);
	sigpending(&pending);
	CHECK("nothing_pending", !sigismember(&pending, SIGUSR1));
}

static volatile int depth, deepest, order[8], order_count;
static void nesting(int signal, siginfo_t *info, void *context)
{
	(void)info, (void)context;
	depth++;
	if (depth > deepest)
		deepest = depth;
	order[order_count++ & 7] = signal;
	if (signal == SIGUSR1 && order_count < 4)
		raise(SIGUSR2);
	depth--;
}

static void test_nesting(void)
{
	struct sigaction action = { .sa_sigaction = nesting, .sa_flags = SA_SIGINFO };

	handle(SIGUSR2, nesting, 0);
	handle(SIGUSR1, nesting, 0);
	raise(SIGUSR1);
	CHECK("nested_handler", deepest == 2 && order_count == 2 && order[1] == SIGUSR2);
	sigaddset(&action.sa_mask, SIGUSR2);
	sigaction(SIGUSR1, &action, NULL);
	deepest = order_count = 0;
	raise(SIGUSR1);
	CHECK("masked_in_handler", deepest == 1 && order_count == 2);
}

static void test_flags(void)
{
	struct sigaction now;

	handle(SIGUSR1, counting, SA_RESETHAND);
	raise(SIGUSR1);
	sigaction(SIGUSR1, NULL, &now);
	CHECK("resethand", count == 1 && now.sa_handler == SIG_DFL);
	signal(SIGUSR1, SIG_IGN);
	CHECK("ignored", raise(SIGUSR1) == 0);
}

static sigjmp_buf escape;
static void escaping(int signal, siginfo_t *info, void *context)
{
	(void)context;
	last_address = info->si_addr;
	last_code = info->si_code;
	siglongjmp(escape, signal);
}

static void test_faults(void)
{
	char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	handle(SIGSEGV, escaping, 0);
	handle(SIGFPE, escaping, 0);
	handle(SIGILL, escaping, 0);
	handle(SIGTRAP, escaping, 0);
	if (!sigsetjmp(escape, 1))
		*(volatile int *)0x1234 = 1;
	CHECK("segv_maperr", last_address == (void *)0x1234 && last_code == SEGV_MAPERR);
	if (!sigsetjmp(escape, 1))
		*(volatile char *)(page + 5) = 1;
	CHECK("segv_accerr", last_address == page + 5 && last_code == SEGV_ACCERR);
	last_code = 0;
	if (!sigsetjmp(escape, 1)) {
		volatile int zero = 0;

		last_pid = getpid() / zero;
	}
	CHECK("fpe", last_code == FPE_INTDIV);
	last_code = 0;
	if (!sigsetjmp(escape, 1))
		__asm__ volatile("ud2");
	CHECK("ill", last_code == ILL_ILLOPN);
	if (sigsetjmp(escape, 1) == 0)
		__asm__ volatile("int3");
	CHECK("trap", 1);
	munmap(page, 4096);
}

static void test_efault(void)
{
	CHECK_ERROR("efault_write", write(1, (void *)0x10, 5), EFAULT);
	CHECK_ERROR("efault_clock", syscall(SYS_clock_gettime, CLOCK_MONOTONIC, 0x10), EFAULT);
	CHECK_ERROR("efault_pipe", syscall(SYS_pipe, 0x10), EFAULT);
	CHECK_ERROR("efault_mask", syscall(SYS_rt_sigprocmask, SIG_BLOCK, 0x10, 0, 8), EFAULT);
}

static void fixing(int signal, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)signal, (void)info;
	uc->uc_mcontext.gregs[REG_RIP] += 2;
	uc->uc_mcontext.gregs[REG_RBX] = 77;
}

/* The frame holds every register, and what the handler changes in it counts. */
static void test_frame(void)
{
	uint64_t result;
	double before = 1.5, after;

	handle(SIGILL, fixing, 0);
	__asm__ volatile("movsd %2, %%xmm5\n\tmov $1, %%rbx\n\tud2\n\tmov %%rbx, %0\n\tmovsd %%xmm5, %1"
			 : "=r"(result), "=m"(after)
			 : "m"(before)
			 : "rbx", "xmm5");
	CHECK("frame_can_be_changed", result == 77);
	CHECK("fpu_survives", after == 1.5);
}

static void spoil(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)info, (void)context;
	count++;
	__asm__ volatile("pxor %%xmm0, %%xmm0\n\tpxor %%xmm7, %%xmm7\n\tpxor %%xmm15, %%xmm15" ::
			     : "xmm0", "xmm7", "xmm15");
}

/* Signals at arbitrary instructions must not change anything. */
static void test_asynchronous(void)
{
	struct itimerval every = { { 0, 1000 }, { 0, 1000 } }, off = { { 0, 0 }, { 0, 0 } };
	struct timespec start, now;
	double sum = 0, wanted = 0;
	uint64_t check = 1, expected = 1;
	int rounds = 0;

	handle(SIGALRM, spoil, SA_RESTART);
	setitimer(ITIMER_REAL, &every, NULL);
	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		for (int i = 0; i < 20000; i++) {
			sum += i * 0.5;
			check = check * 6364136223846793005u + 1442695040888963407u;
		}
		rounds++;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < 300);
	setitimer(ITIMER_REAL, &off, NULL);
	for (int r = 0; r < rounds; r++)
		for (int i = 0; i < 20000; i++) {
			wanted += i * 0.5;
			expected = expected * 6364136223846793005u + 1442695040888963407u;
		}
	CHECK("async_signals_came", count > 20);
	CHECK("async_registers_kept", check == expected && sum == wanted);
}

static void nothing(int signal)
{
	(void)signal;
	count++;
}

static void alarm_in(long ms, int flags)
{
	struct sigaction action = { .sa_handler = nothing, .sa_flags = flags };
	struct itimerval in = { { 0, 0 }, { ms / 1000, ms % 1000 * 1000 } };

	count = 0;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &in, NULL);
}

static void test_restart(void)
{
	struct timespec half = { 0, 200000000 }, left = { 9, 9 };
	int ends[2], status;
	char byte;
	pid_t pid;

	NEED(pipe(ends) == 0);
	alarm_in(50, 0);
	CHECK_ERROR("read_interrupted", read(ends[0], &byte, 1), EINTR);
	pid = fork();
	if (!pid) {
		usleep(200000);
		write(ends[1], "y", 1);
		_exit(0);
	}
	alarm_in(50, SA_RESTART);
	CHECK("read_restarted", read(ends[0], &byte, 1) == 1 && byte == 'y' && count == 1);
	waitpid(pid, &status, 0);
	alarm_in(50, SA_RESTART);
	CHECK_ERROR("sleep_interrupted", nanosleep(&half, &left), EINTR);
	CHECK("sleep_left", left.tv_sec == 0 && left.tv_nsec > 50000000 && left.tv_nsec <= 170000000);
	alarm_in(50, 0);
	CHECK_ERROR("pause", pause(), EINTR);
	pid = fork();
	if (!pid) {
		usleep(150000);
		_exit(4);
	}
	alarm_in(50, SA_RESTART);
	CHECK("wait_restarted", waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 4 && count == 1);
	close(ends[0]);
	close(ends[1]);
}

static void test_suspend(void)
{
	sigset_t block, old;

	handle(SIGUSR1, counting, 0);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, &old);
	raise(SIGUSR1);
	CHECK_ERROR("suspend_with_pending", sigsuspend(&old), EINTR);
	CHECK("suspend_delivered", count == 1);
	raise(SIGUSR1);
	CHECK("suspend_restored_mask", count == 1);
	sigprocmask(SIG_SETMASK, &old, NULL);
	CHECK("after_suspend", count == 2);
}

static void test_timedwait(void)
{
	struct timespec soon = { 0, 20000000 };
	siginfo_t info;
	sigset_t set;
	int signal;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	CHECK_ERROR("timedwait_times_out", sigtimedwait(&set, &info, &soon), EAGAIN);
	for (int i = 1; i <= 3; i++)
		sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = i * 11 });
	CHECK("queued_in_order", sigwaitinfo(&set, &info) == SIGRTMIN && info.si_value.sival_int == 11 &&
				     info.si_code == SI_QUEUE);
	CHECK("queued_second", sigwaitinfo(&set, &info) == SIGRTMIN && info.si_value.sival_int == 22);
	CHECK("queued_third", sigwaitinfo(&set, &info) == SIGRTMIN && info.si_value.sival_int == 33);
	CHECK_ERROR("queue_empty", sigtimedwait(&set, &info, &soon), EAGAIN);
	if (!fork()) {
		usleep(50000);
		kill(getppid(), SIGUSR2);
		_exit(0);
	}
	CHECK("sigwait_waits", sigwait(&set, &signal) == 0 && signal == SIGUSR2);
	wait(NULL);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static volatile char *handler_stack;
static void on_stack(int signal)
{
	(void)signal;
	handler_stack = __builtin_frame_address(0);
}

static void test_alternate_stack(void)
{
	static char area[32768];
	stack_t stack = { .ss_sp = area, .ss_size = sizeof(area) }, now;
	struct sigaction action = { .sa_handler = on_stack, .sa_flags = SA_ONSTACK };

	CHECK("sigaltstack", sigaltstack(&stack, NULL) == 0);
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	CHECK("handler_on_alternate_stack", handler_stack >= area && handler_stack < area + sizeof(area));
	CHECK("sigaltstack_tells", sigaltstack(NULL, &now) == 0 && now.ss_sp == area && now.ss_flags == 0);
	stack.ss_flags = SS_DISABLE;
	sigaltstack(&stack, NULL);
	raise(SIGUSR1);
	CHECK("handler_on_own_stack", handler_stack < area || handler_stack >= area + sizeof(area));
}

static void test_overflow(void)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		/* No stack for the frame: the process ends by SIGSEGV, it does not hang. */
		signal(SIGSEGV, nothing);
		__asm__ volatile("mov $0x1000, %%rsp\n\tpush %%rax" ::: "memory");
		_exit(0);
	}
	waitpid(pid, &status, 0);
	CHECK("no_stack_for_frame", WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static void test_child_signal(void)
{
	int status;
	pid_t pid;

	handle(SIGCHLD, counting, SA_NOCLDSTOP);
	pid = fork();
	if (!pid)
		_exit(5);
	while (waitpid(pid, &status, 0) != pid)
		;
	CHECK("sigchld", count == 1 && last_pid == pid && last_code == CLD_EXITED);
	signal(SIGCHLD, SIG_DFL);
}

int main(void)
{
	test_self();
	test_mask();
	test_nesting();
	test_flags();
	test_faults();
	test_efault();
	test_frame();
	test_asynchronous();
	test_restart();
	test_suspend();
	test_timedwait();
	test_alternate_stack();
	test_overflow();
	test_child_signal();
	return check_result();
}
