/* The one place where foreign JSON text is believed: a recursive-descent checker.
 *
 * 1. Recursion is bounded by RAW_JSON_DEPTH_MAX.
 * 2. The keys of all open objects lie on one stack; an object's own keys are its top part. When the
 *    object closes they are compared: few with each other by hash, many after sorting. So the cost
 *    is O(n log n) for whatever keys somebody chooses.
 * 3. Bytes are never changed or copied. */
#include "base/raw_json.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/raw_json_text.h"

#define TEXT_BYTES_MAX 0x7FFFFFFFu /* so that a key's length fits in 31 bits */
#define KEYS_INSIDE 128            /* keys held without allocating */
#define KEYS_PAIRWISE_MAX 32       /* up to here comparing all pairs beats sorting */
#define KEY_SHOWN_BYTES_MAX 80     /* of a duplicate key, in the message */

struct key {
    const char *ptr; /* behind the opening quote */
    uint32_t len : 31;
    uint32_t escaped : 1;
    uint32_t hash; /* of the decoded bytes */
};

struct checker {
    const char *start, *at, *end;
    struct error *err;
    struct key *keys; /* `inside` until that is full */
    size_t key_count, key_capacity;
    int depth;
    struct key inside[KEYS_INSIDE];
};

static int check_value(struct checker *c);

static int fail(struct checker *c, const char *at, const char *what)
{
    return error_set(c->err, ERR_BAD_REQUEST, "Malformed JSON at byte %zu: %s",
                     (size_t)(at - c->start), what);
}

static void skip_space(struct checker *c)
{
    while (c->at < c->end && raw_json_is_space(*c->at))
        c->at++;
}

/* Decoded bytes of a key, one after the other. */
struct key_bytes {
    const char *at, *end;
    char decoded[4];
    unsigned next, count;
};

static struct key_bytes key_bytes(const struct key *key)
{
    return (struct key_bytes){.at = key->ptr, .end = key->ptr + key->len};
}

static int next_byte(struct key_bytes *bytes)
{
    if (bytes->next < bytes->count)
        return (uint8_t)bytes->decoded[bytes->next++];
    if (bytes->at == bytes->end)
        return -1;
    if (*bytes->at != '\\')
        return (uint8_t)*bytes->at++;
    bytes->count = (unsigned)raw_json_unescape(&bytes->at, bytes->end, bytes->decoded);
    bytes->next = 1;
    return (uint8_t)bytes->decoded[0];
}

/* By hash, then by decoded bytes: 0 exactly when the two are the same key. */
static int key_compare(const void *left, const void *right)
{
    const struct key *a = left, *b = right;
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    if (!a->escaped && !b->escaped)
        return str_compare(str_from(a->ptr, a->len), str_from(b->ptr, b->len));
    struct key_bytes a_bytes = key_bytes(a), b_bytes = key_bytes(b);
    for (;;) {
        int x = next_byte(&a_bytes), y = next_byte(&b_bytes);
        if (x != y)
            return x - y;
        if (x < 0)
            return 0;
    }
}

static uint64_t mix(uint64_t state, uint64_t eight)
{
    state = (state ^ eight) * 0x9E3779B97F4A7C15u;
    return state ^ state >> 32;
}

static uint32_t key_hash(const struct key *key)
{
    uint64_t state = 0, eight = 0;
    const char *at = key->ptr;
    size_t left = key->len;
    if (!key->escaped) {
        for (; left >= 8; left -= 8, at += 8) {
            memcpy(&eight, at, 8);
            state = mix(state, eight);
        }
        eight = 0;
        memcpy(&eight, at, left);
        return (uint32_t)mix(state, eight);
    }
    struct key_bytes bytes = key_bytes(key);
    char block[8] = {0};
    size_t filled = 0;
    for (int byte = next_byte(&bytes); byte >= 0; byte = next_byte(&bytes)) {
        block[filled++] = (char)byte;
        if (filled == sizeof(block)) {
            memcpy(&eight, block, sizeof(block));
            state = mix(state, eight);
            memset(block, 0, sizeof(block));
            filled = 0;
        }
    }
    memcpy(&eight, block, sizeof(block));
    return (uint32_t)mix(state, eight);
}

static void push_key(struct checker *c, struct key key)
{
    if (c->key_count == c->key_capacity) {
        size_t bytes = 2 * c->key_capacity * sizeof(struct key);
        struct key *keys = realloc(c->keys == c->inside ? NULL : c->keys, bytes);
        if (keys == NULL)
            log_fatal("out of memory: %zu bytes", bytes);
        if (c->keys == c->inside)
            memcpy(keys, c->inside, sizeof(c->inside));
        c->keys = keys;
        c->key_capacity *= 2;
    }
    c->keys[c->key_count++] = key;
}

static int fail_duplicate(struct checker *c, const struct key *a, const struct key *b)
{
    const struct key *later = a->ptr > b->ptr ? a : b;
    struct str shown = str_utf8_cut(str_from(later->ptr, later->len), KEY_SHOWN_BYTES_MAX);
    return error_set(c->err, ERR_BAD_REQUEST, "Malformed JSON at byte %zu: duplicate key \"%.*s\"",
                     (size_t)(later->ptr - 1 - c->start), STR_ARG(shown));
}

static int check_duplicates(struct checker *c, struct key *keys, size_t count)
{
    if (count <= KEYS_PAIRWISE_MAX) {
        for (size_t i = 1; i < count; i++)
            for (size_t j = 0; j < i; j++)
                if (keys[i].hash == keys[j].hash && key_compare(&keys[i], &keys[j]) == 0)
                    return fail_duplicate(c, &keys[i], &keys[j]);
        return 0;
    }
    qsort(keys, count, sizeof(keys[0]), key_compare);
    for (size_t i = 1; i < count; i++)
        if (key_compare(&keys[i - 1], &keys[i]) == 0)
            return fail_duplicate(c, &keys[i - 1], &keys[i]);
    return 0;
}

static int check_escape(struct checker *c)
{
    const char *start = c->at;
    char decoded[4];
    size_t bytes = raw_json_unescape(&c->at, c->end, decoded);
    if (bytes == 0)
        return fail(c, start, "an unknown escape or a lone surrogate");
    if (decoded[0] == '\0')
        return fail(c, start, "\\u0000 is not accepted");
    return 0;
}

/* At the opening quote; on success behind the closing one. */
static int check_string(struct checker *c, bool *escaped)
{
    const char *quote = c->at++;
    *escaped = false;
    for (;;) {
        c->at = raw_json_scan_string(c->at, c->end, 1);
        if (c->at == c->end)
            return fail(c, quote, "a string that does not end");
        if (*c->at == '"') {
            c->at++;
            return 0;
        }
        if (*c->at == '\\') {
            *escaped = true;
            if (check_escape(c) != 0)
                return -1;
            continue;
        }
        size_t bytes = str_utf8_char(str_from(c->at, (size_t)(c->end - c->at)));
        if (bytes == 0)
            return fail(c, c->at, "a byte that is not UTF-8");
        if (bytes == 1)
            return fail(c, c->at, "a control character in a string");
        c->at += bytes;
    }
}

/* At least one digit. */
static int check_digits(struct checker *c)
{
    const char *first = c->at;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
        c->at++;
    return c->at > first ? 0 : fail(c, c->at, "a digit is expected");
}

/* The fraction and exponent behind a number's digits, when there are any. */
static int check_fraction(struct checker *c)
{
    if (c->at < c->end && *c->at == '.') {
        c->at++;
        if (check_digits(c) != 0)
            return -1;
    }
    if (c->at < c->end && (*c->at == 'e' || *c->at == 'E')) {
        c->at++;
        if (c->at < c->end && (*c->at == '+' || *c->at == '-'))
            c->at++;
        return check_digits(c);
    }
    return 0;
}

static int check_number(struct checker *c)
{
    const char *start = c->at;
    if (*c->at == '-')
        c->at++;
    if (c->at < c->end && *c->at == '0')
        c->at++;
    else if (check_digits(c) != 0)
        return -1;
    const char *integer_end = c->at;
    if (check_fraction(c) != 0)
        return -1;
    long long number;
    struct str integer = str_from(start, (size_t)(integer_end - start));
    if (c->at == integer_end && integer.len > 18 && !str_to_int64(integer, &number))
        return fail(c, start, "an integer beyond 64 bits");
    return 0;
}

static int check_word(struct checker *c, struct str word)
{
    if (!str_starts_with(str_from(c->at, (size_t)(c->end - c->at)), word))
        return fail(c, c->at, "a value is expected");
    c->at += word.len;
    return 0;
}

/* Behind '{' or '[' with the depth counted: whether the container is empty, and left then. */
static bool leave_if_empty(struct checker *c, char closing)
{
    skip_space(c);
    if (c->at == c->end || *c->at != closing)
        return false;
    c->at++;
    return true;
}

/* Behind a member or element: 1 when another follows, 0 at the end, which is left, -1 on error. */
static int check_next(struct checker *c, char closing)
{
    skip_space(c);
    if (c->at == c->end || (*c->at != ',' && *c->at != closing))
        return fail(c, c->at, closing == '}' ? "',' or '}' is expected" : "',' or ']' is expected");
    return *c->at++ == ',';
}

static int check_member(struct checker *c)
{
    bool escaped;
    skip_space(c);
    if (c->at == c->end || *c->at != '"')
        return fail(c, c->at, "a key in quotes is expected");
    const char *start = c->at + 1;
    if (check_string(c, &escaped) != 0)
        return -1;
    struct key key = {start, (uint32_t)(c->at - 1 - start) & TEXT_BYTES_MAX, escaped, 0};
    key.hash = key_hash(&key);
    push_key(c, key);
    skip_space(c);
    if (c->at == c->end || *c->at != ':')
        return fail(c, c->at, "':' is expected");
    c->at++;
    return check_value(c);
}

static int check_object(struct checker *c)
{
    size_t first_key = c->key_count;
    int more = !leave_if_empty(c, '}');
    while (more > 0) {
        if (check_member(c) != 0)
            return -1;
        more = check_next(c, '}');
    }
    if (more < 0 || check_duplicates(c, c->keys + first_key, c->key_count - first_key) != 0)
        return -1;
    c->key_count = first_key;
    return 0;
}

static int check_array(struct checker *c)
{
    int more = !leave_if_empty(c, ']');
    while (more > 0) {
        if (check_value(c) != 0)
            return -1;
        more = check_next(c, ']');
    }
    return more;
}

static int check_container(struct checker *c)
{
    if (c->depth == RAW_JSON_DEPTH_MAX)
        return fail(c, c->at, "nested too deeply");
    c->depth++;
    int rc = *c->at++ == '{' ? check_object(c) : check_array(c);
    c->depth--;
    return rc;
}

static int check_value(struct checker *c)
{
    bool escaped;
    skip_space(c);
    if (c->at == c->end)
        return fail(c, c->at, "a value is expected");
    switch (*c->at) {
    case '{':
    case '[':
        return check_container(c);
    case '"':
        return check_string(c, &escaped);
    case 't':
        return check_word(c, STR("true"));
    case 'f':
        return check_word(c, STR("false"));
    case 'n':
        return check_word(c, STR("null"));
    default:
        if (*c->at == '-' || (*c->at >= '0' && *c->at <= '9'))
            return check_number(c);
        return fail(c, c->at, "a value is expected");
    }
}

int raw_json_check(struct str text, struct str *value, struct error *err)
{
    struct checker c;
    if (text.len > TEXT_BYTES_MAX)
        return error_set(err, ERR_BAD_REQUEST, "Malformed JSON at byte 0: longer than 2 GiB");
    if (text.len == 0)
        text = STR("");
    c.start = c.at = text.ptr;
    c.end = text.ptr + text.len;
    c.err = err;
    c.keys = c.inside;
    c.key_count = 0;
    c.key_capacity = KEYS_INSIDE;
    c.depth = 0;
    skip_space(&c);
    const char *start = c.at;
    int rc = check_value(&c);
    const char *end = c.at;
    skip_space(&c);
    if (rc == 0 && c.at < c.end)
        rc = fail(&c, c.at, "nothing may follow the value");
    if (c.keys != c.inside)
        free(c.keys);
    if (rc == 0)
        *value = str_from(start, (size_t)(end - start));
    return rc;
}
