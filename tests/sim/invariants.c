// SPDX-License-Identifier: MIT
/* The verdict, when the world is calm and everything had time to drain. I6 (legal moves only) and the checksums of I7
 * are the store's own CHECKs and its check; I8 is the caller's: the same seed must give the same trace hash. */
#include "flow/zone.h"
#include "proto/check.h"
#include "proto/text/json.h"
#include "store/check.h"
#include "tests/sim/sim.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const int64_t OPEN_MS = 4 * 3600000;

struct depths {
    uint64_t open, doubt, dead; /* jobs; open: everything that should have ended; doubt: waits for the owner, who must
                                   settle it (in doubt) or mend something first (parked until revived) */
    uint64_t runs_open, runs_failed;
};

static bool read_page(struct store *store, const struct msg_read *read, int64_t now_ms, struct store_page *page)
{
    return store_read_page(store, read, now_ms, page) == ERROR_OK;
}

static void free_page(struct store_page *page)
{
    buffer_free(&page->rows);
    buffer_free(&page->next);
}

/* Dead letters are an end too (a refused address, a blocked prompt); a job in doubt waits for the owner. */
static struct depths read_depths(struct sim *sim, struct store *store)
{
    struct msg_read read = {.what = READ_JOBS, .limit = 1000};
    struct store_page page = {{NULL, 0, 0}, {NULL, 0, 0}, 0};
    struct record_job_view job;
    struct depths depths = {0};

    if (!read_page(store, &read, sim->now_ms, &page))
        sim_breach(sim, "I7: the jobs cannot be read");
    struct wire wire = wire_over(buffer_slice(&page.rows));
    for (uint64_t i = 0; i < page.count && record_take_job_view(&wire, &job); i++) {
        depths.doubt += job.state == JOB_DOUBT || (job.state == JOB_PARKED && job.due_ms == INT64_MAX);
        depths.dead += job.state == JOB_DEAD;
        if (job.state != JOB_DOUBT && job.state != JOB_DEAD && job.due_ms < sim->now_ms && depths.open++ == 0)
            sim_breach(sim, "I3: job %" PRIu64 " of queue %.*s still is %s (%s), pushed %" PRId64 " s ago", job.id,
                       (int)job.queue.size, job.queue.data, job_state_name((enum job_state)job.state),
                       error_name(job.error), (sim->now_ms - job.created_ms) / 1000);
    }
    free_page(&page);
    return depths;
}

static void read_runs(struct sim *sim, struct store *store, struct depths *depths)
{
    struct msg_read read = {.what = READ_RUNS, .limit = 1000};
    struct store_page page = {{NULL, 0, 0}, {NULL, 0, 0}, 0};
    struct record_run_entry run;

    do {
        buffer_clear(&page.rows);
        if (!read_page(store, &read, sim->now_ms, &page))
            sim_breach(sim, "I7: the runs cannot be read");
        struct wire wire = wire_over(buffer_slice(&page.rows));
        for (uint64_t i = 0; i < page.count && record_take_run_entry(&wire, &run); i++) {
            /* One that began a moment ago is still waiting for its time. */
            depths->runs_open += run.state == RUN_OPEN && run.changed_ms < sim->now_ms - OPEN_MS;
            depths->runs_failed += run.state == RUN_FAILED;
        }
        sim->cursor.size = 0;
        buffer_append(&sim->cursor, page.next.data, page.next.size);
        read.from = buffer_slice(&sim->cursor);
    } while (read.from.size > 0 && sim->breach[0] == '\0');
    free_page(&page);
    if (depths->runs_open > depths->doubt)
        sim_breach(sim, "I3: %" PRIu64 " runs are open, and only %" PRIu64 " jobs wait for the owner",
                   depths->runs_open, depths->doubt);
}

static int64_t read_book(struct sim *sim, struct store *store, const char *book)
{
    struct msg_read read = {.what = READ_BOOKS, .space = slice_of(book), .limit = 1000};
    struct store_page page = {{NULL, 0, 0}, {NULL, 0, 0}, 0};
    struct record_book_entry entry;
    int64_t sum = 0;

    do {
        if (!read_page(store, &read, sim->now_ms, &page))
            sim_breach(sim, "I7: book %s cannot be read", book);
        struct wire wire = wire_over(buffer_slice(&page.rows));
        for (uint64_t i = 0; i < page.count && record_take_book_entry(&wire, &entry); i++)
            sum += entry.amount;
        sim->cursor.size = 0;
        buffer_append(&sim->cursor, page.next.data, page.next.size);
        read.from = buffer_slice(&sim->cursor);
    } while (read.from.size > 0 && sim->breach[0] == '\0');
    free_page(&page);
    return sum;
}

static void judge_books(struct sim *sim, struct store *store)
{
    const struct cloud_counts *counts = cloud_counts(sim->cloud);
    int64_t orders = read_book(sim, store, "orders"), pushes = read_book(sim, store, "pushes");
    size_t rows = sim_sink_rows(sim->sink, TABLE_ORDERS);

    if (counts->deliveries_given_up == 0 && orders != (int64_t)counts->orders)
        sim_breach(sim, "I1: %" PRIu64 " orders were placed, %" PRId64 " are in the books", counts->orders, orders);
    if (orders > (int64_t)counts->orders)
        sim_breach(sim, "I2: more orders in the books than were placed");
    if ((int64_t)rows != orders)
        sim_breach(sim, "I1: %zu orders in the sink, %" PRId64 " in the books", rows, orders);
    for (size_t i = 0; i < sim->push_count; i++)
        if (!sim->pushes[i].acknowledged)
            sim_breach(sim, "I3: push %zu was never acknowledged", i + 1);
    if (pushes != (int64_t)sim->push_count)
        sim_breach(sim, "I1/I2: %zu pushes acknowledged, %" PRId64 " counted", sim->push_count, pushes);
}

static void judge_effects(struct sim *sim, const struct depths *depths)
{
    const struct cloud_counts *counts = cloud_counts(sim->cloud);

    if (counts->mails_repeated != 0)
        sim_breach(sim, "I2: %" PRIu64 " mails were sent twice", counts->mails_repeated);
    if (counts->gemini_violations != 0)
        sim_breach(sim, "I4/I5: %" PRIu64 " calls over Gemini's limits a minute or a day", counts->gemini_violations);
    if (counts->unknown_calls != 0)
        sim_breach(sim, "I2: %" PRIu64 " calls to nobody", counts->unknown_calls);
    if (counts->mails > counts->orders)
        sim_breach(sim, "I2: %" PRIu64 " mails for %" PRIu64 " orders", counts->mails, counts->orders);
    if (counts->mails + depths->doubt + depths->runs_failed + counts->deliveries_given_up < sim->mail_order_count)
        sim_breach(sim, "I1: %zu orders want a mail; %" PRIu64 " sent, %" PRIu64 " in doubt, %" PRIu64 " runs failed",
                   sim->mail_order_count, counts->mails, depths->doubt, depths->runs_failed);
}

static void judge_store(struct sim *sim, struct store *store)
{
    struct store_check *check = store_check_begin(store);

    while (!store_check_step(check))
        ;
    const struct store_check_report *report = store_check_report(check);
    if (!store_check_is_clean(report) || report->quarantined != 0)
        sim_breach(sim, "I7: store check: %s", report->finding_count ? report->findings[0] : "not clean");
    store_check_end(&check);
}

/* How many schedule occurrences lie in the simulated days: every six hours of wall-clock time in the shop's zone. */
static void judge_ticks(struct sim *sim, struct store *store)
{
    int64_t ticks = read_book(sim, store, "ticks");
    int64_t expected = (sim->now_ms - sim->started_ms) / (6 * 3600000);

    /* The clock steps by up to two hours: an occurrence may fire that much early, at either end of the time. */
    if (ticks < expected - 1 || ticks > expected + 2)
        sim_breach(sim, "I2/I3: %" PRId64 " schedule occurrences, %" PRId64 " expected", ticks, expected);
}

/* The slots of the channel by the shop's own wall clock: 9:00, 14:00 and 19:00 of every day. */
static int64_t count_slots(const struct sim *sim)
{
    static const int hours[] = {9, 14, 19};
    struct zone *zone = zone_open("Europe/Berlin");
    int64_t from = sim->started_ms / 1000, to = sim->now_ms / 1000, count = 0;

    CHECK(zone != NULL);
    for (int64_t day = from / CIVIL_DAY_S - 1; day <= to / CIVIL_DAY_S + 1; day++)
        for (size_t i = 0; i < sizeof(hours) / sizeof(hours[0]); i++) {
            int64_t at = zone_from_local(zone, day * CIVIL_DAY_S + hours[i] * 3600).first;
            count += at > from && at <= to;
        }
    zone_close(&zone);
    return count;
}

/* Every due post is there once, each with its pieces and its end; one that has just begun may not have all of them. */
static void judge_posts(struct sim *sim, struct store *store)
{
    int64_t posts = read_book(sim, store, "posts"), pieces = read_book(sim, store, "pieces");
    int64_t closed = read_book(sim, store, "posts_closed"), expected = count_slots(sim);

    if (posts < expected || posts > expected + 1)
        sim_breach(sim, "I2/I3: %" PRId64 " posts, %" PRId64 " slots", posts, expected);
    if (pieces > 3 * posts || pieces < 3 * (posts - 1) || closed > posts || closed < posts - 1)
        sim_breach(sim, "I2/I3: %" PRId64 " posts, %" PRId64 " pieces, %" PRId64 " closed", posts, pieces, closed);
}

/* Every question is settled once, by a listed person or by its time. */
static void judge_approvals(struct sim *sim, struct store *store)
{
    int64_t asked = read_book(sim, store, "asked"), decided = read_book(sim, store, "decided");
    int64_t approved = read_book(sim, store, "approved");

    if (decided > asked || decided < asked - 1)
        sim_breach(sim, "I2/I3: %" PRId64 " questions, %" PRId64 " decided", asked, decided);
    sim->approved = approved;
    if (approved > decided || (sim->strict_people && approved != 0))
        sim_breach(sim, "I2: %" PRId64 " approved of %" PRId64 "%s", approved, decided,
                   sim->strict_people ? " although nobody listed said yes" : "");
}

void sim_judge(struct sim *sim)
{
    struct store_options options = {.box = 1};
    char problem[256] = "";
    enum error error;

    if (!sim->process_up)
        sim_breach(sim, "I3: the process is down although all is calm");
    if (cloud_delivery_pending(sim->cloud) != 0)
        sim_breach(sim, "I3: %zu webhooks are still not delivered", cloud_delivery_pending(sim->cloud));
    sim_crash(sim);
    struct store *store = store_open(&kv_memory_ops, sim->disk, &options, sim->now_ms, &error, problem);
    if (store == NULL) {
        sim_breach(sim, "I7: the store does not open: %s", problem);
        return;
    }
    while (store_step(store, sim->now_ms))
        ;
    struct depths depths = read_depths(sim, store);
    read_runs(sim, store, &depths);
    judge_books(sim, store);
    judge_effects(sim, &depths);
    judge_ticks(sim, store);
    judge_posts(sim, store);
    judge_approvals(sim, store);
    judge_store(sim, store);
    store_close(&store);
}
