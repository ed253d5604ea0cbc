/* graphql - Shopify's GraphQL Admin API as calls and answers, and the token it is asked with. Pure.
 * Errors come with HTTP 200, as text or as a list; a mutation has userErrors of its own. */
// SPDX-License-Identifier: MIT
#pragma once
#include "connectors/connector.h"

enum { GRAPHQL_TEXT_MAX = 240 };

/* What one step works with. */
struct shopify_turn {
    const struct connector_job *job;
    const struct connector_settings *settings;
    int64_t now_ms;
    struct scratch *scratch;
    struct step *step;
};

/* The step asks `query` with `variables` (taken over). All our calls may be repeated without harm. */
void graphql_request(const struct shopify_turn *turn, const char *query, json_t *variables, unsigned mark);
/* The step fetches a token by the client credentials grant; runtime/io keeps it under settings->secret. */
void graphql_token_request(const struct shopify_turn *turn, unsigned mark);

/* What came back. */
struct graphql_answer {
    enum error error;            /* OK: `data` is an object */
    json_t *body;                /* owned by the caller, maybe NULL */
    const json_t *data;          /* borrowed from the body */
    int64_t retry_after_ms;      /* -1: not said */
    double left, most, per_s;    /* points of the bucket, how many it holds, and come back a second; most 0: not told */
    bool is_token_refused;       /* 401 */
    char text[GRAPHQL_TEXT_MAX]; /* what went wrong, in Shopify's words */
};
void graphql_read(const struct answer *answer, struct graphql_answer *read);
/* The first userError of a mutation's payload as "field: message"; false when there is none. */
bool graphql_user_error(const json_t *payload, char text[GRAPHQL_TEXT_MAX]);
/* Ends the step with what was read. */
void graphql_fail(const struct shopify_turn *turn, const struct graphql_answer *read);

/* "17", 17 or "gid://shopify/KIND/17" as a global id; false when it is none of them. */
bool graphql_id(const json_t *value, const char *kind, char id[96]);
/* The number at the end of a global id, or null. */
json_t *graphql_number(struct slice id);
