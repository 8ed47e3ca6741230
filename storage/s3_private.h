/* Shared by s3_client.c and s3_answer.c only. */
#ifndef STORAGE_S3_PRIVATE_H
#define STORAGE_S3_PRIVATE_H

#include "storage/s3_client.h"

/* code and message from the body of an error; "" when it is none. */
void s3_answer_parse(struct s3_answer *answer, struct str body, struct arena *arena);
/* Later it may go well. */
bool s3_answer_is_overload(const struct s3_answer *answer);
/* Other keys may be taken. An answer to HEAD has no code, so that its status must do. */
bool s3_answer_is_refused_key(const struct s3_answer *answer, bool is_head);

#endif
