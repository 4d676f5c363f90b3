/* A system that does less than it is asked: reads and writes come short, every third one is interrupted first, and the
 * clock is set back by an hour each time it is read. Loaded before the C library (LD_PRELOAD) by tests/fault.rs. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/types.h>
#include <time.h>

static unsigned long calls;

static int interrupted(void) {
    if (__atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) % 3 != 0) return 0;
    errno = EINTR;
    return 1;
}

static size_t cut(size_t count) {
    size_t most = 1 + __atomic_load_n(&calls, __ATOMIC_RELAXED) % 997;
    return count > most ? most : count;
}

ssize_t read(int fd, void *buffer, size_t count) {
    static ssize_t (*real)(int, void *, size_t);
    if (!real) real = (ssize_t (*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
    return interrupted() ? -1 : real(fd, buffer, cut(count));
}

ssize_t write(int fd, const void *buffer, size_t count) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    return interrupted() ? -1 : real(fd, buffer, cut(count));
}

ssize_t pread64(int fd, void *buffer, size_t count, off64_t offset) {
    static ssize_t (*real)(int, void *, size_t, off64_t);
    if (!real) real = (ssize_t (*)(int, void *, size_t, off64_t))dlsym(RTLD_NEXT, "pread64");
    return interrupted() ? -1 : real(fd, buffer, cut(count), offset);
}

int fsync(int fd) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    return interrupted() ? -1 : real(fd);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*real)(clockid_t, struct timespec *);
    static long steps;
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int done = real(clock, time);
    if (done == 0 && clock == CLOCK_REALTIME && getenv("SHIM_CLOCK_STEPS"))
        time->tv_sec -= 3600 * __atomic_add_fetch(&steps, 1, __ATOMIC_RELAXED);
    return done;
}
