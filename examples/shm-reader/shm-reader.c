// Reads the inventory of a worker from shared memory, as cmsd or xrootd would. docs/SHM.md says what lies where.
//
//   shm-reader FILE DATABASE CHUNK   exits with 0 if the worker serves the chunk, with 1 if not, with 2 on an error
//   shm-reader FILE                  reads whole images and checks them, until standard input ends
//
// cc -O2 -std=c11 -o shm-reader shm-reader.c
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct block { int fd; const char *memory; uint64_t size; };

static uint64_t word(const char *p) { return __atomic_load_n((const uint64_t *)p, __ATOMIC_ACQUIRE); }
static uint32_t low(const char *p) { uint32_t n; memcpy(&n, p, 4); return n; }

// Maps all that the file has now. What was mapped before stays: a block grows a few times in its life.
static int map_block(struct block *b) {
    struct stat st;
    if (fstat(b->fd, &st) != 0 || st.st_size < 4096) return -1;
    void *m = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, b->fd, 0);
    if (m == MAP_FAILED) return -1;
    b->memory = m, b->size = st.st_size;
    return memcmp(b->memory, "CSSCHUNK", 8) == 0 && low(b->memory + 8) == 1 && word(b->memory + 16) ? 0 : -1;
}

// Copies the newest image; the caller frees it. NULL: the block is damaged.
static char *copy_image(struct block *b, uint64_t *length) {
    for (uint64_t looked = 0;;) {
        uint64_t now = word(b->memory + 16);
        const char *where = b->memory + 32 + 16 * (now & 1);
        uint64_t at = word(where), room = word(where + 8);
        if (at > b->size || room > b->size - at || at % 8 || room < 32) { // it has grown, or is damaged
            if (word(b->memory + 16) != now) continue;
            if (looked == b->size) return NULL;
            looked = b->size;
            if (map_block(b) != 0) return NULL;
            continue;
        }
        *length = word(b->memory + at);
        if (*length <= room && *length >= 32 && *length % 8 == 0) {
            uint64_t *image = malloc(*length);
            for (uint64_t i = 0; image && i < *length / 8; i++) image[i] = word(b->memory + at + 8 * i);
            if (word(b->memory + 16) == now) return (char *)image;
            free(image);
        } else if (word(b->memory + 16) == now) return NULL;
    }
}

static uint32_t crc32c(const unsigned char *p, uint64_t n) {
    uint32_t crc = ~0u;
    while (n--) {
        crc ^= *p++;
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (0x82f63b78 & -(crc & 1));
    }
    return ~crc;
}

static int contains(const char *image, const char *database, uint32_t id) {
    for (uint32_t n = 0; n < low(image + 24); n++) {
        const char *entry = image + 32 + 32 * n, *data = image + word(entry + 24);
        uint32_t count = low(entry + 16), first = low(entry + 12);
        if (low(entry + 4) != strlen(database) || memcmp(image + low(entry), database, low(entry + 4))) continue;
        if (low(entry + 8) == 1) { // a bitmap
            uint32_t bit = id - first;
            return id >= first && bit / 64 < low(entry + 20) && word(data + bit / 64 * 8) >> bit % 64 & 1;
        }
        for (uint32_t from = 0, to = count; from < to;) { // sorted ids
            uint32_t middle = from + (to - from) / 2, is = low(data + 4 * (uint64_t)middle);
            if (is == id) return 1;
            if (is < id) from = middle + 1; else to = middle;
        }
        return 0;
    }
    return 0;
}

int main(int argc, char **argv) {
    struct block b = {.fd = argc == 2 || argc == 4 ? open(argv[1], O_RDONLY) : -1};
    if (b.fd < 0 || map_block(&b) != 0) {
        fprintf(stderr, argc == 2 || argc == 4 ? "%s: no inventory\n" : "usage: shm-reader FILE [DATABASE CHUNK]\n", argv[1]);
        return 2;
    }
    struct pollfd end = {.fd = 0, .events = POLLIN};
    for (unsigned long read = 0, moved = 0, last = 0;; read++) {
        uint64_t length;
        char *image = copy_image(&b, &length);
        if (!image || crc32c((unsigned char *)image + 32, length - 32) != low(image + 28)) {
            fprintf(stderr, "%s: the block is damaged\n", argv[1]);
            return 2;
        }
        if (argc == 4) return !contains(image, argv[2], strtoul(argv[3], NULL, 10));
        moved += word(image + 8) != last, last = word(image + 8);
        free(image);
        if (poll(&end, 1, 0) > 0) return printf("%lu images read, %lu of them new, none torn\n", read + 1, moved) < 0;
    }
}
