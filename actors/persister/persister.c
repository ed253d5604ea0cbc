// SPDX-License-Identifier: MIT
#include "actors/persister/persister.h"
#include "config/config.h"
#include "store/client.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    PERSISTER_MAGIC = 0x50455253,
    BATCH_ROWS_MAX = 200,
    TRIM_LAG_ROWS = 1000, /* rows the sink has and the store still keeps before a trim is worth a commit */
    LOOK_MS = 5000,       /* a lost OUTBOX_GREW delays a row by this at most */
    TRIM_MS = 30000,
    AGAIN_MS = 200, /* the store's inbox was full */
    PAUSE_FIRST_MS = 1000,
    PAUSE_MAX_MS = 60000,
};

enum timers { TIMER_LOOK = 1, TIMER_TRIM };

/* IDLE waits for rows, PAUSED for the end of a pause; the others for one answer each. TRIMMED reads how far rows were
 * trimmed; AT_CURSOR and AT_START look whether the store ever had the row that the sink's cursor names. */
enum phase {
    PHASE_CURSOR,
    PHASE_TRIMMED,
    PHASE_AT_CURSOR,
    PHASE_AT_START,
    PHASE_IDLE,
    PHASE_PAGE,
    PHASE_WRITE,
    PHASE_PAUSED
};

struct persister {
    unsigned magic;
    struct actor *actor;
    enum phase phase;
    uint64_t ticket;               /* of the read or the batch */
    uint64_t trim_ticket, trim_to; /* ticket 0: no trim under way */
    uint64_t cursor, trimmed;      /* what the sink has; what the store was told to drop */
    uint64_t last;                 /* newest row heard of */
    uint64_t depth_ticket;         /* of the READ of how many rows there are; 0: none under way */
    size_t batch_rows;             /* of the batch under way */
    int64_t pause_ms;              /* of the failures in a row; 0: the last attempt worked */
    bool is_open, has_cursor, has_trimmed, quiescing;
    bool grew;   /* since the last page was asked for */
    bool doubts; /* whether the sink is ahead of the store is to be looked at */
    bool ahead;  /* it is: the store was put back to an older state; nothing may be trimmed by this cursor */
};

static struct persister *persister_of(void *self)
{
    struct persister *persister;

    CAST_OBJ(persister, self, PERSISTER_MAGIC);
    return persister;
}

static void wait_in(struct persister *persister, enum phase phase, int64_t for_ms)
{
    persister->phase = phase;
    actor_timer(persister->actor, TIMER_LOOK, actor_now(persister->actor) + for_ms);
}

/* Longer after each failure in a row, with a spread so that several waiting programs do not knock together. Returns how
 * long it is. */
static int64_t pause_begin(struct persister *persister, enum error error)
{
    int64_t spread_ms;

    actor_count(persister->actor, METRIC_SINK_FAILURES, error, 1);
    persister->pause_ms = persister->pause_ms == 0 ? PAUSE_FIRST_MS : 2 * persister->pause_ms;
    if (persister->pause_ms > PAUSE_MAX_MS)
        persister->pause_ms = PAUSE_MAX_MS;
    spread_ms = (int64_t)(actor_random(persister->actor) % (uint64_t)(persister->pause_ms / 4));
    wait_in(persister, PHASE_PAUSED, persister->pause_ms - spread_ms);
    return persister->pause_ms - spread_ms;
}

static void pause_after(struct persister *persister, enum error error, const char *event)
{
    int64_t pause_ms = pause_begin(persister, error);

    ACTOR_LOG(persister->actor, LOG_WARN, event, L_ERROR(error), L_I64("pause_ms", pause_ms));
}

/* The shop goes on without its sink. The next try opens the file anew and may find another one in its place, so what
 * was known of it counts no more. */
static void sink_failed(struct persister *persister, enum error error)
{
    if (error != ERROR_CORRUPT) {
        pause_after(persister, error, "sink-refused");
        return;
    }
    persister->has_cursor = persister->has_trimmed = false;
    int64_t pause_ms = pause_begin(persister, error);
    ACTOR_LOG(persister->actor, LOG_ERROR, "sink-damaged", L_ERROR(error), L_I64("pause_ms", pause_ms),
              L_STR("hint", "move the sink's file away; rows that it did not confirm are kept in the outbox"));
}

static void ask(struct persister *persister, enum phase phase, struct msg_read read)
{
    read.ticket = actor_ticket(persister->actor);
    if (store_read(persister->actor, &read) != ERROR_OK) {
        wait_in(persister, PHASE_IDLE, AGAIN_MS);
        return;
    }
    persister->ticket = read.ticket;
    persister->phase = phase;
    persister->grew = false;
    actor_timer(persister->actor, TIMER_LOOK, -1);
}

static void ask_rows(struct persister *persister, enum phase phase, uint64_t after, uint64_t limit)
{
    ask(persister, phase, (struct msg_read){.what = READ_OUTBOX, .id = after, .limit = limit});
}

static void ask_trimmed(struct persister *persister)
{
    ask(persister, PHASE_TRIMMED,
        (struct msg_read){.what = READ_SPACE_GET, .space = SLICE("sinks"), .from = SLICE("sqlite"), .limit = 1});
}

static void ask_cursor(struct persister *persister)
{
    persister->ticket = actor_ticket(persister->actor);
    persister->phase = PHASE_CURSOR;
    actor_sink_write(persister->actor, persister->ticket, NULL, 0);
}

static enum error open_sink(struct persister *persister)
{
    const struct config *config = actor_config(persister->actor);
    struct buffer path = {NULL, 0, 0};
    enum error error;

    if (config->sqlite_path != NULL && config->sqlite_path[0] != '\0')
        buffer_text(&path, config->sqlite_path);
    else
        buffer_printf(&path, "%s/shop.sqlite", config->data_dir);
    buffer_append(&path, "", 1);
    error = actor_sink_open(persister->actor, path.data);
    buffer_free(&path);
    persister->is_open = error == ERROR_OK;
    return error;
}

/* Right after a trim the store holds the waiting rows and no others. One question at a time. */
static void ask_depth(struct persister *persister)
{
    if (persister->depth_ticket != 0)
        return;
    struct msg_read read = {.ticket = actor_ticket(persister->actor), .what = READ_STORE, .limit = 1};

    if (!persister->quiescing && store_read(persister->actor, &read) == ERROR_OK)
        persister->depth_ticket = read.ticket;
}

static void look(struct persister *persister)
{
    enum error error = ERROR_OK;

    if (persister->quiescing)
        return;
    if (!persister->is_open)
        error = open_sink(persister);
    if (error != ERROR_OK)
        sink_failed(persister, error);
    else if (!persister->has_cursor)
        ask_cursor(persister);
    else if (!persister->has_trimmed)
        ask_trimmed(persister);
    else if (persister->doubts && persister->cursor > 0)
        ask_rows(persister, PHASE_AT_CURSOR, persister->cursor - 1, 1);
    else
        ask_rows(persister, PHASE_PAGE, persister->cursor, BATCH_ROWS_MAX);
}

/* The watermark goes with the rows: it tells a later start what a sink that is behind it can never get. */
static void trim(struct persister *persister)
{
    struct buffer ops = {NULL, 0, 0};
    char watermark[24];
    uint64_t ticket;

    if (persister->trim_ticket != 0 || !persister->has_trimmed || persister->doubts || persister->ahead ||
        persister->cursor <= persister->trimmed)
        return;
    ticket = actor_ticket(persister->actor);
    snprintf(watermark, sizeof(watermark), "%" PRIu64, persister->cursor);
    op_put_trim(&ops, &(struct op_trim){.sequence = persister->cursor});
    op_put_put(&ops, &(struct op_put){.space = SLICE("sinks"), .key = SLICE("sqlite"), .value = slice_of(watermark)});
    if (store_commit(persister->actor, ticket, &ops) == ERROR_OK) {
        persister->trim_ticket = ticket;
        persister->trim_to = persister->cursor;
    }
    buffer_free(&ops);
}

static enum error start(void *self, struct actor *actor)
{
    struct persister *persister = self;

    *persister = (struct persister){.magic = PERSISTER_MAGIC, .actor = actor};
    actor_timer(actor, TIMER_TRIM, actor_now(actor) + TRIM_MS);
    look(persister);
    return ERROR_OK;
}

/* --- pages --- */

/* 0 for bytes that are no number: then nothing is known to be missing. */
static uint64_t watermark_of(const struct msg_page *page)
{
    struct wire wire = wire_over(page->rows);
    struct record_space_entry entry;
    uint64_t sequence = 0;

    if (page->count != 1 || !record_take_space_entry(&wire, &entry))
        return 0;
    for (size_t i = 0; i < entry.value.size; i++) {
        unsigned digit = (unsigned char)entry.value.data[i] - (unsigned)'0';
        if (digit > 9 || __builtin_mul_overflow(sequence, 10, &sequence) ||
            __builtin_add_overflow(sequence, digit, &sequence))
            return 0;
    }
    return sequence;
}

/* Sequences have gaps of their own, so only the watermark tells that a sink missed rows. */
static void on_watermark(struct persister *persister, uint64_t trimmed)
{
    persister->has_trimmed = true;
    persister->trimmed = trimmed;
    if (persister->cursor < trimmed)
        ACTOR_LOG(persister->actor, LOG_WARN, "rows-trimmed-before", L_U64("cursor", persister->cursor),
                  L_U64("trimmed", trimmed), L_STR("hint", "the sink's file is new or older than the store"));
    persister->phase = PHASE_IDLE;
    look(persister);
}

/* Takes at most BATCH_ROWS_MAX rows; false on bytes that are no such page. */
static bool take_rows(const struct msg_page *page, struct sink_row *rows)
{
    struct wire wire = wire_over(page->rows);

    if (page->count > BATCH_ROWS_MAX)
        return false;
    for (size_t i = 0; i < page->count; i++) {
        struct record_outbox_entry entry;
        if (!record_take_outbox_entry(&wire, &entry))
            return false;
        rows[i] = (struct sink_row){entry.sequence, entry.row};
    }
    return wire_done(&wire);
}

static void write_page(struct persister *persister, const struct msg_page *page)
{
    struct sink_row rows[BATCH_ROWS_MAX];
    bool fits = take_rows(page, rows);

    CHECK(fits);
    if (rows[page->count - 1].sequence > persister->last)
        persister->last = rows[page->count - 1].sequence;
    persister->ticket = actor_ticket(persister->actor);
    persister->phase = PHASE_WRITE;
    persister->batch_rows = page->count;
    actor_sink_write(persister->actor, persister->ticket, rows, page->count);
}

/* Trims drop from the front. So when older rows are there and the cursor's row and all behind it are not, the store
 * never had them: it was put back, and numbers that the sink knows are given anew to other rows. */
static void settle_doubt(struct persister *persister, bool ahead)
{
    persister->doubts = false;
    persister->ahead = ahead;
    if (ahead) {
        actor_count(persister->actor, METRIC_SINK_FAILURES, ERROR_CONFLICT, 1);
        ACTOR_LOG(persister->actor, LOG_ERROR, "sink-ahead-of-store", L_U64("cursor", persister->cursor),
                  L_STR("hint", "the store is older than the sink's file; stop, move that file away and start"));
    }
    persister->phase = PHASE_IDLE;
    look(persister);
}

static void on_rows(struct persister *persister, const struct msg_page *page)
{
    if (persister->phase == PHASE_AT_CURSOR && page->count == 0) {
        ask_rows(persister, PHASE_AT_START, 0, 1);
    } else if (persister->phase != PHASE_PAGE) {
        settle_doubt(persister, persister->phase == PHASE_AT_START && page->count > 0);
    } else if (page->count > 0) {
        write_page(persister, page);
    } else {
        if (!persister->grew)
            persister->last = persister->cursor;
        wait_in(persister, PHASE_IDLE, persister->grew ? 0 : LOOK_MS);
    }
}

/* Sequences have gaps, so no difference of two of them is a number of rows. */
static void on_depth(struct persister *persister, const struct msg_page *page)
{
    struct wire wire = wire_over(page->rows);
    struct record_store_entry entry;

    persister->depth_ticket = 0;
    if (page->error == ERROR_OK && record_take_store_entry(&wire, &entry) && entry.counted)
        actor_gauge(persister->actor, METRIC_OUTBOX_ROWS, 0, (int64_t)entry.outbox);
}

static void on_page(void *self, const struct msg_page *page)
{
    struct persister *persister = persister_of(self);

    if (persister->depth_ticket != 0 && page->ticket == persister->depth_ticket) {
        on_depth(persister, page);
        return;
    }
    CHECK(page->ticket == persister->ticket);
    CHECK(persister->phase == PHASE_PAGE || persister->phase == PHASE_TRIMMED || persister->phase == PHASE_AT_CURSOR ||
          persister->phase == PHASE_AT_START);
    bool is_told = page->error == ERROR_OK || page->error == ERROR_NOT_FOUND;
    if (persister->phase == PHASE_TRIMMED && (is_told || page->error == ERROR_CORRUPT)) {
        on_watermark(persister, page->error == ERROR_OK ? watermark_of(page) : 0);
        return;
    }
    if (is_told) {
        on_rows(persister, page);
        return;
    }
    pause_after(persister, page->error, "outbox-unreadable");
}

static void on_outbox_grew(void *self, const struct msg_outbox_grew *msg)
{
    struct persister *persister = persister_of(self);

    if (msg->last > persister->last)
        persister->last = msg->last;
    persister->grew = true;
    if (!persister->has_cursor)
        return;
    /* A message from before a restart may be old too, so this alone proves nothing. */
    if (msg->last < persister->cursor && !persister->ahead)
        persister->doubts = true;
    if (persister->phase == PHASE_IDLE)
        look(persister);
}

/* --- the sink --- */

static void on_written(struct persister *persister, uint64_t cursor)
{
    if (!persister->has_cursor) {
        persister->has_cursor = true;
        persister->doubts = cursor > 0;
        ACTOR_LOG(persister->actor, LOG_INFO, "sink-cursor", L_U64("cursor", cursor));
    } else {
        actor_count(persister->actor, METRIC_SINK_ROWS, 0, persister->batch_rows);
    }
    persister->cursor = cursor;
    persister->pause_ms = 0;
    if (persister->cursor >= persister->trimmed + TRIM_LAG_ROWS || persister->quiescing)
        trim(persister);
    persister->phase = PHASE_IDLE;
    look(persister);
}

static void on_sink(void *self, uint64_t ticket, enum error error, uint64_t cursor)
{
    struct persister *persister = persister_of(self);

    CHECK((persister->phase == PHASE_CURSOR || persister->phase == PHASE_WRITE) && ticket == persister->ticket);
    if (error == ERROR_OK)
        on_written(persister, cursor);
    else
        sink_failed(persister, error);
}

static void on_committed(void *self, const struct msg_committed *msg)
{
    struct persister *persister = persister_of(self);

    CHECK(msg->ticket == persister->trim_ticket);
    persister->trim_ticket = 0;
    if (msg->error == ERROR_OK)
        persister->trimmed = persister->trim_to;
    else
        ACTOR_LOG(persister->actor, LOG_WARN, "trim-refused", L_ERROR(msg->error));
    ask_depth(persister);
}

static void on_timer(void *self, uint64_t timer)
{
    struct persister *persister = persister_of(self);

    if (timer == TIMER_TRIM) {
        trim(persister);
        if (persister->trim_ticket == 0)
            ask_depth(persister);
        actor_timer(persister->actor, TIMER_TRIM, actor_now(persister->actor) + TRIM_MS);
    } else if (persister->phase == PHASE_IDLE || persister->phase == PHASE_PAUSED) {
        look(persister);
    }
}

/* The batch in hand ends; what is left stays in the outbox for the next start. */
static void on_quiesce(void *self, const struct msg_quiesce *msg)
{
    struct persister *persister = persister_of(self);

    (void)msg;
    persister->quiescing = true;
    trim(persister);
}

static void on_command(void *self, const struct msg_command *msg)
{
    struct persister *persister = persister_of(self);
    struct msg_command_done done = {.ticket = msg->ticket,
                                    .error = ERROR_UNSUPPORTED,
                                    .body = SLICE("{\"message\":\"the persister has no commands\"}")};
    enum error sent = send_command_done(persister->actor, ACTOR_SUPERVISOR, &done);

    CHECK(sent == ERROR_OK);
}

/* JOB is addressed here for sinks that need work per row; nothing subscribes, so none can come. */
static void on_job(void *self, const struct msg_job *msg)
{
    struct persister *persister = persister_of(self);
    enum error sent =
        send_release(persister->actor, ACTOR_STORE, &(struct msg_release){.job = msg->id, .fence = msg->fence});

    ACTOR_LOG(persister->actor, LOG_WARN, "unexpected-job", L_TEXT("queue", msg->queue), L_ERROR(sent));
}

static const union msg_handler handlers[MSG_COUNT] = {
    [MSG_QUIESCE] = {.quiesce = on_quiesce},
    [MSG_COMMAND] = {.command = on_command},
    [MSG_COMMITTED] = {.committed = on_committed},
    [MSG_PAGE] = {.page = on_page},
    [MSG_JOB] = {.job = on_job},
    [MSG_OUTBOX_GREW] = {.outbox_grew = on_outbox_grew},
};

const struct actor_spec persister_spec = {
    .index = ACTOR_PERSISTER,
    .state_size = sizeof(struct persister),
    .start = start,
    .handlers = handlers,
    .on_timer = on_timer,
    .on_sink = on_sink,
};
