/* SPDX-License-Identifier: MIT */
/*
 * Every kernel call, declared from abi/kcall.def: sys_NAME takes as many uint64_t as the
 * definition says and answers what goes into rax, or one of KCALL_BLOCKED, KCALL_RESTART,
 * KCALL_FRAME_SET. Runs under the kernel lock.
 */
#ifndef KERNEL_CORE_KCALL_H
#define KERNEL_CORE_KCALL_H

#include <abi/kcall.h>
#include "core/object.h"

#define KCALL_ARGS_0 void
#define KCALL_ARGS_1 uint64_t
#define KCALL_ARGS_2 uint64_t, uint64_t
#define KCALL_ARGS_3 uint64_t, uint64_t, uint64_t
#define KCALL_ARGS_4 uint64_t, uint64_t, uint64_t, uint64_t
#define KCALL_ARGS_5 uint64_t, uint64_t, uint64_t, uint64_t, uint64_t
#define KCALL_ARGS_6 uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t
#define K(number, name, args) long sys_##name(KCALL_ARGS_##args);
#include <abi/kcall.def>
#undef K

/*
 * What a restarted call has built so far hangs on its thread, recognised by the object it is
 * built from. work_resume answers it, or NULL if there is none (dropping another's);
 * work_take hands the count to the caller.
 */
struct thread;
/* The step of this call of the current thread: as it was left, or begun anew (at, done, phase 0). */
struct step *step_resume(uint64_t call, uint64_t key0, uint64_t key1, uint64_t key2, uint64_t key3);
/* Ends it unless the answer is KCALL_RESTART; answers it. */
long step_end(struct step *step, long answer);

struct object *work_resume(struct thread *thread, struct object *from, enum cap_type type);
void work_begin(struct thread *thread, struct object *from, struct object *built);
struct object *work_take(struct thread *thread);

#endif
