/* SPDX-License-Identifier: MIT */
/* Operations on names. Permissions have been checked above; what concerns the structure is checked here. */
#include "ext2.h"

#include <util/string.h>

static bool is_directory(const struct inode *inode)
{
	return (inode->d.mode & MODE_FORMAT) == MODE_DIRECTORY;
}

static bool is_dots(struct name name)
{
	return name.text[0] == '.' && (name.length == 1 || (name.length == 2 && name.text[1] == '.'));
}

static long check_directory(const struct inode *dir)
{
	if (!is_directory(dir))
		return -ENOTDIR;
	return dir->d.links ? 0 : -ENOENT;
}

static long check_name(const struct inode *dir, struct name name)
{
	long status = check_directory(dir);

	if (status < 0)
		return status;
	if (!name.length)
		return -ENOENT;
	return name.length > EXT2_NAME_MAX ? -ENAMETOOLONG : 0;
}

/* Before a change: also that there may be one. */
static long check_change(const struct inode *dir, struct name name)
{
	long status = check_name(dir, name);

	if (status < 0)
		return status;
	if (refuses_changes(dir->fs))
		return -EROFS;
	return dir->d.flags & EXT2_FLAG_IMMUTABLE ? -EPERM : 0;
}

/* An inode that a name means. A name of a free one is damage. */
static long get_named(struct inode *dir, uint32_t number, struct inode **out)
{
	*out = inode_get(dir->fs, number);
	if (error_of(*out) == -ESTALE)
		return corrupt(dir->fs, "a name of an inode that is free", number);
	return error_of(*out);
}

long name_lookup(struct inode *dir, struct name name, struct inode **out)
{
	long status = check_name(dir, name);

	if (status == 0)
		status = dir_find(dir, name);
	if (status <= 0)
		return status ? status : -ENOENT;
	return get_named(dir, (uint32_t)status, out);
}

static long find_existing(struct inode *dir, struct name name, struct inode **out)
{
	long status = check_change(dir, name);

	if (status == 0)
		status = is_dots(name) ? -EINVAL : name_lookup(dir, name, out);
	return status;
}

static long check_absent(struct inode *dir, struct name name)
{
	long status = check_change(dir, name);

	if (status == 0)
		status = dir_find(dir, name);
	return status > 0 ? -EEXIST : status;
}

static void set_rdev(struct inode *inode, uint32_t rdev)
{
	uint32_t major = rdev >> 20, minor = rdev & 0xfffff;

	if (major < 256 && minor < 256)
		inode->d.block[0] = major << 8 | minor;
	else
		inode->d.block[1] = (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12;
}

static uint32_t next_generation(const struct inode *inode)
{
	uint32_t generation = (uint32_t)(core_time() >> 10) ^ inode->number;

	return generation && generation != inode->d.generation ? generation : generation + 0x9e3779b9u;
}

static struct inode *new_inode(struct inode *dir, const struct creation *how)
{
	struct ext2 *fs = dir->fs;
	long number = inode_alloc(fs, dir, how->mode);
	struct inode *inode;
	uint32_t generation;

	if (number < 0)
		return error_pointer(number);
	inode = inode_make(fs, (uint32_t)number);
	if (is_error(inode))
		return inode;
	if (inode->orphan || inode->held || inode->opens)
		return error_pointer(corrupt(fs, "an inode bitmap", (uint64_t)number));
	tx_add(fs, &inode->loaded, sizeof inode->loaded);
	inode_change(inode);
	generation = next_generation(inode);
	memset(&inode->d, 0, sizeof inode->d);
	inode->loaded = true;
	inode->last.count = 0;
	inode->next_physical = 0;
	index_drop(inode);
	inode->d.mode = how->mode;
	inode->d.uid = how->uid;
	inode->d.gid = how->gid;
	inode->d.links = 1;
	inode->d.generation = generation;
	inode->d.atime = inode->d.mtime = inode->d.ctime = time_now();
	return inode;
}

static long finish_creation(struct inode *dir, struct name name, struct inode *inode, struct inode **out)
{
	long status = dir_add(dir, name, inode->number, inode->d.mode);

	*out = inode;
	return status;
}

static void change_links(struct inode *inode, int by)
{
	inode_change(inode);
	inode->d.links = (uint32_t)((int)inode->d.links + by);
	inode_touch(inode, false);
}

long name_create(struct inode *dir, struct name name, const struct creation *how, struct inode **out)
{
	bool directory = (how->mode & MODE_FORMAT) == MODE_DIRECTORY;
	uint32_t format = how->mode & MODE_FORMAT;
	struct inode *inode;
	long status = check_absent(dir, name);

	if (status < 0)
		return status;
	if (directory && dir->d.links >= EXT2_LINK_MAX)
		return -EMLINK;
	inode = new_inode(dir, how);
	if (is_error(inode))
		return error_of(inode);
	if (directory) {
		inode->d.links = 2;
		status = dir_make_empty(inode, dir->number);
		if (status < 0)
			return status;
		change_links(dir, 1);
	} else if (format == 0020000 || format == 0060000) {
		set_rdev(inode, how->rdev);
	}
	return finish_creation(dir, name, inode, out);
}

static long store_target(struct inode *inode, const char *target, uint32_t length)
{
	struct extent where;
	bool fresh;
	char *block;
	long status;

	inode->d.size = length;
	if (length < EXT2_FAST_SYMLINK) {
		memcpy(inode->d.block, target, length);
		return 0;
	}
	status = map_alloc(inode, 0, 1, &where, &fresh);
	if (status < 0)
		return status;
	block = meta_new(inode->fs, where.physical);
	if (is_error(block))
		return error_of(block);
	memcpy(block, target, length);
	return 0;
}

long name_symlink(struct inode *dir, struct name name, const char *target, uint32_t length,
		  const struct creation *how, struct inode **out)
{
	struct inode *inode;
	long status = check_absent(dir, name);

	if (status < 0)
		return status;
	if (!length)
		return -ENOENT;
	if (length >= dir->fs->block_size)
		return -ENAMETOOLONG;
	inode = new_inode(dir, how);
	if (is_error(inode))
		return error_of(inode);
	status = store_target(inode, target, length);
	return status < 0 ? status : finish_creation(dir, name, inode, out);
}

static bool is_fast_symlink(const struct inode *inode)
{
	return inode->d.sectors == (inode->d.file_acl ? inode->fs->block_size / 512 : 0);
}

long symlink_read(struct inode *inode, char *out, uint32_t room)
{
	uint32_t length = inode->d.size < room ? (uint32_t)inode->d.size : room;
	struct extent where;
	const char *block;
	long status;

	if ((inode->d.mode & MODE_FORMAT) != MODE_SYMLINK)
		return -EINVAL;
	if (is_fast_symlink(inode)) {
		if (inode->d.size > sizeof inode->d.block)
			return corrupt(inode->fs, "a symbolic link", inode->number);
		memcpy(out, inode->d.block, length);
		return length;
	}
	status = map_find(inode, 0, 1, &where);
	if (status < 0)
		return status;
	if (!where.physical)
		return corrupt(inode->fs, "a symbolic link", inode->number);
	block = meta_get(inode->fs, where.physical);
	if (is_error(block))
		return error_of(block);
	memcpy(out, block, length);
	return length;
}

long name_link(struct inode *dir, struct name name, struct inode *inode)
{
	long status = check_absent(dir, name);

	if (status < 0)
		return status;
	if (is_directory(inode))
		return -EPERM;
	if (!inode->d.links)
		return -ENOENT;
	if (inode->d.links >= EXT2_LINK_MAX)
		return -EMLINK;
	status = dir_add(dir, name, inode->number, inode->d.mode);
	if (status == 0)
		change_links(inode, 1);
	return status;
}

/* A name has gone. Whoever has lost the last one becomes an orphan and is freed when nobody uses it. */
static long lost_name(struct inode *inode)
{
	bool directory = is_directory(inode);

	if (!inode->d.links)
		return corrupt(inode->fs, "a count of links", inode->number);
	change_links(inode, -1);
	if (directory)
		inode->d.links = 0;
	return inode->d.links ? 0 : orphan_add(inode);
}

long name_unlink(struct inode *dir, struct name name, uint32_t expected, struct inode **out)
{
	long status = find_existing(dir, name, out);

	if (status < 0)
		return status;
	if (expected && (*out)->number != expected)
		return -ESTALE;
	if (is_directory(*out))
		return -EISDIR;
	if ((*out)->d.flags & (EXT2_FLAG_IMMUTABLE | EXT2_FLAG_APPEND))
		return -EPERM;
	status = dir_remove(dir, name);
	return status < 0 ? status : lost_name(*out);
}

static long check_removable(struct inode *inode)
{
	long status;

	if (!is_directory(inode))
		return -ENOTDIR;
	if (inode->number == EXT2_ROOT_INODE)
		return -EBUSY;
	status = dir_is_empty(inode);
	if (status < 0)
		return status;
	return status ? 0 : -ENOTEMPTY;
}

long name_rmdir(struct inode *dir, struct name name, uint32_t expected, struct inode **out)
{
	long status = find_existing(dir, name, out);

	if (status < 0)
		return status;
	if (expected && (*out)->number != expected)
		return -ESTALE;
	status = *out == dir ? -EINVAL : check_removable(*out);
	if (status < 0)
		return status;
	status = dir_remove(dir, name);
	if (status < 0)
		return status;
	change_links(dir, -1);
	return lost_name(*out);
}

/* --- rename ----------------------------------------------------------------------------------------- */

/* Whether `ancestor` is `dir` or above it: a directory must not be moved below itself. */
static long is_above(struct inode *ancestor, struct inode *dir)
{
	struct name dotdot = { "..", 2 };

	for (uint32_t depth = 0; depth < 100000; depth++) {
		long parent;

		if (dir == ancestor)
			return 1;
		if (dir->number == EXT2_ROOT_INODE)
			return 0;
		parent = dir_find(dir, dotdot);
		if (parent <= 0)
			return parent ? parent : corrupt(dir->fs, "a directory", dir->number);
		dir = inode_get(dir->fs, (uint32_t)parent);
		if (is_error(dir))
			return error_of(dir);
		if (!is_directory(dir))
			return corrupt(dir->fs, "a directory", dir->number);
	}
	return corrupt(dir->fs, "directories form a ring", dir->number);
}

static long check_loop(struct inode *moved, struct inode *to)
{
	long status;

	if (!is_directory(moved))
		return 0;
	status = is_above(moved, to);
	return status > 0 ? -EINVAL : status;
}

/* A directory has a new parent: ".." and the counts of links follow. */
static long change_parent(struct inode *moved, struct inode *from, struct inode *to)
{
	struct name dotdot = { "..", 2 };
	long status;

	if (!is_directory(moved) || from == to)
		return 0;
	if (to->d.links >= EXT2_LINK_MAX)
		return -EMLINK;
	status = dir_replace(moved, dotdot, to->number, MODE_DIRECTORY);
	if (status < 0)
		return status;
	change_links(from, -1);
	change_links(to, 1);
	return 0;
}

static long exchange(struct inode *from, struct name old, struct inode *to, struct name new,
		     struct inode *moved, struct inode *other)
{
	long status = check_loop(other, from);

	if (status == 0)
		status = dir_replace(from, old, other->number, other->d.mode);
	if (status == 0)
		status = dir_replace(to, new, moved->number, moved->d.mode);
	if (status == 0)
		status = change_parent(moved, from, to);
	if (status == 0)
		status = change_parent(other, to, from);
	return status;
}

/* `victim` has the new name now. */
static long check_replaceable(struct inode *moved, struct inode *victim)
{
	if (is_directory(moved) && !is_directory(victim))
		return -ENOTDIR;
	if (!is_directory(moved) && is_directory(victim))
		return -EISDIR;
	return is_directory(victim) ? check_removable(victim) : 0;
}

static long replace(struct inode *to, struct name new, struct inode *moved, struct inode *victim)
{
	long status = check_replaceable(moved, victim);

	if (status == 0)
		status = dir_replace(to, new, moved->number, moved->d.mode);
	if (status < 0)
		return status;
	if (is_directory(victim))
		change_links(to, -1);
	return lost_name(victim);
}

static long find_both(struct inode *from, struct name old, struct inode *to, struct name new,
		      struct inode **moved, struct inode **victim)
{
	long status = find_existing(from, old, moved);

	if (status < 0)
		return status;
	*victim = NULL;
	status = find_existing(to, new, victim);
	if (status == -ENOENT && to->d.links) {
		*victim = NULL;
		status = 0;
	}
	return status;
}

long name_rename(struct inode *from, struct name old, struct inode *to, struct name new, uint32_t flags,
		 struct inode **out)
{
	struct inode *moved, *victim;
	long status = find_both(from, old, to, new, &moved, &victim);

	*out = NULL;
	if (status < 0)
		return status;
	if (victim && (flags & RENAME_NOREPLACE))
		return -EEXIST;
	if (!victim && (flags & RENAME_EXCHANGE))
		return -ENOENT;
	if (moved == victim)
		return 0;
	status = check_loop(moved, to);
	if (status < 0)
		return status;
	if (flags & RENAME_EXCHANGE)
		return exchange(from, old, to, new, moved, victim);
	status = victim ? replace(to, new, moved, victim) : dir_add(to, new, moved->number, moved->d.mode);
	if (status == 0)
		status = dir_remove(from, old);
	if (status == 0)
		status = change_parent(moved, from, to);
	if (status < 0)
		return status;
	inode_change(moved);
	inode_touch(moved, false);
	*out = victim;
	return 0;
}
