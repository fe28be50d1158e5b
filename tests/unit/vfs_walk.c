/* SPDX-License-Identifier: MIT */
/* SOURCES: servers/vfs/tree.c servers/vfs/alias.c servers/vfs/rebuild.c servers/vfs/walk.c servers/vfs/access.c lib/fs/attr.c lib/fs/locks.c */
/*
 * VFS's walk and its cache over a file system in a table: what the cache lacks is looked up there, and the
 * walk is made again, as job.c does by messages. The number of look-ups shows what the cache keeps.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../servers/vfs/tree.h"

#include "tx_none.h"

static int failures;

static void check(const char *name, int ok)
{
	printf(ok ? "ok %s\n" : "not ok %s\n", name);
	failures += !ok;
}

/* --- what the tree stands on ------------------------------------------------------------------------ */
void *pheap_alloc(size_t size)
{
	return calloc(1, size);
}
void pheap_free(void *memory)
{
	free(memory);
}
const struct process_entry *process_find(uint64_t stamp)
{
	return (void)stamp, NULL;
}
uint64_t clock_realtime_ns(void)
{
	return 1;
}

/* --- the file system ----------------------------------------------------------------------------------- */
struct file {
	uint64_t dir, number;
	const char *name, *target;
	uint32_t mode, uid, gid;
};

static struct file files[] = {
	{ 0, 1, "", NULL, S_IFDIR | 0755, 0, 0 },
	{ 1, 2, "etc", NULL, S_IFDIR | 0755, 0, 0 },
	{ 2, 3, "passwd", NULL, S_IFREG | 0644, 0, 0 },
	{ 2, 4, "shadow", NULL, S_IFREG | 0640, 0, 42 },
	{ 1, 5, "tmp", NULL, S_IFDIR | S_ISVTX | 0777, 0, 0 },
	{ 5, 6, "mine", NULL, S_IFREG | 0600, 1000, 1000 },
	{ 1, 7, "home", NULL, S_IFDIR | 0700, 1000, 1000 },
	{ 7, 8, "a-name-that-is-longer-than-what-a-dentry-holds-in-itself", NULL, S_IFREG | 0600, 1000,
	  1000 },
	{ 1, 9, "up", "etc/../etc/passwd", S_IFLNK | 0777, 0, 0 },
	{ 1, 10, "dir", "/etc", S_IFLNK | 0777, 0, 0 },
	{ 1, 11, "loop", "loop", S_IFLNK | 0777, 0, 0 },
	{ 1, 12, "dangling", "etc/none", S_IFLNK | 0777, 0, 0 },
	{ 1, 13, "mnt", NULL, S_IFDIR | 0755, 0, 0 },
	{ 2, 14, "back", "..", S_IFLNK | 0777, 0, 0 },
};
#define FILES (sizeof(files) / sizeof(files[0]))

static unsigned lookups, forgotten;

uint64_t tree_now(void)
{
	return 0;
}

void tree_forget(struct mount *mount, uint64_t number, uint32_t count)
{
	(void)mount;
	(void)number;
	forgotten += count;
}

static struct node_words words_of(const struct file *f)
{
	return (struct node_words){ f->number, f->mode, f->uid | (uint64_t)f->gid << 32, 0, 0 };
}

static void fill(struct walk *w, long what)
{
	struct node_words words;
	struct dentry *d;

	if (what == WALK_READ_LINK) {
		const struct file *f = &files[w->found->node->number - 1];

		w->found->node->link = strdup(f->target);
		w->found->node->link_length = (uint32_t)strlen(f->target);
		return;
	}
	lookups++;
	for (size_t i = 0; i < FILES; i++)
		if (files[i].dir == w->dir->node->number && strlen(files[i].name) == w->name_length &&
		    !memcmp(files[i].name, w->name, w->name_length) && w->dir->mount == &mounts[0]) {
			words = words_of(&files[i]);
			d = dentry_enter(w->dir, w->name, w->name_length, vnode_enter(w->dir->mount, &words));
			dentry_put(d);
			return;
		}
	d = dentry_enter(w->dir, w->name, w->name_length, NULL);
	dentry_put(d);
}

static struct mount *make_mount(uint64_t number)
{
	struct node_words words = { number, S_IFDIR | 0755, 0, 0, 0 };
	struct mount *m = mount_new();

	m->root = dentry_make_root(m, vnode_enter(m, &words));
	m->dying = false;
	return m;
}

static struct creds root, user = { 1000, 1000, 0, NULL };
static struct dentry *at;
static struct walk last;

static long go(const struct creds *creds, const char *path, uint32_t flags)
{
	struct walk *w = &last;
	long status;

	*w = (struct walk){ .creds = creds,
			    .root = root_mount->root,
			    .start = at,
			    .path = path,
			    .length = strlen(path),
			    .flags = flags };
	while ((status = walk(w)) > 0)
		fill(w, status);
	return status;
}

static int finds(const char *path, uint32_t flags, uint64_t number)
{
	return go(&root, path, flags) == 0 && last.found && last.found->node->number == number;
}

/* --- tests ------------------------------------------------------------------------------------------------- */

static void names(void)
{
	check("the root", finds("/", 0, 1));
	check("a file", finds("/etc/passwd", 0, 3));
	lookups = 0;
	check("again, from the cache", finds("/etc//./passwd", 0, 3) && !lookups);
	check("what is absent", go(&root, "/etc/none", 0) == -ENOENT);
	lookups = 0;
	check("is known to be", go(&root, "/etc/none", 0) == -ENOENT && !lookups);
	check("it may lack",
	      !go(&root, "/etc/none", WALK_MAY_LACK) && !last.found && last.dir->node->number == 2);
	check("but not in the middle", go(&root, "/none/x", WALK_MAY_LACK) == -ENOENT);
	check("a long name", finds("/home/a-name-that-is-longer-than-what-a-dentry-holds-in-itself", 0, 8));
	check("the empty path", go(&root, "", 0) == -ENOENT);
	check("a file is no directory", go(&root, "/etc/passwd/x", 0) == -ENOTDIR);
	check("nor with a slash", go(&root, "/etc/passwd/", 0) == -ENOTDIR);
	check("above the root is the root", finds("/../../etc", 0, 2));
	check("dot is what it is", !go(&root, "/etc/.", WALK_NAME) && last.last == LAST_DOT);
	check("dot dot too", !go(&root, "/etc/..", WALK_NAME) && last.last == LAST_DOT_DOT);
}

static void links(void)
{
	char many[300] = "";

	check("a link is followed", finds("/up", WALK_FOLLOW, 3));
	check("or not", finds("/up", 0, 9));
	check("in the middle always", finds("/dir/passwd", 0, 3));
	check("with a slash too", finds("/dir/", 0, 2));
	check("unless its name is wanted", finds("/dir/", WALK_NAME, 10));
	check("a loop", go(&root, "/loop", WALK_FOLLOW) == -ELOOP);
	check("a dangling link names what may be made",
	      !go(&root, "/dangling", WALK_FOLLOW | WALK_MAY_LACK) && !last.found &&
		  last.dir->node->number == 2 && last.name_length == 4 && !memcmp(last.name, "none", 4));
	for (int i = 0; i < 20; i++)
		strcat(many, "/etc/back");
	check("twenty links", finds(many, WALK_FOLLOW, 1));
	memset(many, 'x', 257);
	many[0] = '/';
	check("a name that is too long", go(&root, many, 0) == -ENAMETOOLONG);
}

static void permissions(void)
{
	struct dentry *dir, *victim;

	check("a directory that may not be searched", (user.uid = 1, go(&user, "/home/x", 0) == -EACCES));
	user.uid = 1000;
	check("but by its owner", go(&user, "/home/x", 0) == -ENOENT);
	finds("/etc/shadow", 0, 4);
	check("others do not read", may_access(&user, last.found, MAY_READ) == -EACCES);
	user.groups = (uint32_t[]){ 42 };
	user.group_count = 1;
	check("the group does", may_access(&user, last.found, MAY_READ) == 0);
	check("but does not write", may_access(&user, last.found, MAY_WRITE) == -EACCES);
	check("root does not execute what nobody may", may_access(&root, last.found, MAY_EXEC) == -EACCES);
	user.group_count = 0;
	finds("/tmp/mine", 0, 6);
	victim = last.found;
	dir = victim->parent;
	check("in a sticky directory the owner deletes", may_delete(&user, dir, victim, false) == 0);
	user.uid = 1001;
	check("others do not", may_delete(&user, dir, victim, false) == -EPERM);
	user.uid = 1000;
	check("a file is not removed as a directory", may_delete(&root, dir, victim, true) == -ENOTDIR);
}

static void mounting(void)
{
	struct mount *m = make_mount(1);

	finds("/mnt", 0, 13);
	dentry_get(last.found);
	m->covered = last.found;
	m->covered->mounted = m;
	check("a mount is entered", !go(&root, "/mnt", 0) && last.found == m->root);
	check("and left by dot dot", finds("/mnt/..", 0, 1));
	check("what is mounted on is busy", may_delete(&root, root_mount->root, m->covered, true) == -EBUSY);
	at = m->root;
	check("relative to a directory", finds("../etc", 0, 2));
	at = root_mount->root;
}

static int path_is(struct dentry *d, const char *path)
{
	char text[256], *start;

	return !tree_path(d, root_mount->root, text, sizeof(text), &start) &&
	       (size_t)(text + sizeof(text) - start) == strlen(path) && !memcmp(start, path, strlen(path));
}

static void paths(void)
{
	char text[8], *start;

	finds("/etc/passwd", 0, 3);
	check("the path of a file", path_is(last.found, "/etc/passwd"));
	check("no room for it", tree_path(last.found, root_mount->root, text, 8, &start) == -ENAMETOOLONG);
	check("the path of the root", path_is(root_mount->root, "/"));
	go(&root, "/mnt", 0);
	check("the path of a mount", path_is(last.found, "/mnt"));
}

static void changes(void)
{
	struct dentry *d, *etc;
	struct vnode *node;

	finds("/etc/passwd", 0, 3);
	d = last.found;
	etc = d->parent;
	node = d->node;
	dentry_rename(d, etc, "group", 5);
	check("after a rename the old name is gone",
	      (lookups = 0, go(&root, "/etc/group", 0) == 0 && !lookups));
	check("the node is the same", last.found->node == node);
	finds("/etc/shadow", 0, 4);
	dentry_rename(d, etc, "shadow", 6);
	check("a rename replaces", !go(&root, "/etc/shadow", 0) && last.found->node == node);
	dentry_delete(last.found);
	lookups = 0;
	check("a removed name is known to be absent", go(&root, "/etc/shadow", 0) == -ENOENT && !lookups);
	finds("/tmp/mine", 0, 6);
	d = last.found;
	dentry_get(d);
	dentry_delete(d);
	check("one that is held is not found any more", !d->hashed && d->node);
	check("it has no path",
	      tree_path(d, root_mount->root, (char[64]){ 0 }, 64, &(char *){ NULL }) == -ENOENT);
	dentry_put(d);
}

/* Whoever stands in a directory that is removed keeps it, and nothing that is asked there does. */
static void removed_directory(void)
{
	struct dentry *d;

	finds("/tmp", 0, 5);
	d = at = last.found;
	dentry_get(d);
	dentry_prune(d);
	dentry_delete(d);
	lookups = forgotten = 0;
	check("nothing is in a removed directory", go(&root, "x", 0) == -ENOENT && !lookups);
	check("nor can be made there", go(&user, "x", WALK_NAME | WALK_MAY_LACK) == 0 && !last.found &&
					   may_create(&root, last.dir) == -ENOENT);
	check("it is itself still there", finds(".", 0, 5) && finds("..", 0, 1));
	at = root_mount->root;
	dentry_put(d);
	check("it goes with the last who stood there", forgotten == 1);
}

static void limits(void)
{
	char path[32];
	unsigned i;

	for (i = 0; i < 3 * DENTRY_MAX; i++) {
		snprintf(path, sizeof(path), "/etc/absent%u", i);
		if (go(&root, path, 0) != -ENOENT)
			break;
	}
	check("names beyond the limit push out others", i == 3 * DENTRY_MAX);
	check("what was pushed out is found again", finds("/etc", 0, 2));
	check("servers are told to forget", forgotten > 0);
}

static void rebuild(void)
{
	check("before", finds("/etc", 0, 2));
	tree_rebuild();
	tree_rebuilt();
	lookups = 0;
	check("after a rebuild names are still known", finds("/etc", 0, 2) && !lookups);
	check("and mounts", !go(&root, "/mnt", 0) && dentry_is_root(last.found));
	removed_directory();
	limits();
}

int main(void)
{
	root_mount = make_mount(1);
	at = root_mount->root;
	names();
	links();
	permissions();
	mounting();
	paths();
	changes();
	removed_directory();
	limits();
	rebuild();
	return failures != 0;
}
