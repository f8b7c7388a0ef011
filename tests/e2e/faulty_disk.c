/* Preloaded into a server: disks that fail, are full or slow, and a record of what has really reached them.
 *
 * Files whose path has ".sqlite" in it are looked at, except the shared memory of SQLite. FAULTY_DISK names a file with one
 * fault a line, read at each call: "write|sync <errno> <percent> <part of the path>", or "hang 0 0 <part of the path>", which holds
 * a sync for as long as the line is there. No file, no faults.
 * FAULTY_DISK_RECORD names a file that every write, truncation and sync is appended to, in their order.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum operation { WRITE = 1, TRUNCATE = 2, SYNCED = 3, SYNC_FAILED = 4 };

struct header {
    uint32_t operation;
    uint32_t path_bytes;
    uint64_t offset;
    uint64_t bytes;
};

/* One at a time, so that the record has them in the order in which they happened. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static ssize_t real_pwrite(int fd, const void *data, size_t bytes, off_t offset) {
    static ssize_t (*next)(int, const void *, size_t, off_t);
    if (!next) next = dlsym(RTLD_NEXT, "pwrite64");
    return next(fd, data, bytes, offset);
}

/* Whether the file is of those that are looked at. */
static int looked_at(int fd, char *path, size_t room) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, room - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strstr(path, ".sqlite") && !strstr(path, "-shm");
}

/* The error of the first line that is about a call of a file; -1 for none. */
static int line_for(const char *call, const char *path, int *percent) {
    const char *name = getenv("FAULTY_DISK");
    FILE *faults = name ? fopen(name, "re") : NULL;
    if (!faults) return -1;
    char its_call[16], part[256];
    int error, found = -1;
    while (found < 0 && fscanf(faults, "%15s %d %d %255s", its_call, &error, percent, part) == 4)
        if (!strcmp(its_call, call) && strstr(path, part)) found = error;
    fclose(faults);
    return found;
}

/* The error that a call is to have. When exactly is the server's own chance: a test says how often. */
static int fault(const char *call, const char *path) {
    int percent = 0, error = line_for(call, path, &percent);
    return error > 0 && random() % 100 < percent ? error : 0;
}

static void hang(const char *path) {
    struct timespec moment = {0, 10000000};
    for (int ignored; line_for("hang", path, &ignored) >= 0;) nanosleep(&moment, NULL);
}

static void record(enum operation operation, const char *path, uint64_t offset, const void *data, uint64_t bytes) {
    static int file = -2;
    if (file == -2) {
        const char *name = getenv("FAULTY_DISK_RECORD");
        file = name ? open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    }
    if (file < 0) return;
    size_t path_bytes = strlen(path), all = sizeof(struct header) + path_bytes + (data ? bytes : 0);
    char *text = malloc(all);
    struct header header = {operation, path_bytes, offset, bytes};
    memcpy(text, &header, sizeof header);
    memcpy(text + sizeof header, path, path_bytes);
    if (data) memcpy(text + sizeof header + path_bytes, data, bytes);
    /* In one call: a kill leaves whole entries. */
    if (write(file, text, all) != (ssize_t)all) abort();
    free(text);
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off_t offset) {
    char path[4096];
    if (!looked_at(fd, path, sizeof path)) return real_pwrite(fd, data, bytes, offset);
    pthread_mutex_lock(&turn);
    int error = fault("write", path);
    ssize_t written = error ? -1 : real_pwrite(fd, data, bytes, offset);
    if (error) errno = error;
    if (written > 0) record(WRITE, path, offset, data, written);
    pthread_mutex_unlock(&turn);
    return written;
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset) { return pwrite64(fd, data, bytes, offset); }

int ftruncate64(int fd, off_t length) {
    static int (*next)(int, off_t);
    if (!next) next = dlsym(RTLD_NEXT, "ftruncate64");
    char path[4096];
    if (!looked_at(fd, path, sizeof path)) return next(fd, length);
    pthread_mutex_lock(&turn);
    int done = next(fd, length);
    if (done == 0) record(TRUNCATE, path, length, NULL, 0);
    pthread_mutex_unlock(&turn);
    return done;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

static int synced(int fd, const char *name) {
    int (*next)(int) = dlsym(RTLD_NEXT, name);
    char path[4096];
    if (!looked_at(fd, path, sizeof path)) return next(fd);
    hang(path);
    pthread_mutex_lock(&turn);
    int error = fault("sync", path);
    int done = error ? -1 : next(fd);
    if (error) errno = error;
    record(done == 0 ? SYNCED : SYNC_FAILED, path, 0, NULL, 0);
    pthread_mutex_unlock(&turn);
    return done;
}

int fsync(int fd) { return synced(fd, "fsync"); }

int fdatasync(int fd) { return synced(fd, "fdatasync"); }
