/* Signatures of S3 requests per second of CPU: made, and verified as the gateway does (the key is
 * derived from the secret each time), against the HMACs alone that they need: four to derive a key
 * and one to sign.
 *
 *   signature_rate SECONDS
 *
 * Prints made=… verified=… hmac=… (per second; of all three in turns) */
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "storage/s3_signature.h"

#define TURNS 20
#define BATCH 200
#define TEXT(literal)                \
    {                                \
        literal, sizeof(literal) - 1 \
    }

static const struct s3_header headers[] = {
    {TEXT("host"), TEXT("lake.example.com:8181")},
    {TEXT("x-amz-content-sha256"), TEXT(S3_UNSIGNED_PAYLOAD)},
    {TEXT("x-amz-date"), TEXT("20261125T004230Z")},
    {TEXT("x-amz-security-token"), TEXT("0123456789abcdef0123456789abcdef0123456789abcdef")},
};
static const struct s3_to_sign request = {
    .method = TEXT("GET"),
    .path = TEXT("/warehouse/ns/table/data/day=2026-11-25/00000-0-0123456789abcdef.parquet"),
    .headers = headers,
    .header_count = sizeof(headers) / sizeof(headers[0]),
    .payload_hash = TEXT(S3_UNSIGNED_PAYLOAD),
    .amz_date = TEXT("20261125T004230Z"),
    .region = TEXT("us-east-1"),
    .service = TEXT("s3"),
};
static const struct str secret = TEXT("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
static unsigned int sink; /* so that nothing is optimised away */

static double cpu_seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void make(struct arena *arena)
{
    sink += (unsigned char)s3_authorization(&request, STR("AKIDEXAMPLE"), secret, arena).ptr[0];
}

static void verify(struct arena *arena)
{
    struct s3_signing_key key =
        s3_signing_key_derive(secret, STR("20261125"), request.region, request.service);
    sink += (unsigned char)s3_signature(&request, &key, arena).ptr[0];
}

static void hmacs(struct arena *arena)
{
    unsigned char key[32] = {1}, text[140] = {2};
    unsigned int len;
    (void)arena;
    for (int i = 0; i < 4; i++)
        HMAC(EVP_sha256(), key, sizeof(key), text, 10, key, &len);
    HMAC(EVP_sha256(), key, sizeof(key), text, sizeof(text), key, &len);
    sink += key[0];
}

/* Adds what was done for so many seconds of CPU. */
static void measure(void (*one)(struct arena *arena), double seconds, double *count, double *spent)
{
    struct arena *arena = arena_new();
    double began = cpu_seconds(), now = began;
    for (; now - began < seconds; now = cpu_seconds())
        for (int i = 0; i < BATCH; i++, (*count)++) {
            one(arena);
            arena_reset(arena);
        }
    *spent += now - began;
    arena_free(arena);
}

int main(int argc, char **argv)
{
    double made = 0, made_s = 0, verified = 0, verified_s = 0, hmac = 0, hmac_s = 0;
    double turn = (argc == 2 ? strtod(argv[1], NULL) : 1) / (3 * TURNS);
    for (int i = 0; i < TURNS; i++) {
        measure(make, turn, &made, &made_s);
        measure(verify, turn, &verified, &verified_s);
        measure(hmacs, turn, &hmac, &hmac_s);
    }
    printf("made=%.0f verified=%.0f hmac=%.0f\n", made / made_s, verified / verified_s,
           hmac / hmac_s);
    return sink == 0;
}
