/*
 * One signal on an alternate stack of a given size: exit code 0 when the handler ran, SIGSEGV from the kernel when the frame
 * did not fit. The AVX state is in use, as it is in nearly every program, and AVX-512 is not.
 *
 * cc -O1 sigstack.c -o sigstack; ./sigstack 2048
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static volatile sig_atomic_t handled;

static void handle(int signal)
{
    (void)signal;
    handled = 1;
}

int main(int argc, char **argv)
{
    size_t size = argc == 2 ? strtoul(argv[1], 0, 0) : 0;
    struct sigaction action = { .sa_handler = handle, .sa_flags = SA_ONSTACK };
    stack_t stack = { .ss_size = size };

    /* The page below is not mapped, so that nothing is overwritten where the kernel does not look. */
    char *pages = mmap(0, 0x10000, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (size < 2048 || size > 0x8000 || pages == MAP_FAILED || mprotect(pages + 0x1000, 0x9000, PROT_READ | PROT_WRITE))
        return 2;
    stack.ss_sp = pages + 0x1000;
    if (sigaltstack(&stack, 0) || sigaction(SIGUSR1, &action, 0))
        return 2;
    raise(SIGUSR1);
    return handled ? 0 : 3;
}
