// Reads the inventory of a worker from shared memory, as cmsd or xrootd would. docs/SHM.md says what lies where.
//
//   shm-reader FILE DATABASE CHUNK   exits with 0 if the worker serves the chunk, and with 1 if not
//   shm-reader FILE                  reads whole images and checks them, until standard input ends
//
// Exit code 2: there is no block, or a damaged one; 3: nobody has confirmed for 10 s what it says.
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
#include <time.h>
#include <unistd.h>

struct block { int fd; const char *memory; uint64_t size; };

static uint64_t word(const char *p) { return __atomic_load_n((const uint64_t *)p, __ATOMIC_ACQUIRE); }
static uint32_t half(const char *p) { uint32_t n; memcpy(&n, p, 4); return n; } // of a copied image

// Maps all that the file has now. What was mapped before stays: a block grows a few times in its life.
static int map_block(struct block *b) {
    struct stat st;
    if (fstat(b->fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size < 4096) return -1;
    if ((uint64_t)st.st_size == b->size) return 0;
    void *m = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, b->fd, 0);
    if (m == MAP_FAILED) return -1;
    b->memory = m, b->size = st.st_size;
    uint64_t magic = word(b->memory);
    return memcmp(&magic, "CSSCHUNK", 8) == 0 && (uint32_t)word(b->memory + 8) == 1 && word(b->memory + 16) ? 0 : -1;
}

// Copies the newest image; the caller frees it. NULL: the block is damaged.
static char *copy_image(struct block *b, uint64_t *length) {
    for (uint64_t looked = 0;;) {
        uint64_t now = word(b->memory + 16);
        const char *where = b->memory + 32 + 16 * (now & 1);
        uint64_t at = word(where), room = word(where + 8);
        if (at > b->size || room > b->size - at || at % 8 || room < 32) {
            if (word(b->memory + 16) != now) continue; // a writer is at it
            if (looked == b->size) return NULL;
            looked = b->size; // it may have grown
            if (map_block(b) != 0) return NULL;
            continue;
        }
        *length = word(b->memory + at);
        uint64_t *image = *length <= room && *length >= 32 && *length % 8 == 0 ? malloc(*length) : NULL;
        for (uint64_t i = 0; image && i < *length / 8; i++) image[i] = word(b->memory + at + 8 * i);
        if (word(b->memory + 16) == now) return (char *)image;
        free(image);
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

static int within(uint64_t at, uint64_t size, uint64_t length) { return at <= length && size <= length - at; }

// Returns 1 or 0, and 2 for an image that no writer wrote.
static int contains(const char *image, uint64_t length, const char *database, uint32_t id) {
    for (uint64_t n = 0; n < half(image + 24); n++) {
        if (!within(32 + 32 * n, 32, length)) return 2;
        const char *entry = image + 32 + 32 * n;
        uint64_t at = word(entry + 24), count = half(entry + 16), words = half(entry + 20), size = half(entry + 4);
        if (!within(half(entry), size, length)) return 2;
        if (size != strlen(database) || memcmp(image + half(entry), database, size)) continue;
        if (half(entry + 8) == 1) { // a bitmap
            uint32_t first = half(entry + 12), bit = id - first;
            if (at % 8 || !within(at, 8 * words, length)) return 2;
            return id >= first && bit / 64 < words && word(image + at + bit / 64 * 8) >> bit % 64 & 1;
        }
        if (half(entry + 8) != 2 || !within(at, 4 * count, length)) return 2;
        for (uint64_t from = 0, to = count; from < to;) { // sorted ids
            uint64_t middle = (from + to) / 2, is = half(image + at + 4 * middle);
            if (is == id) return 1;
            if (is < id) from = middle + 1; else to = middle;
        }
        return 0;
    }
    return 0;
}

int main(int argc, char **argv) {
    struct block b = {.fd = argc == 2 || argc == 4 ? open(argv[1], O_RDONLY | O_NONBLOCK) : -1};
    if (b.fd < 0 || map_block(&b) != 0) {
        fputs(argc == 2 || argc == 4 ? "no inventory\n" : "usage: shm-reader FILE [DATABASE CHUNK]\n", stderr);
        return 2;
    }
    struct pollfd end = {.fd = 0, .events = POLLIN};
    for (unsigned long read = 1, moved = 0, last = 0;; read++) {
        uint64_t length, confirmed = word(b.memory + 24);
        char *image = copy_image(&b, &length);
        if (!image || crc32c((unsigned char *)image + 32, length - 32) != half(image + 28))
            return fputs("the block is damaged\n", stderr), 2;
        if (argc == 4) {
            char *rest;
            unsigned long long id = strtoull(argv[3], &rest, 10);
            if (*rest || rest == argv[3] || *argv[3] == '-' || id > INT32_MAX)
                return fprintf(stderr, "%s is no id of a chunk\n", argv[3]), 2;
            int found = contains(image, length, argv[2], id);
            return found == 2 ? 2 : time(NULL) > (time_t)(confirmed / 1000000000) + 10 ? 3 : !found;
        }
        moved += word(image + 8) != last, last = word(image + 8);
        free(image);
        if (poll(&end, 1, 0) > 0) return printf("%lu images read, %lu of them new, none torn\n", read, moved) < 0;
    }
}
