/* A small HTTP client over libcurl: one request, one JSON answer of bounded size. */
#include "server/cli_http.h"

#include "base/buf.h"
#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define ANSWER_BYTES_MAX ((size_t)16 << 20)
#define TIMEOUT_S 60L

static size_t on_bytes(char *bytes, size_t size, size_t count, void *arg)
{
    buf_add(arg, str_from(bytes, size * count));
    return ((struct buf *)arg)->overflowed ? 0 : size * count;
}

/* The server's own words for a refusal. */
static int refused(long status, const json_t *answer, struct error *err)
{
    const json_t *message = json_object_get(json_object_get(answer, "error"), "message");
    if (!json_is_string(message))
        return error_set(err, ERR_UNAVAILABLE, "The server answered with status %ld", status);
    return error_set(err, ERR_BAD_REQUEST, "%s", json_string_value(message));
}

static int perform(CURL *curl, const char *method, const char *url, const char *body,
                   struct buf *answer, long *status)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "localhost,127.0.0.1,::1");
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    if (body != NULL)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
    curl_slist_free_all(headers);
    return (int)code;
}

/* `name` (may be NULL) becomes the last segment of the path. *answer is NULL for an empty body. */
static int request(const char *method, const char *uri, const char *name, const char *body,
                   json_t **answer, struct error *err)
{
    CURL *curl = curl_easy_init();
    if (curl == NULL)
        return error_set(err, ERR_UNAVAILABLE, "Cannot start an HTTP client");
    struct str base = str_cstr(uri);
    if (str_ends_with(base, STR("/")))
        base.len--;
    char *segment = curl_easy_escape(curl, name == NULL ? "" : name, 0);
    struct buf url = BUF_INIT(1 << 16), bytes = BUF_INIT(ANSWER_BYTES_MAX);
    buf_add_format(&url, "%.*s/management/v1/warehouses%s%s", STR_ARG(base),
                   name == NULL ? "" : "/", segment);
    buf_add_char(&url, '\0');

    long status = 0;
    int code = perform(curl, method, url.ptr, body, &bytes, &status);
    *answer = bytes.len == 0 ? NULL : json_loadb(bytes.ptr, bytes.len, 0, NULL);
    int rc = 0;
    if (code != CURLE_OK)
        rc = error_set(err, ERR_UNAVAILABLE, "Cannot reach %s: %s", uri,
                       curl_easy_strerror((CURLcode)code));
    else if (status < 200 || status > 299)
        rc = refused(status, *answer, err);
    curl_free(segment);
    buf_free(&url);
    buf_free(&bytes);
    curl_easy_cleanup(curl);
    return rc;
}

static void print_warehouse(const json_t *warehouse)
{
    const char *name = json_string_value(json_object_get(warehouse, "name"));
    const char *location = json_string_value(json_object_get(warehouse, "location"));
    printf("%s\t%s\n", name == NULL ? "" : name, location == NULL ? "" : location);
}

int cli_http_warehouse_list(const char *uri, struct error *err)
{
    json_t *answer;
    int rc = request("GET", uri, NULL, NULL, &answer, err);
    if (rc == 0) {
        size_t i;
        json_t *warehouse;
        json_array_foreach(json_object_get(answer, "warehouses"), i, warehouse)
            print_warehouse(warehouse);
    }
    json_decref(answer);
    return rc;
}

int cli_http_warehouse_create(const char *uri, const char *name, const char *location,
                              struct error *err)
{
    json_t *value = json_pack("{s:s,s:s*}", "name", name, "location", location);
    char *body = value == NULL ? NULL : json_dumps(value, JSON_COMPACT);
    json_decref(value);
    if (body == NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Name and location must be UTF-8");
    json_t *answer;
    int rc = request("POST", uri, NULL, body, &answer, err);
    if (rc == 0)
        print_warehouse(answer);
    json_decref(answer);
    free(body);
    return rc;
}

int cli_http_warehouse_drop(const char *uri, const char *name, struct error *err)
{
    json_t *answer;
    int rc = request("DELETE", uri, name, NULL, &answer, err);
    json_decref(answer);
    return rc;
}
