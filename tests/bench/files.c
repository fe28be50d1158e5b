/* SPDX-License-Identifier: MIT */
/*
 * Files and directories, all in caches: files DIRECTORY [NAME...]. DIRECTORY is one level below the root: paths are
 * absolute, of two components, as the published figures for Linux have them.
 */
#include "bench.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#define ENTRIES 1000 /* of the directory that is listed */
#define SMALL 200    /* small files made, looked at and deleted at a time */
#define BIG (4 << 20)

static char block[65536];
static int fd;
static char names[SMALL][64];
static char path_file[64], path_missing[64], path_new[64], path_directory[64], path_many[64], path_big[64];
static char deep[3][64]; /* directories, one in the other */
static char path_deep[96];

OPERATION(stat)
{
	struct stat s;

	must(stat(path_file, &s));
}

OPERATION(fstat)
{
	struct stat s;

	must(fstat(fd, &s));
}

OPERATION(stat_missing)
{
	struct stat s;

	if (stat(path_missing, &s) == 0 || errno != ENOENT)
		must(-1);
}

OPERATION(stat_deep)
{
	struct stat s;

	must(stat(path_deep, &s));
}

OPERATION(open_close)
{
	must(close(must(open(path_file, O_RDONLY))));
}

OPERATION(pread_1)
{
	must(pread(fd, block, 1, 0));
}

OPERATION(pread_4K)
{
	must(pread(fd, block, 4096, 0));
}

OPERATION(pwrite_1)
{
	must(pwrite(fd, block, 1, 0));
}

OPERATION(create_unlink)
{
	must(close(must(open(path_new, O_CREAT | O_EXCL | O_WRONLY, 0600))));
	must(unlink(path_new));
}

OPERATION(mkdir_rmdir)
{
	must(mkdir(path_directory, 0700));
	must(rmdir(path_directory));
}

OPERATION(readdir)
{
	DIR *list = opendir(path_many);
	long seen = 0;

	must(list ? 0 : -1);
	while (list && readdir(list))
		seen++;
	if (list)
		closedir(list);
	if (seen != ENTRIES + 2)
		must(-1);
}

static void read_all(size_t size)
{
	must(lseek(fd, 0, SEEK_SET));
	for (long done = 0; done < BIG && !bench_error; done += size)
		if ((size_t)must(read(fd, block, size)) != size)
			must(-1);
}

OPERATION(read_by_4K)
{
	read_all(4096);
}

OPERATION(read_by_64K)
{
	read_all(65536);
}

OPERATION(write_by_4K)
{
	must(ftruncate(fd, 0));
	must(lseek(fd, 0, SEEK_SET));
	for (long done = 0; done < BIG && !bench_error; done += 4096)
		if (must(write(fd, block, 4096)) != 4096)
			must(-1);
}

static void make(const char *name, size_t size)
{
	int new = must(open(name, O_CREAT | O_TRUNC | O_WRONLY, 0600));

	for (size_t done = 0; done < size && !bench_error; done += sizeof block)
		must(write(new, block, size < sizeof block ? size : sizeof block));
	close(new);
}

static void open_file(void)
{
	make(path_file, 4096);
	fd = must(open(path_file, O_RDWR));
}

static void open_big(void)
{
	make(path_big, BIG);
	fd = must(open(path_big, O_RDWR));
}

static void close_file(void)
{
	close(fd);
	unlink(path_file);
	unlink(path_big);
}

static void make_deep(void)
{
	for (size_t i = 0; i < NELEMS(deep); i++)
		must(mkdir(deep[i], 0700));
	make(path_deep, 0);
}

static void remove_deep(void)
{
	unlink(path_deep);
	for (size_t i = NELEMS(deep); i-- > 0;)
		rmdir(deep[i]);
}

static void change_many(bool unmake)
{
	char name[96];

	for (int i = 0; i < ENTRIES; i++) {
		snprintf(name, sizeof name, "%s/entry%d", path_many, i);
		unmake ? (void)unlink(name) : make(name, 0);
	}
}

static void make_many(void)
{
	must(mkdir(path_many, 0700));
	change_many(false);
}

static void remove_many(void)
{
	change_many(true);
	rmdir(path_many);
}

static void small_create(void)
{
	for (int i = 0; i < SMALL; i++)
		make(names[i], 1024);
}

static void small_stat(void)
{
	struct stat s;

	for (int i = 0; i < SMALL; i++)
		must(stat(names[i], &s));
}

static void small_read(void)
{
	for (int i = 0; i < SMALL; i++) {
		int file = must(open(names[i], O_RDONLY));

		if (must(read(file, block, 1024)) != 1024)
			must(-1);
		close(file);
	}
}

static void small_delete(void)
{
	for (int i = 0; i < SMALL; i++)
		must(unlink(names[i]));
}

/* The phases depend on each other, so they are timed together; every round does all of them. */
static const struct {
	const char *name;
	void (*run)(void);
} phases[] = {
	{ "small_create", small_create },
	{ "small_stat", small_stat },
	{ "small_read", small_read },
	{ "small_delete", small_delete },
};

static void small_files(void)
{
	int64_t best[NELEMS(phases)];

	bench_error = 0;
	for (int round = 0; round < ROUNDS; round++)
		for (size_t p = 0; p < NELEMS(phases); p++) {
			int64_t start = now_ns();

			phases[p].run();
			start = now_ns() - start;
			best[p] = round && best[p] < start ? best[p] : start;
		}
	for (size_t p = 0; p < NELEMS(phases); p++)
		if (bench_error)
			printf("bench %s error %s\n", phases[p].name, strerror(bench_error));
		else
			printf("bench %s %.0f ns\n", phases[p].name, (double)best[p] / SMALL);
}

static const struct bench table[] = {
	BENCH(stat, .setup = open_file, .teardown = close_file),
	BENCH(fstat, .setup = open_file, .teardown = close_file),
	BENCH(stat_missing),
	BENCH(stat_deep, .setup = make_deep, .teardown = remove_deep),
	BENCH(open_close, .setup = open_file, .teardown = close_file),
	BENCH(pread_1, .setup = open_file, .teardown = close_file),
	BENCH(pread_4K, .setup = open_file, .teardown = close_file),
	BENCH(pwrite_1, .setup = open_file, .teardown = close_file),
	BENCH(create_unlink),
	BENCH(mkdir_rmdir),
	BENCH_AS("readdir_entry", readdir, .setup = make_many, .teardown = remove_many, .per = ENTRIES + 2),
	BENCH_AS("read_4K", read_by_4K, .setup = open_big, .teardown = close_file, .bytes = BIG),
	BENCH_AS("read_64K", read_by_64K, .setup = open_big, .teardown = close_file, .bytes = BIG),
	BENCH_AS("write_4K", write_by_4K, .setup = open_big, .teardown = close_file, .bytes = BIG),
};

static void path(char *to, const char *directory, const char *name)
{
	snprintf(to, sizeof names[0], "%.40s/%s", directory, name);
}

static void make_paths(const char *directory)
{
	char name[16];

	path(path_file, directory, "file");
	path(path_missing, directory, "missing");
	path(path_new, directory, "new");
	path(path_directory, directory, "directory");
	path(path_many, directory, "many");
	path(path_big, directory, "big");
	path(deep[0], directory, "two");
	path(deep[1], directory, "two/three");
	path(deep[2], directory, "two/three/four");
	path(path_deep, directory, "two/three/four/file");
	for (int i = 0; i < SMALL; i++) {
		snprintf(name, sizeof name, "small%d", i);
		path(names[i], directory, name);
	}
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fputs("usage: files DIRECTORY [NAME...]\n", stderr);
		return 2;
	}
	make_paths(argv[1]);
	bench_main(table, NELEMS(table), argc - 1, argv + 1);
	if (argc == 2)
		small_files();
	return 0;
}
