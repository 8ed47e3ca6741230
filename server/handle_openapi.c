/* The description of everything that is served: openapi/firn.yaml and the JSON made from it, which
 * are part of the program. What a client reads is what this very program was tested against. */
#include "server/handlers.h"
#include "server/request.h"

/* The assembler copies the file between two symbols; the zero behind it is not part of the text. */
#define EMBED(symbol, path)                                                        \
    __asm__(".section .rodata\n" #symbol "_start:\n.incbin \"" path "\"\n" #symbol \
            "_end:\n.byte 0\n.previous\n");                                        \
    extern const char symbol##_start[] __attribute__((visibility("hidden"))),      \
        symbol##_end[] __attribute__((visibility("hidden")))

EMBED(openapi_yaml, "openapi/firn.yaml");
EMBED(openapi_json, "openapi/firn.json");

int handle_openapi_yaml(struct request *req, struct response *res, struct error *err)
{
    (void)req;
    (void)err;
    response_json(res,
                  str_from(openapi_yaml_start, (size_t)(openapi_yaml_end - openapi_yaml_start)));
    res->reply.headers[0].value = "application/yaml";
    return HANDLER_DONE;
}

int handle_openapi_json(struct request *req, struct response *res, struct error *err)
{
    (void)req;
    (void)err;
    response_json(res,
                  str_from(openapi_json_start, (size_t)(openapi_json_end - openapi_json_start)));
    return HANDLER_DONE;
}
