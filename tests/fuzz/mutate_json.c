/* How libFuzzer changes inputs that are JSON documents with lines "---" between: half of the time
 * as bytes, else by one change of a value, so that what comes out still is JSON and gets past the
 * parser. One value is left out, repeated, swapped for another of the same input or for a word or
 * number of a list, or gets another name. */
#include "tests/fuzz/fuzz.h"

#include <jansson.h>

#define DOCUMENTS_MAX 4
#define VALUES_MAX 4096

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t size_max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed);

struct place { /* where a value hangs */
    json_t *parent;
    const char *key; /* of an object; NULL: index counts */
    size_t index;
};

struct input {
    json_t *documents[DOCUMENTS_MAX];
    size_t document_count;
    struct place places[VALUES_MAX];
    size_t place_count;
    uint64_t random;
};

static size_t draw(struct input *input, size_t below)
{
    input->random ^= input->random << 13;
    input->random ^= input->random >> 7;
    input->random ^= input->random << 17;
    return below == 0 ? 0 : (size_t)(input->random % below);
}

static void collect(struct input *input, json_t *value)
{
    const char *key;
    json_t *child;
    size_t i;
    if (json_is_object(value)) {
        json_object_foreach(value, key, child)
        {
            if (input->place_count < VALUES_MAX)
                input->places[input->place_count++] = (struct place){value, key, 0};
            collect(input, child);
        }
    } else if (json_is_array(value)) {
        json_array_foreach(value, i, child)
        {
            if (input->place_count < VALUES_MAX)
                input->places[input->place_count++] = (struct place){value, NULL, i};
            collect(input, child);
        }
    }
}

static bool read_input(struct input *input, struct str text)
{
    while (text.ptr != NULL && input->document_count < DOCUMENTS_MAX) {
        struct str document = fuzz_cut_document(&text);
        json_t *value = json_loadb(document.ptr, document.len, JSON_DECODE_ANY, NULL);
        if (value == NULL && document.len > 0)
            return false;
        input->documents[input->document_count++] = value; /* NULL: nothing, which stays so */
        collect(input, value);
    }
    return input->place_count > 0;
}

static json_t *value_at(const struct place *place)
{
    return place->key != NULL ? json_object_get(place->parent, place->key)
                              : json_array_get(place->parent, place->index);
}

static void put(const struct place *place, json_t *value)
{
    if (place->key != NULL)
        json_object_set_new(place->parent, place->key, value);
    else
        json_array_set_new(place->parent, place->index, value);
}

static json_t *odd_value(struct input *input, json_t *old)
{
    static const json_int_t numbers[] = {-1, 0,         1,         2,          3,
                                         4,  999,       1000,      2147483647, 2147483648,
                                         -2, 1ll << 53, INT64_MAX, INT64_MIN,  1700000100000};
    static const char *const words[] = {
        "",       "main",   "branch",   "tag",  "x/", "list", "map",       "int",
        "struct", "string", "\xc3\xa4", "true", "2",  "void", "bucket[4]", "file:///w/t/x"};
    switch (draw(input, 7)) {
    case 0:
        return json_integer(numbers[draw(input, sizeof(numbers) / sizeof(numbers[0]))]);
    case 1:
        return json_string(words[draw(input, sizeof(words) / sizeof(words[0]))]);
    case 2:
        return json_boolean(draw(input, 2));
    case 3:
        return draw(input, 2) ? json_array() : json_object();
    case 4:
        return draw(input, 2) ? json_null() : json_real(1.5);
    default:
        if (json_is_integer(old))
            return json_integer((json_int_t)((uint64_t)json_integer_value(old) +
                                             (draw(input, 2) ? 1u : (uint64_t)-1)));
        return json_array();
    }
}

static void change(struct input *input)
{
    struct place *place = &input->places[draw(input, input->place_count)];
    struct place *other = &input->places[draw(input, input->place_count)];
    json_t *old = value_at(place);
    switch (draw(input, 5)) {
    case 0:
        if (place->key != NULL)
            json_object_del(place->parent, place->key);
        else
            json_array_remove(place->parent, place->index);
        break;
    case 1:
        if (place->key == NULL)
            json_array_insert_new(place->parent, draw(input, place->index + 1),
                                  json_deep_copy(old));
        break;
    case 2:
        put(place, json_deep_copy(value_at(other)));
        break;
    case 3:
        if (place->key != NULL && other->key != NULL)
            json_object_set_new(place->parent, other->key, json_deep_copy(old));
        break;
    default:
        put(place, odd_value(input, old));
        break;
    }
}

static size_t write_input(const struct input *input, uint8_t *data, size_t size_max)
{
    struct buf out = BUF_INIT(size_max);
    for (size_t i = 0; i < input->document_count; i++) {
        const json_t *document = input->documents[i];
        char *text = document == NULL ? NULL : json_dumps(document, JSON_COMPACT | JSON_ENCODE_ANY);
        if (i > 0)
            buf_add(&out, STR("\n---\n"));
        buf_add_cstr(&out, text == NULL ? "" : text);
        free(text);
    }
    size_t size = out.overflowed ? 0 : out.len;
    if (size > 0)
        memcpy(data, out.ptr, size);
    buf_free(&out);
    return size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
    static struct input input;
    input = (struct input){.random = seed * 0x9E3779B97F4A7C15u + 1};
    size_t written = 0;
    if (draw(&input, 2) == 0 && size > 0 &&
        read_input(&input, str_from((const char *)data, size))) {
        change(&input);
        written = write_input(&input, data, size_max);
    }
    for (size_t i = 0; i < input.document_count; i++)
        json_decref(input.documents[i]);
    return written > 0 ? written : LLVMFuzzerMutate(data, size, size_max);
}
