/*
 * Three threads whose registers hold what a seed says: x87, MMX in one thread, SSE, AVX and AVX-512 where the
 * processor has them. First every value is printed, "tid name hex", lowest byte first; then the threads hold them:
 * two inside pause(2), the first one in a loop without a system call, or at an invalid instruction with "crash".
 *
 * cc -O1 -pthread registers.c -o registers; ./registers SEED wait|crash
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SSE, AVX, AVX512, MMX = 16, SLEEP = 32, CRASH = 64 };

struct image {
    uint8_t fx[512];
    uint8_t vectors[32][64];
    uint64_t masks[8];
    uint64_t mmx[8];
} __attribute__((aligned(64)));

void hold(const struct image *image, int mode, volatile int *ready);

/* rdi: the image, esi: the mode, rdx: where to say that the registers are loaded. Nothing touches them afterwards. */
__asm__(
    ".text\n.globl hold\nhold:\n"
    "  fxrstor64 (%rdi)\n"
    "  mov %esi, %eax\n  and $15, %eax\n  cmp $1, %eax\n  jb 2f\n  je 1f\n"
    "  .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
    "  vmovdqu64 512+64*\\n(%rdi), %zmm\\n\n  .endr\n"
    "  .irp n,0,1,2,3,4,5,6,7\n  kmovq 2560+8*\\n(%rdi), %k\\n\n  .endr\n"
    "  jmp 2f\n"
    "1:\n"
    "  .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n  vmovdqu 512+64*\\n(%rdi), %ymm\\n\n  .endr\n"
    "2:\n"
    "  test $16, %esi\n  jz 3f\n"
    "  .irp n,0,1,2,3,4,5,6,7\n  movq 2624+8*\\n(%rdi), %mm\\n\n  .endr\n"
    "3:\n"
    "  movl $1, (%rdx)\n"
    "4:\n"
    "  test $64, %esi\n  jnz 6f\n"
    "  test $32, %esi\n  jz 5f\n"
    "  mov $34, %eax\n  syscall\n  jmp 4b\n"
    "5:\n  pause\n  jmp 4b\n"
    "6:\n  ud2\n");

static uint64_t seed;
static int width;
static volatile int ready[3];
static pthread_mutex_t printing = PTHREAD_MUTEX_INITIALIZER;

static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static void fill(uint64_t *state, void *bytes, size_t length)
{
    for (size_t i = 0; i < length; i += 8) {
        uint64_t value = next(state);
        memcpy((char *)bytes + i, &value, 8);
    }
}

static void print(const char *name, int number, const void *bytes, int length)
{
    printf("%ld %s", (long)syscall(SYS_gettid), name);
    if (number >= 0)
        printf("%d", number);
    putchar(' ');
    for (int i = 0; i < length; i++)
        printf("%02x", ((const uint8_t *)bytes)[i]);
    putchar('\n');
}

static void prepare(struct image *image, int thread)
{
    uint64_t state = seed + 1000 * thread;
    memset(image, 0, sizeof *image);
    fill(&state, image->vectors, sizeof image->vectors);
    fill(&state, image->masks, sizeof image->masks);
    fill(&state, image->mmx, sizeof image->mmx);
    uint16_t fcw = thread == 0 ? 0x27F : 0x37F;
    uint16_t fsw = thread == 1 ? 0 : (uint16_t)((next(&state) & 7) << 11);
    uint32_t mxcsr = thread == 0 ? 0x3FA0 : thread == 1 ? 0x5F80 : 0x9FC0;
    memcpy(image->fx, &fcw, 2);
    memcpy(image->fx + 2, &fsw, 2);
    image->fx[4] = 0xFF;
    memcpy(image->fx + 24, &mxcsr, 4);
    for (int i = 0; i < 8; i++) {
        uint64_t significand = next(&state) | 1ull << 63;
        uint16_t exponent = 0x3C00 + (next(&state) & 0x7FF);
        memcpy(image->fx + 32 + 16 * i, &significand, 8);
        memcpy(image->fx + 40 + 16 * i, &exponent, 2);
    }
    for (int i = 0; i < 16; i++)
        memcpy(image->fx + 160 + 16 * i, image->vectors[i], 16);

    pthread_mutex_lock(&printing);
    print("fcw", -1, &fcw, 2);
    print("mxcsr", -1, &mxcsr, 4);
    for (int i = 0; i < 8; i++) {
        uint8_t st[10];
        memcpy(st, image->fx + 32 + 16 * i, 10);
        if (thread == 1) {
            memcpy(st, &image->mmx[i], 8);
            memset(st + 8, 0xFF, 2);
        }
        print("st", i, st, 10);
    }
    for (int i = 0; i < (width == AVX512 ? 32 : 16); i++)
        print(width == AVX512 ? "zmm" : width == AVX ? "ymm" : "xmm", i, image->vectors[i], width == AVX512 ? 64 : width == AVX ? 32 : 16);
    for (int i = 0; width == AVX512 && i < 8; i++)
        print("k", i, &image->masks[i], 8);
    pthread_mutex_unlock(&printing);
}

static void *run(void *number)
{
    struct image image;
    int thread = (int)(intptr_t)number;
    prepare(&image, thread);
    hold(&image, width | (thread == 1 ? MMX : 0) | SLEEP, &ready[thread]);
    return 0;
}

int main(int argc, char **argv)
{
    /* Nobody may wait for it: a test that dies must not leave a program behind that spins for ever. */
    alarm(180);

    struct image image;
    pthread_t threads[2];
    if (argc != 3)
        return 2;
    seed = strtoull(argv[1], 0, 0);
    width = __builtin_cpu_supports("avx512bw") ? AVX512 : __builtin_cpu_supports("avx") ? AVX : SSE;
    prepare(&image, 0);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], 0, run, (void *)(intptr_t)(i + 1));
    while (!ready[1] || !ready[2])
        usleep(1000);
    puts("ready");
    fflush(stdout);
    hold(&image, width | (strcmp(argv[2], "crash") == 0 ? CRASH : 0), &ready[0]);
}
