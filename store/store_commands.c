// SPDX-License-Identifier: MIT
/* Console commands of the store. Bodies are JSON; payloads and notes never stand in them, only their sizes. */
#include "proto/check.h"
#include "proto/commands.h"
#include "proto/text/json.h"
#include "store/store_actor_priv.h"
#include <stdio.h>
#include <stdlib.h>

enum { JOBS_LIMIT = 50, JOB_PAGES_MAX = 11, BOOK_PAGES_MAX = 200 };

static void answer(struct store_actor *self, uint64_t ticket, enum error error, json_t *body)
{
    struct buffer text = {NULL, 0, 0};

    json_write(&text, body);
    json_decref(body);
    CHECK(send_command_done(self->actor, ACTOR_SUPERVISOR,
                            &(struct msg_command_done){ticket, error, buffer_slice(&text)}) == ERROR_OK);
    buffer_free(&text);
}

static void refuse(struct store_actor *self, uint64_t ticket, enum error error, const char *message)
{
    answer(self, ticket, error, json_pack("{s:s}", "message", message));
}

static json_t *json_slice(struct slice text)
{
    return json_stringn(text.data ? text.data : "", text.size);
}

static json_t *job_json(const struct record_job_view *view)
{
    json_t *job = json_pack("{s:I, s:o, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:I}", "id", (json_int_t)view->id,
                            "queue", json_slice(view->queue), "state", job_state_name((enum job_state)view->state),
                            "error", error_name(view->error), "priority", (json_int_t)view->priority, "created_ms",
                            (json_int_t)view->created_ms, "attempt", (json_int_t)view->attempt, "crashes",
                            (json_int_t)view->crashes, "payload_bytes", (json_int_t)view->payload_bytes, "content_type",
                            json_slice(view->content_type), "run", (json_int_t)view->run);

    if (view->due_ms != INT64_MAX)
        json_object_set_new(job, "due_ms", json_integer(view->due_ms));
    if (view->gate.size > 0)
        json_object_set_new(job, "gate", json_slice(view->gate));
    if (view->step.size > 0)
        json_object_set_new(job, "step", json_slice(view->step));
    if (view->detail.size > 0)
        json_object_set_new(job, "detail", json_slice(view->detail));
    json_object_set_new(job, "keyed", json_boolean(view->key.size > 0));
    return job;
}

static enum error read_page(struct store_actor *self, const struct msg_read *request)
{
    return store_read_page(self->store, request, actor_wall(self->actor), &self->page);
}

static uint64_t id_of(const json_t *arguments)
{
    return (uint64_t)json_integer_value(json_object_get(arguments, "id"));
}

static void job_show(struct store_actor *self, uint64_t ticket, const json_t *arguments)
{
    const struct msg_read request = {.what = READ_JOB, .id = id_of(arguments), .limit = 1};
    enum error error = read_page(self, &request);
    struct wire wire = wire_over(buffer_slice(&self->page.rows));
    struct record_job_view view;

    if (error != ERROR_OK || !record_take_job_view(&wire, &view)) {
        refuse(self, ticket, error,
               error == ERROR_NOT_FOUND ? "no such job: it is done, or never was" : error_doc(error));
        return;
    }
    json_t *body = job_json(&view);
    json_object_set_new(body, "note_bytes", json_integer((json_int_t)view.note.size));
    answer(self, ticket, ERROR_OK, body);
}

/* One sum for each book and currency, over all hours. */
static void add_book(json_t *sums, const struct record_book_entry *entry)
{
    char *key = slice_dup(entry->book);
    json_t *book = json_object_get(sums, key);
    char currency[4] = "";

    if (book == NULL) {
        book = json_object();
        json_object_set_new(sums, key, book);
    }
    snprintf(currency, sizeof(currency), "%.*s", (int)entry->currency.size,
             entry->currency.size ? entry->currency.data : "");
    json_t *sum = json_object_get(book, currency);
    if (sum == NULL) {
        sum = json_pack("{s:i, s:i}", "amount", 0, "entries", 0);
        json_object_set_new(book, currency, sum);
    }
    json_t *amount = json_object_get(sum, "amount"), *entries = json_object_get(sum, "entries");
    json_int_t total;
    if (!__builtin_add_overflow(json_integer_value(amount), (json_int_t)entry->amount, &total))
        json_integer_set(amount, total);
    json_integer_set(entries, json_integer_value(entries) + (json_int_t)entry->entries);
    free(key);
}

/* A list that needs several pages: one is read in a turn, so that commits and deliveries go on in between. */
struct store_listing {
    enum command_id command;
    uint64_t ticket;
    struct msg_read request;
    struct buffer space, from; /* the request borrows them */
    json_t *found;
    unsigned page_count;
};

static void listing_end(struct store_listing **listing)
{
    if (*listing != NULL) {
        json_decref((*listing)->found);
        buffer_free(&(*listing)->space);
        buffer_free(&(*listing)->from);
        free(*listing);
    }
    *listing = NULL;
}

static void listing_add(struct store_listing *listing, const struct store_page *page)
{
    struct wire wire = wire_over(buffer_slice(&page->rows));
    struct record_job_view view;
    struct record_book_entry entry;

    if (listing->command == COMMAND_BOOKS) {
        for (uint64_t i = 0; i < page->count && record_take_book_entry(&wire, &entry); i++)
            add_book(listing->found, &entry);
        return;
    }
    for (uint64_t i = 0; i < page->count && record_take_job_view(&wire, &view); i++)
        json_array_append_new(listing->found, job_json(&view));
    listing->request.limit -= page->count;
}

static void listing_answer(struct store_actor *self, const struct store_listing *listing, enum error error, bool more)
{
    const bool is_books = listing->command == COMMAND_BOOKS;

    if (error != ERROR_OK)
        refuse(self, listing->ticket, error, error_doc(error));
    else
        answer(self, listing->ticket, error,
               json_pack("{s:O, s:b}", is_books ? "books" : "jobs", listing->found, is_books ? "complete" : "more",
                         is_books ? !more : more));
}

/* Reads one page; true when the answer was sent. */
static bool listing_step(struct store_actor *self, struct store_listing *listing)
{
    const unsigned page_count_max = listing->command == COMMAND_BOOKS ? BOOK_PAGES_MAX : JOB_PAGES_MAX;
    const struct buffer *next = &self->page.next;
    enum error error = read_page(self, &listing->request);

    if (error == ERROR_OK)
        listing_add(listing, &self->page);
    listing->page_count++;
    if (error != ERROR_OK || next->size == 0 || listing->request.limit == 0 || listing->page_count == page_count_max) {
        listing_answer(self, listing, error, next->size > 0);
        return true;
    }
    buffer_clear(&listing->from);
    buffer_append(&listing->from, next->data, next->size);
    listing->request.from = buffer_slice(&listing->from);
    return false;
}

/* Takes the listing over; what one page answers is answered at once. */
static void listing_begin(struct store_actor *self, struct store_listing *listing)
{
    unsigned at = 0;

    while (at < STORE_LISTINGS_MAX && self->listings[at] != NULL)
        at++;
    if (at == STORE_LISTINGS_MAX)
        refuse(self, listing->ticket, ERROR_FULL, "several lists are being read already");
    if (at == STORE_LISTINGS_MAX || listing_step(self, listing)) {
        listing_end(&listing);
        return;
    }
    self->listings[at] = listing;
    actor_timer(self->actor, STORE_TIMER_STEP, actor_now(self->actor));
}

static struct store_listing *listing_new(enum command_id command, uint64_t ticket, enum read_kind what,
                                         struct slice space)
{
    struct store_listing *listing = xcalloc(1, sizeof(*listing));

    listing->command = command;
    listing->ticket = ticket;
    listing->found = command == COMMAND_BOOKS ? json_object() : json_array();
    listing->request.what = what;
    buffer_append(&listing->space, space.data, space.size);
    listing->request.space = buffer_slice(&listing->space);
    return listing;
}

bool store_step_listings(struct store_actor *self)
{
    bool left = false;

    for (unsigned i = 0; i < STORE_LISTINGS_MAX; i++) {
        if (self->listings[i] != NULL && listing_step(self, self->listings[i]))
            listing_end(&self->listings[i]);
        left |= self->listings[i] != NULL;
    }
    return left;
}

void store_end_listings(struct store_actor *self)
{
    for (unsigned i = 0; i < STORE_LISTINGS_MAX; i++)
        listing_end(&self->listings[i]);
}

/* Jobs of a rare state may stand far apart: pages are turned until enough are found or the queue ends. */
static void jobs(struct store_actor *self, uint64_t ticket, const json_t *arguments)
{
    struct slice state_name = json_text_at(arguments, "state");
    const json_t *limit = json_object_get(arguments, "limit");
    struct store_listing *listing;
    enum job_state state;

    if (state_name.size > 0 && !job_state_from_name(state_name, &state)) {
        refuse(self, ticket, ERROR_INVALID, "state is one of waiting, ready, leased, parked, doubt, dead");
        return;
    }
    listing = listing_new(COMMAND_JOBS, ticket, READ_JOBS, json_text_at(arguments, "queue"));
    listing->request.limit = limit ? (uint64_t)json_integer_value(limit) : JOBS_LIMIT;
    listing->request.id = state_name.size > 0 ? (uint64_t)1 << state : 0;
    listing_begin(self, listing);
}

static void books(struct store_actor *self, uint64_t ticket, const json_t *arguments)
{
    struct store_listing *listing = listing_new(COMMAND_BOOKS, ticket, READ_BOOKS, json_text_at(arguments, "book"));

    listing->request.limit = STORE_PAGE_ROWS_MAX;
    listing_begin(self, listing);
}

void store_command_committed(struct store_actor *self, const struct store_ask *ask, const struct store_commit *commit)
{
    static const char *const messages[ERROR_COUNT] = {
        [ERROR_NOT_FOUND] = "no such job: it is done, or never was",
        [ERROR_HELD] = "the job is being worked on",
        [ERROR_INVALID] = "the job is not parked, dead or doubtful",
    };

    if (commit->error == ERROR_OK)
        answer(self, ask->ticket, ERROR_OK, json_pack("{s:b}", "done", 1));
    else
        refuse(self, ask->ticket, commit->error,
               messages[commit->error] ? messages[commit->error] : error_doc(commit->error));
}

static void begin_check(struct store_actor *self, uint64_t ticket)
{
    for (unsigned i = 0; i < STORE_CHECKS_MAX; i++)
        if (self->checks[i].check == NULL) {
            self->checks[i].check = store_check_begin(self->store);
            self->checks[i].ticket = ticket;
            return;
        }
    refuse(self, ticket, ERROR_FULL, "several checks are running already");
}

bool store_step_checks(struct store_actor *self)
{
    bool left = false;

    for (unsigned i = 0; i < STORE_CHECKS_MAX; i++) {
        struct store_check *check = self->checks[i].check;
        if (check == NULL)
            continue;
        if (!store_check_step(check)) {
            left = true;
            continue;
        }
        struct buffer text = {NULL, 0, 0};
        store_check_json(&text, store_check_report(check));
        CHECK(send_command_done(self->actor, ACTOR_SUPERVISOR,
                                &(struct msg_command_done){self->checks[i].ticket, ERROR_OK, buffer_slice(&text)}) ==
              ERROR_OK);
        buffer_free(&text);
        store_check_end(&self->checks[i].check);
    }
    return left;
}

void store_end_checks(struct store_actor *self)
{
    for (unsigned i = 0; i < STORE_CHECKS_MAX; i++)
        store_check_end(&self->checks[i].check);
}

static void dispatch(struct store_actor *self, const struct msg_command *msg, const json_t *arguments)
{
    struct buffer ops = {NULL, 0, 0};

    switch ((enum command_id)msg->command) {
    case COMMAND_JOBS:
        jobs(self, msg->ticket, arguments);
        return;
    case COMMAND_JOB_SHOW:
        job_show(self, msg->ticket, arguments);
        return;
    case COMMAND_BOOKS:
        books(self, msg->ticket, arguments);
        return;
    case COMMAND_STORE_CHECK:
        begin_check(self, msg->ticket);
        return;
    case COMMAND_JOB_REVIVE:
        op_put_revive(&ops, &(struct op_revive){.job = id_of(arguments),
                                                .forget_state = json_is_true(json_object_get(arguments, "resend"))});
        break;
    default:
        refuse(self, msg->ticket, ERROR_UNSUPPORTED, "not a command of the store");
        return;
    }
    store_actor_ask(self, MSG_COMMAND, msg->ticket)->bytes = ops;
}

void store_on_command(void *state, const struct msg_command *msg)
{
    struct store_actor *self = state;
    struct json_problem problem;
    char text[200];

    if (msg->command >= COMMAND_COUNT ||
        !command_check((enum command_id)msg->command, msg->arguments, text, sizeof(text))) {
        refuse(self, msg->ticket, ERROR_INVALID, msg->command < COMMAND_COUNT ? text : "no such command");
        return;
    }
    json_t *arguments = json_read(msg->arguments, &problem);
    dispatch(self, msg, arguments);
    json_decref(arguments);
}
