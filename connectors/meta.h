/* meta - the words of Meta's Graph API that Instagram and Facebook share: calls, answers, errors, limits. Pure. */
// SPDX-License-Identifier: MIT
#pragma once
#include "connectors/connector.h"

enum { META_ID_MAX = 64, META_MEDIA_URL_MAX = 2000, META_TEXT_MAX = 240 };

/* Digits and '_', as the ids of accounts, containers, posts and pages are: they become part of an address. */
bool meta_id_fits(struct slice id);

/* A call of settings->url/settings->version/PATH; settings->secret goes along as a bearer token. With a body it is a
 * POST of that JSON (borrowed), without one a GET. It counts as harmless to repeat until the caller says otherwise. */
void meta_call(const struct connector_settings *settings, const char *path, const json_t *body, struct scratch *scratch,
               struct call *call);

/* What came back. */
struct meta_answer {
    enum error error;         /* OK: `body` is the service's object */
    json_t *body;             /* owned by the caller; an error's object too, NULL when there is none */
    int code, subcode;        /* of the service's error; 0 when it gave none */
    int64_t retry_after_ms;   /* -1: not said */
    bool is_unknown;          /* not OK, but what was asked for may have been done */
    char text[META_TEXT_MAX]; /* what the service said, for people */
};
void meta_read(const struct answer *answer, struct meta_answer *read);
/* Ends the step with what was read, under the service's name; a lost answer of a harmless call is a slow one. */
void meta_fail(struct scratch *scratch, struct step *step, const char *service, const struct meta_answer *read);
/* What to do about an error of the service by its numbers alone; OK when the table does not know them. */
enum error meta_error_of(int code, int subcode);
/* The answer's "id" when it is one, else an empty slice. Borrows the body. */
struct slice meta_id_at(const json_t *body, const char *path);

/* How long to wait before asking again what became of an effect that is as old as that: half a minute to an hour. */
int64_t meta_settle_pause(int64_t age_ms);

/* What X-App-Usage, X-Business-Use-Case-Usage and the answer's error tell: the largest share used, in percent, and how
 * long until calls are let through again. */
void meta_usage(const struct answer *answer, struct usage *usage);

/* What an address seems to lead to, by the end of its path. */
enum meta_media { META_MEDIA_UNKNOWN, META_MEDIA_JPEG, META_MEDIA_PICTURE, META_MEDIA_VIDEO };
enum meta_media meta_media_of(struct slice url);
/* NULL, or why Meta could not fetch a picture or video from there: only https, no user, visible ASCII. */
const char *meta_media_problem(struct slice url);

/* Code points of a text, and words that begin with `mark` ('#', '@'). */
size_t meta_count_characters(struct slice text);
size_t meta_count_marked(struct slice text, char mark);

/* How posts do. Inputs: platform ("instagram" or "facebook"), post. Result: `engagement` (whole number) and what it is
 * made of, as far as the platform tells. */
extern const struct connector connector_insights;
