/* SPDX-License-Identifier: MIT */
/* vfs: the name space. */
#include "vfs.h"

static const struct vfs_ops vfs_ops = {
	.open = open_path,
	.stat = stat_path,
	.access = access_path,
	.mkdir = make_dir,
	.mknod = make_special,
	.unlink = remove_name,
	.rename = rename_path,
	.link = link_path,
	.symlink = link_symbolic,
	.readlink = read_link,
	.set_attr = set_attr_path,
	.truncate = truncate_path,
	.chdir = change_dir,
	.fchdir = change_dir_fd,
	.chroot = change_root,
	.getcwd = working_dir,
	.umask = set_umask,
	.statfs = statfs_path,
	.mount = mount_path,
	.umount = unmount_path,
	.sync = sync_all,
	.mounts = list_mounts,
	.open_exec = open_exec,
	.add_device = add_device,
	.remove_device = remove_device,
	.mount_root = mount_root,
	.session_path = session_path,
	.attr_changed = attr_changed,
	.drop_caches = drop_caches,
};

static long dispatch(struct request *rq)
{
	switch (IPC_OP_PROTO(rq->op)) {
	case PROTO_ID_FILE: return file_dispatch(&description_ops, rq);
	case PROTO_ID_VFS: return vfs_dispatch(&vfs_ops, rq);
	case PROTO_ID_SESSION: return session_dispatch(&session_ops, rq);
	}
	return -ENOSYS;
}

static long start(bool restarted)
{
	if (restarted) {
		tx_suspend();
		mounts_start();
		tree_rebuild();
		jobs_count();
		sessions_count();
		descriptions_count();
		tree_rebuilt();
		binds_start();
		tx_resume();
	}
	jobs_start();
	if (restarted)
		forget_flush();
	return 0;
}

/* Everything is written back before an ordered end. */
static long shutdown(struct request *rq)
{
	return sync_all(rq, NULL, NULL);
}

static const struct service service = {
	.name = "vfs",
	.dispatch = dispatch,
	.start = start,
	.release = description_release,
	.cancel = job_cancel,
	.shutdown = shutdown,
	.transactional = true,
};

int main(void)
{
	service_main(&service);
}
