/*
 * Makes chosen calls on the files of one folder fail, for the test of the command's outputs. Preloaded (LD_PRELOAD); needs glibc.
 *
 * FAULT_FOLDER  only calls on files in this folder count, named or not (a file without a name is in the folder it was opened in)
 * FAULT_LOG     a line for each call that counts: "FAMILY NUMBER MARK", where MARK is "fault" if it was changed, else "-"
 * FAULT_PLAN    "FAMILY FIRST LAST ACTION N", several separated by ";": calls FIRST to LAST of a family are changed
 *
 * Families: tmpfile (O_TMPFILE), open (any other for writing), write (write, pwrite, writev, pwritev), ftruncate, fsync, link, rename,
 * unlink, fchmod, fchown.
 * Actions: errno N (the call fails so), short N (a write takes N bytes at most), full N (no more than N bytes are taken in all, then
 * ENOSPC), kill N (the process gets signal N instead of the call).
 *
 * .NET loads the C library by name and asks dlsym for its functions, which does not look at what is preloaded; so dlsym is ours, too.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum family { TMPFILE, OPEN, WRITE, FTRUNCATE, FSYNC, LINK, RENAME, UNLINK, FCHMOD, FCHOWN, FAMILIES };
static const char *const names[FAMILIES] = {
    "tmpfile", "open", "write", "ftruncate", "fsync", "link", "rename", "unlink", "fchmod", "fchown",
};

struct plan { int family; long first, last; char action[8]; long number; };
static struct plan plans[8];
static int plan_count;
static const char *folder;
static size_t folder_length;
static int log_file = -1;
static atomic_long counts[FAMILIES];
static atomic_long taken;

__attribute__((constructor)) static void read_plan(void)
{
    const char *log = getenv("FAULT_LOG");
    const char *text = getenv("FAULT_PLAN");
    folder = getenv("FAULT_FOLDER");
    folder_length = folder ? strlen(folder) : 0;
    if (log)
        log_file = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    while (text && *text && plan_count < 8) {
        struct plan *plan = &plans[plan_count];
        char family[16];
        if (sscanf(text, "%15s %ld %ld %7s %ld", family, &plan->first, &plan->last, plan->action, &plan->number) != 5)
            abort();
        for (plan->family = 0; plan->family < FAMILIES && strcmp(names[plan->family], family); plan->family++)
            ;
        if (plan->family == FAMILIES)
            abort();
        plan_count++;
        text = strchr(text, ';');
        if (text)
            text++;
    }
}

static int in_folder(const char *path)
{
    return folder && path && !strncmp(path, folder, folder_length) && (path[folder_length] == '/' || !path[folder_length]);
}

static int is_ours(int file)
{
    char link[40], path[PATH_MAX];
    int saved = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    errno = saved;
    if (length < 0)
        return 0;
    path[length] = 0;
    return in_folder(path);
}

/* Counts a call, and tells what shall happen to it. */
static const struct plan *count(enum family family)
{
    long number = atomic_fetch_add(&counts[family], 1) + 1;
    const struct plan *found = NULL;
    for (int i = 0; i < plan_count && !found; i++)
        if (plans[i].family == (int)family && plans[i].first <= number && number <= plans[i].last)
            found = &plans[i];
    char line[64];
    int length = snprintf(line, sizeof line, "%s %ld %s\n", names[family], number, found ? "fault" : "-");
    if (log_file >= 0)
        syscall(SYS_write, log_file, line, length);
    if (found && !strcmp(found->action, "kill"))
        kill(getpid(), found->number);
    return found;
}

static int refused(const struct plan *plan)
{
    if (!plan || strcmp(plan->action, "errno"))
        return 0;
    errno = plan->number;
    return 1;
}

/* How many of the bytes a write may take; -1 when it fails. */
static ssize_t allowed(int file, size_t length)
{
    if (!is_ours(file))
        return length;
    const struct plan *plan = count(WRITE);
    if (refused(plan))
        return -1;
    if (plan && !strcmp(plan->action, "short") && length > (size_t)plan->number)
        return plan->number;
    if (plan && !strcmp(plan->action, "full")) {
        long left = plan->number - atomic_load(&taken);
        if (length && left <= 0) {
            errno = ENOSPC;
            return -1;
        }
        if ((long)length > left)
            length = left;
        atomic_fetch_add(&taken, length);
    }
    return length;
}

ssize_t write(int file, const void *bytes, size_t length)
{
    ssize_t part = allowed(file, length);
    return part < 0 ? -1 : syscall(SYS_write, file, bytes, part);
}

ssize_t pwrite64(int file, const void *bytes, size_t length, off64_t offset)
{
    ssize_t part = allowed(file, length);
    return part < 0 ? -1 : syscall(SYS_pwrite64, file, bytes, part, offset);
}

ssize_t pwrite(int file, const void *bytes, size_t length, off_t offset) { return pwrite64(file, bytes, length, offset); }

/* Several buffers: as many bytes as are allowed, of the first one alone when that is not all. */
static size_t total(const struct iovec *parts, int number)
{
    size_t length = 0;
    for (int i = 0; i < number; i++)
        length += parts[i].iov_len;
    return length;
}

ssize_t pwritev64(int file, const struct iovec *parts, int number, off64_t offset)
{
    size_t length = total(parts, number);
    ssize_t part = allowed(file, length);
    if (part < 0)
        return -1;
    if ((size_t)part == length)
        return syscall(SYS_pwritev, file, parts, number, offset, 0L);
    return syscall(SYS_pwrite64, file, parts[0].iov_base, (size_t)part < parts[0].iov_len ? (size_t)part : parts[0].iov_len, offset);
}

ssize_t pwritev(int file, const struct iovec *parts, int number, off_t offset) { return pwritev64(file, parts, number, offset); }

ssize_t writev(int file, const struct iovec *parts, int number)
{
    size_t length = total(parts, number);
    ssize_t part = allowed(file, length);
    if (part < 0)
        return -1;
    if ((size_t)part == length)
        return syscall(SYS_writev, file, parts, number);
    return syscall(SYS_write, file, parts[0].iov_base, (size_t)part < parts[0].iov_len ? (size_t)part : parts[0].iov_len);
}

static int open_at(int directory, const char *path, int flags, mode_t mode)
{
    int writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT);
    if (writes && in_folder(path) && refused(count((flags & O_TMPFILE) == O_TMPFILE ? TMPFILE : OPEN)))
        return -1;
    return syscall(SYS_openat, directory, path, flags, mode);
}

#define OPEN_WITH_MODE(directory)                                        \
    mode_t mode = 0;                                                     \
    if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE) {         \
        va_list rest;                                                    \
        va_start(rest, flags);                                           \
        mode = va_arg(rest, mode_t);                                     \
        va_end(rest);                                                    \
    }                                                                    \
    return open_at(directory, path, flags, mode)

int open(const char *path, int flags, ...) { OPEN_WITH_MODE(AT_FDCWD); }
int open64(const char *path, int flags, ...) { OPEN_WITH_MODE(AT_FDCWD); }
int openat(int directory, const char *path, int flags, ...) { OPEN_WITH_MODE(directory); }
int openat64(int directory, const char *path, int flags, ...) { OPEN_WITH_MODE(directory); }

int ftruncate64(int file, off64_t length)
{
    return is_ours(file) && refused(count(FTRUNCATE)) ? -1 : syscall(SYS_ftruncate, file, length);
}

int ftruncate(int file, off_t length) { return ftruncate64(file, length); }

int fsync(int file) { return is_ours(file) && refused(count(FSYNC)) ? -1 : syscall(SYS_fsync, file); }
int fdatasync(int file) { return is_ours(file) && refused(count(FSYNC)) ? -1 : syscall(SYS_fdatasync, file); }
int fchmod(int file, mode_t mode) { return is_ours(file) && refused(count(FCHMOD)) ? -1 : syscall(SYS_fchmod, file, mode); }

int fchown(int file, uid_t owner, gid_t group)
{
    return is_ours(file) && refused(count(FCHOWN)) ? -1 : syscall(SYS_fchown, file, owner, group);
}

int linkat(int from_directory, const char *from, int to_directory, const char *to, int flags)
{
    return in_folder(to) && refused(count(LINK)) ? -1 : syscall(SYS_linkat, from_directory, from, to_directory, to, flags);
}

int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

int renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned flags)
{
    return in_folder(to) && refused(count(RENAME)) ? -1 : syscall(SYS_renameat2, from_directory, from, to_directory, to, flags);
}

int renameat(int from_directory, const char *from, int to_directory, const char *to)
{
    return renameat2(from_directory, from, to_directory, to, 0);
}

int rename(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }

int unlinkat(int directory, const char *path, int flags)
{
    return in_folder(path) && refused(count(UNLINK)) ? -1 : syscall(SYS_unlinkat, directory, path, flags);
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }

void *dlsym(void *restrict library, const char *restrict name)
{
    static const struct { const char *name; void *function; } ours[] = {
        { "write", write }, { "pwrite", pwrite }, { "pwrite64", pwrite64 }, { "writev", writev }, { "pwritev", pwritev },
        { "pwritev64", pwritev64 }, { "open", open }, { "open64", open64 }, { "openat", openat }, { "openat64", openat64 },
        { "ftruncate", ftruncate }, { "ftruncate64", ftruncate64 }, { "fsync", fsync }, { "fdatasync", fdatasync },
        { "fchmod", fchmod }, { "fchown", fchown }, { "linkat", linkat }, { "link", link }, { "rename", rename },
        { "renameat", renameat }, { "renameat2", renameat2 }, { "unlink", unlink }, { "unlinkat", unlinkat },
    };
    static void *(*_Atomic real)(void *, const char *);
    if (!real) {
        /* Since 2.34 it is in the C library itself; what a program was linked against before has the version of its architecture. */
        static const char *const versions[] = { "GLIBC_2.34", "GLIBC_2.2.5", "GLIBC_2.17" };
        void *found = NULL;
        for (size_t i = 0; i < sizeof versions / sizeof *versions && !found; i++)
            found = dlvsym(RTLD_NEXT, "dlsym", versions[i]);
        real = (void *(*)(void *, const char *))found;
    }
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (!strcmp(ours[i].name, name))
            return ours[i].function;
    return real(library, name);
}
