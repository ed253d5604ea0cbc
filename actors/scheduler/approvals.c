// SPDX-License-Identifier: MIT
#include "actors/common/decision_event.h"
#include "actors/scheduler/ask.h"
#include "flow/approval.h"
#include "proto/text/json.h"

enum { PAGE_ROWS = 50, SHOWN_MAX = 200 };

static const char space[] = "approval";

/* ---- approvals: the list ---- */

static void read_list(struct scheduler *scheduler, struct ask *ask, struct slice from);

/* False when the list is long enough. */
static bool add_rows(struct ask *ask, const struct msg_page *page)
{
    json_t *list = json_object_get(ask->state, "approvals");
    struct wire wire = wire_over(page->rows);
    struct record_space_entry entry;

    for (uint64_t i = 0; i < page->count && record_take_space_entry(&wire, &entry); i++) {
        json_t *approval = approval_read(entry.value);
        if (approval != NULL && (approval_is_open(approval) || ask_flag(ask, "all")))
            json_array_append_new(list, approval_show(approval, false));
        json_decref(approval);
        if (json_array_size(list) >= SHOWN_MAX) {
            json_object_set_new(ask->state, "more", json_true());
            return false;
        }
    }
    return true;
}

static void on_list(struct scheduler *scheduler, struct ask *ask, const struct msg_page *page)
{
    if (add_rows(ask, page) && page->next.size > 0)
        read_list(scheduler, ask, page->next);
    else
        ask_done(scheduler, ask, json_incref(ask->state));
}

static void read_list(struct scheduler *scheduler, struct ask *ask, struct slice from)
{
    ask_read(scheduler, ask,
             &(struct msg_read){.what = READ_SPACE_SCAN, .space = slice_of(space), .from = from, .limit = PAGE_ROWS},
             on_list);
}

void ask_approvals(struct scheduler *scheduler, struct ask *ask)
{
    ask->state = json_pack("{s:[]}", "approvals");
    read_list(scheduler, ask, (struct slice){NULL, 0});
}

/* ---- one approval ---- */

static void read_one(struct scheduler *scheduler, struct ask *ask,
                     void (*on_page)(struct scheduler *, struct ask *, const struct msg_page *))
{
    char key[APPROVAL_KEY_BYTES];

    approval_key((uint64_t)ask_number(ask, "id", 0), key);
    ask_read(scheduler, ask,
             &(struct msg_read){.what = READ_SPACE_GET, .space = slice_of(space), .from = slice_of(key), .limit = 1},
             on_page);
}

/* Owned by the caller; NULL when the ask was refused. */
static json_t *approval_of(struct scheduler *scheduler, struct ask *ask, const struct msg_page *page)
{
    struct wire wire = wire_over(page->rows);
    struct record_space_entry entry;
    json_t *approval;

    if (page->error != ERROR_OK || page->count == 0) {
        ask_refuse(scheduler, ask, ERROR_NOT_FOUND, "there is no approval %lld; see: purser approvals",
                   (long long)ask_number(ask, "id", 0));
        return NULL;
    }
    approval = record_take_space_entry(&wire, &entry) ? approval_read(entry.value) : NULL;
    if (approval == NULL)
        ask_refuse(scheduler, ask, ERROR_CORRUPT, "the approval's record cannot be read");
    return approval;
}

static void on_show(struct scheduler *scheduler, struct ask *ask, const struct msg_page *page)
{
    json_t *approval = approval_of(scheduler, ask, page);

    if (approval == NULL)
        return;
    ask_done(scheduler, ask, approval_show(approval, true));
    json_decref(approval);
}

void ask_approval_show(struct scheduler *scheduler, struct ask *ask)
{
    read_one(scheduler, ask, on_show);
}

/* ---- an answer ---- */

static const char *verb_of(enum command_id command)
{
    return command == COMMAND_APPROVE         ? "approve"
           : command == COMMAND_REJECT        ? "reject"
           : command == COMMAND_APPROVAL_EDIT ? "edit"
                                              : "later";
}

static struct approval_vote vote_of(struct scheduler *scheduler, const struct ask *ask)
{
    return (struct approval_vote){.verb = slice_of(verb_of(ask->command)),
                                  .hash = ask_text(ask, "hash"),
                                  .via = SLICE("console"),
                                  .who = SLICE("console"),
                                  .text = ask_text(ask, ask->command == COMMAND_APPROVAL_EDIT    ? "text"
                                                        : ask->command == COMMAND_APPROVAL_LATER ? "time"
                                                                                                 : "note"),
                                  .at_ms = actor_wall(scheduler->actor)};
}

static void on_decided(struct scheduler *scheduler, struct ask *ask, const struct msg_committed *committed)
{
    if (committed->error == ERROR_OK)
        ask_done(scheduler, ask, json_incref(ask->state));
    else
        ask_refuse(scheduler, ask, committed->error, "%s", error_doc(committed->error));
}

/* The run judges the answer again, in its turn; what is said here is what it will do unless another answer is
 * faster. */
static void push_decision(struct scheduler *scheduler, struct ask *ask, const json_t *approval,
                          const struct approval_vote *vote)
{
    struct buffer ops = {NULL, 0, 0};
    struct payload_decision decision = {
        .run = approval_run(approval),
        .step = json_text_at(approval, "step"),
        .approval = (uint64_t)ask_number(ask, "id", 0),
        .hash = vote->hash,
        .verb = vote->verb,
        .text = vote->text,
        .via = vote->via,
        .who = vote->who,
        .at_ms = vote->at_ms,
    };

    decision_event_put(&ops, &decision);
    ask_commit(scheduler, ask, &ops, on_decided);
    buffer_free(&ops);
}

static enum error refusal_of(enum approval_verdict verdict)
{
    return verdict == APPROVAL_WRONG ? ERROR_INVALID : ERROR_CONFLICT;
}

static void on_decide(struct scheduler *scheduler, struct ask *ask, const struct msg_page *page)
{
    json_t *approval = approval_of(scheduler, ask, page), *judged;
    struct approval_vote vote = vote_of(scheduler, ask);
    struct buffer text = {NULL, 0, 0};
    enum approval_verdict verdict;

    if (approval == NULL)
        return;
    judged = json_deep_copy(approval);
    verdict = approval_vote(judged, &vote, actor_wall(scheduler->actor));
    approval_verdict_text(judged, &vote, verdict, &text);
    if (verdict <= APPROVAL_LATER) {
        ask->state = json_pack("{s:s%}", "message", text.data, text.size);
        push_decision(scheduler, ask, approval, &vote);
    } else {
        ask_refuse(scheduler, ask, refusal_of(verdict), "%.*s", (int)text.size, text.data);
    }
    buffer_free(&text);
    json_decref(judged);
    json_decref(approval);
}

void ask_approval_decide(struct scheduler *scheduler, struct ask *ask)
{
    read_one(scheduler, ask, on_decide);
}
