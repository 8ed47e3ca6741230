/* Counters of failures in a table of fixed size: sets of a few places, the stalest gives way.
 *
 * Always holds, under the lock: a place with key 0 is free; `failures` counts those since the key
 * was last forgotten; an attempt before `until_ms` is not looked at and counts nothing. */
#include "server/auth_limit.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/log.h"

#define SETS 2048
#define PLACES 4

struct place {
    uint64_t key;
    int64_t failed_ms, until_ms; /* monotonic */
    int failures;
};

struct auth_limit {
    const struct clock *clock;
    uint64_t seed; /* so that nobody chooses who shares a set with whom */
    pthread_mutex_t lock;
    struct place sets[SETS][PLACES];
};

struct auth_limit *auth_limit_new(const struct clock *clock, uint64_t seed)
{
    struct auth_limit *limit = calloc(1, sizeof(*limit));
    if (limit == NULL)
        log_fatal("out of memory");
    limit->clock = clock;
    limit->seed = seed;
    pthread_mutex_init(&limit->lock, NULL);
    return limit;
}

void auth_limit_free(struct auth_limit *limit)
{
    if (limit == NULL)
        return;
    pthread_mutex_destroy(&limit->lock);
    free(limit);
}

static uint64_t hash(uint64_t value, struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        value = (value ^ (uint8_t)text.ptr[i]) * 0x100000001b3ull;
    value = (value ^ value >> 32) * 0xd6e8feb86659fd93ull;
    return value ^ value >> 32;
}

/* Who has one address of IPv6 has 2^64 of them. */
static uint64_t hash_address(uint64_t seed, struct str address)
{
    char text[64];
    struct in6_addr binary;
    if (address.len < sizeof(text)) {
        memcpy(text, address.ptr == NULL ? "" : address.ptr, address.len);
        text[address.len] = '\0';
        if (inet_pton(AF_INET6, text, &binary) == 1 && !IN6_IS_ADDR_V4MAPPED(&binary))
            return hash(seed, str_from((const char *)binary.s6_addr, 8));
    }
    return hash(seed, address);
}

struct keys {
    uint64_t client, address;
};

static struct keys keys_of(const struct auth_limit *limit, struct str client_id, struct str address)
{
    uint64_t of_address = hash_address(limit->seed, address) | 1;
    return (struct keys){.client = hash(of_address, client_id) | 1, .address = of_address};
}

static int64_t now_ms(const struct auth_limit *limit)
{
    return clock_monotonic_us(limit->clock) / 1000;
}

static bool is_stale(const struct place *place, int64_t now)
{
    return now - place->failed_ms > AUTH_LIMIT_FORGET_MS;
}

static struct place *find(struct auth_limit *limit, uint64_t key, int64_t now)
{
    struct place *set = limit->sets[key / 2 % SETS];
    for (size_t i = 0; i < PLACES; i++)
        if (set[i].key == key && !is_stale(&set[i], now))
            return &set[i];
    return NULL;
}

static struct place *find_or_make(struct auth_limit *limit, uint64_t key, int64_t now)
{
    struct place *place = find(limit, key, now);
    if (place != NULL)
        return place;
    struct place *set = limit->sets[key / 2 % SETS];
    place = &set[0];
    for (size_t i = 0; i < PLACES; i++)
        if (set[i].key == 0 || set[i].key == key || set[i].failed_ms < place->failed_ms)
            place = &set[i];
    *place = (struct place){.key = key};
    return place;
}

static int wait_s(struct auth_limit *limit, uint64_t key, int64_t now)
{
    const struct place *place = find(limit, key, now);
    if (place == NULL || place->until_ms <= now)
        return 0;
    return (int)((place->until_ms - now + 999) / 1000);
}

int auth_limit_wait_s(struct auth_limit *limit, struct str client_id, struct str address)
{
    struct keys keys = keys_of(limit, client_id, address);
    int64_t now = now_ms(limit);
    pthread_mutex_lock(&limit->lock);
    int of_client = wait_s(limit, keys.client, now);
    int of_address = wait_s(limit, keys.address, now);
    pthread_mutex_unlock(&limit->lock);
    return of_client > of_address ? of_client : of_address;
}

static void count(struct auth_limit *limit, uint64_t key, int free_failures, int64_t now)
{
    struct place *place = find_or_make(limit, key, now);
    place->failed_ms = now;
    place->failures++;
    int beyond = place->failures - free_failures;
    if (beyond < 0)
        return;
    int64_t wait = beyond < 9 ? 1ll << beyond : AUTH_LIMIT_WAIT_S_MAX;
    place->until_ms = now + 1000 * (wait < AUTH_LIMIT_WAIT_S_MAX ? wait : AUTH_LIMIT_WAIT_S_MAX);
}

void auth_limit_failed(struct auth_limit *limit, struct str client_id, struct str address)
{
    struct keys keys = keys_of(limit, client_id, address);
    int64_t now = now_ms(limit);
    pthread_mutex_lock(&limit->lock);
    count(limit, keys.client, AUTH_LIMIT_CLIENT_FREE, now);
    count(limit, keys.address, AUTH_LIMIT_ADDRESS_FREE, now);
    pthread_mutex_unlock(&limit->lock);
}

void auth_limit_passed(struct auth_limit *limit, struct str client_id, struct str address)
{
    struct keys keys = keys_of(limit, client_id, address);
    pthread_mutex_lock(&limit->lock);
    struct place *place = find(limit, keys.client, now_ms(limit));
    if (place != NULL)
        *place = (struct place){0};
    pthread_mutex_unlock(&limit->lock);
}
