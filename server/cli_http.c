/* A small HTTP client over libcurl: one request, one JSON answer of bounded size. */
#include "server/cli_http.h"

#include "base/buf.h"
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#define ANSWER_BYTES_MAX ((size_t)16 << 20)
#define URL_BYTES_MAX ((size_t)1 << 16)
#define CREDENTIAL_BYTES_MAX 1024
#define TIMEOUT_S 60L

static size_t on_bytes(char *bytes, size_t size, size_t count, void *arg)
{
    buf_add(arg, str_from(bytes, size * count));
    return ((struct buf *)arg)->overflowed ? 0 : size * count;
}

/* The server's own words for a refusal, in either of its two forms. */
static int refused(long status, const json_t *answer, struct error *err)
{
    const json_t *message = json_object_get(json_object_get(answer, "error"), "message");
    if (!json_is_string(message))
        message = json_object_get(answer, "error_description");
    if (!json_is_string(message))
        return error_set(err, ERR_UNAVAILABLE, "The server answered with status %ld", status);
    return error_set(err, ERR_BAD_REQUEST, "%s%s", json_string_value(message),
                     status == 401 ? " (--credential-file)" : "");
}

/* One exchange; the handle has its url and what is special. */
static int perform(CURL *curl, const struct cli_http *http, json_t **answer, struct error *err)
{
    struct buf bytes = BUF_INIT(ANSWER_BYTES_MAX);
    long status = 0;
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "localhost,127.0.0.1,::1");
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &bytes);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    *answer = bytes.len == 0 ? NULL : json_loadb(bytes.ptr, bytes.len, 0, NULL);
    buf_free(&bytes);
    if (code != CURLE_OK)
        return error_set(err, ERR_UNAVAILABLE, "Cannot reach %s: %s", http->uri,
                         curl_easy_strerror(code));
    return status < 200 || status > 299 ? refused(status, *answer, err) : 0;
}

static void set_url(CURL *curl, const struct cli_http *http, const struct cli_request *request)
{
    struct str base = str_cstr(http->uri);
    struct buf url = BUF_INIT(URL_BYTES_MAX);
    while (str_ends_with(base, STR("/")))
        base.len--;
    buf_add(&url, base);
    buf_add_cstr(&url, request->path);
    if (request->name != NULL) {
        char *segment = curl_easy_escape(curl, request->name, 0);
        buf_add_format(&url, "/%s", segment == NULL ? "" : segment);
        curl_free(segment);
    }
    buf_add_cstr(&url, request->tail == NULL ? "" : request->tail);
    buf_add_char(&url, '\0');
    curl_easy_setopt(curl, CURLOPT_URL, url.overflowed ? "" : url.ptr); /* curl copies it */
    buf_free(&url);
}

/* ---- tokens ---------------------------------------------------------------------------------- */

static int read_credential(const char *path, char out[CREDENTIAL_BYTES_MAX], struct error *err)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (file == NULL) {
        error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot read the credential file %s", path);
        return error_detail(err, "%m");
    }
    bool found = fgets(out, CREDENTIAL_BYTES_MAX, file) != NULL;
    if (file != stdin)
        fclose(file);
    if (found)
        out[strcspn(out, "\r\n")] = '\0';
    if (!found || strchr(out, ':') == NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "The first line of the credential file must be CLIENT_ID:CLIENT_SECRET");
    return 0;
}

static int fetch_token(const struct cli_http *http, json_t **answer, struct error *err)
{
    char credential[CREDENTIAL_BYTES_MAX];
    const struct cli_request request = {.path = "/v1/oauth/tokens"};
    if (read_credential(http->credential_file, credential, err) != 0)
        return -1;
    CURL *curl = curl_easy_init();
    if (curl == NULL)
        return error_set(err, ERR_UNAVAILABLE, "Cannot start an HTTP client");
    set_url(curl, http, &request);
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    curl_easy_setopt(curl, CURLOPT_USERPWD, credential);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "grant_type=client_credentials");
    int rc = perform(curl, http, answer, err);
    curl_easy_cleanup(curl);
    explicit_bzero(credential, sizeof(credential));
    return rc;
}

static struct curl_slist *add_token(struct curl_slist *headers, const json_t *answer)
{
    struct buf line = BUF_INIT(URL_BYTES_MAX);
    buf_add_format(&line, "Authorization: Bearer %s", cli_http_text(answer, "access_token"));
    buf_add_char(&line, '\0');
    headers = curl_slist_append(headers, line.ptr);
    explicit_bzero(line.ptr, line.len);
    buf_free(&line);
    return headers;
}

/* ---- requests -------------------------------------------------------------------------------- */

static int exchange(const struct cli_http *http, const struct cli_request *request,
                    struct curl_slist *headers, char *body, json_t **answer, struct error *err)
{
    CURL *curl = curl_easy_init();
    if (curl == NULL)
        return error_set(err, ERR_UNAVAILABLE, "Cannot start an HTTP client");
    set_url(curl, http, request);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (body != NULL)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    int rc = perform(curl, http, answer, err);
    curl_easy_cleanup(curl);
    return rc;
}

int cli_http_request(const struct cli_http *http, const struct cli_request *request,
                     json_t **answer, struct error *err)
{
    json_t *token = NULL;
    char *body = request->content == NULL ? NULL : json_dumps(request->content, JSON_COMPACT);
    *answer = NULL;
    int rc = http->credential_file == NULL ? 0 : fetch_token(http, &token, err);
    if (rc == 0) {
        struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
        if (token != NULL)
            headers = add_token(headers, token);
        rc = exchange(http, request, headers, body, answer, err);
        curl_slist_free_all(headers);
    }
    json_decref(token);
    free(body);
    return rc;
}

const char *cli_http_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? "" : text;
}
