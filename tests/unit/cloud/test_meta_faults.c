// SPDX-License-Identifier: MIT
/* Every fault at every call of every kind of post, and a crash before and after each of them: the job is led as the
 * worker leads it, by the same outcome_of() and outcome_put(), and the model counts what was published. */
#include "actors/common/outcome.h"
#include "connectors/facebook/facebook.h"
#include "connectors/instagram/instagram.h"
#include "tests/cloud/cloud.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { LEASES_MAX = 6000, CALLS_MAX = 40, ATTEMPTS_MAX = 12 };
static const int64_t T0 = 1795377600000, HOUR_MS = 3600000;

static const struct kind {
    const char *name;
    const struct connector *connector;
    const char *inputs;
} kinds[] = {
    {"image", &connector_instagram, "{\"media\":\"https://shop.example/a.jpg\",\"caption\":\"Figs #fresh\"}"},
    {"carousel", &connector_instagram,
     "{\"kind\":\"carousel\",\"media\":\"https://shop.example/1.jpg https://shop.example/2.jpg\",\"caption\":\"Two\"}"},
    {"reel", &connector_instagram,
     "{\"kind\":\"reel\",\"media\":\"https://shop.example/a.mp4\",\"caption\":\"Moving figs\"}"},
    {"story", &connector_instagram, "{\"kind\":\"story\",\"media\":\"https://shop.example/s.jpg\"}"},
    {"text", &connector_facebook, "{\"text\":\"Figs are in\",\"link\":\"https://shop.example/figs\"}"},
    {"photo", &connector_facebook, "{\"text\":\"Look\",\"media\":\"https://shop.example/a.jpg\"}"},
};

enum crash { CRASH_NONE, CRASH_BEFORE, CRASH_AFTER };

/* One job on its way, and what is to go wrong. */
struct drive {
    const struct kind *kind;
    struct cloud *cloud;
    struct connector_settings settings;
    json_t *inputs;
    struct buffer state;
    struct scratch scratch;
    struct step step;
    int64_t now_ms;
    uint64_t attempt;
    unsigned call, leases, people, offline;
    bool is_note_new, is_over;
    enum outcome_kind end;
    enum cloud_fault fault; /* CLOUD_FAULT_COUNT: none */
    unsigned at;            /* the call that meets the fault or the crash, from 1 */
    int64_t fault_ms;       /* how long from then on; 1: that call alone */
    enum crash crash;
};

static void drive_open(struct drive *drive, const struct kind *kind)
{
    struct json_problem problem;

    *drive = (struct drive){.kind = kind,
                            .cloud = cloud_new(7, &(struct cloud_options){.meta_per_hour = 180}),
                            .settings = {.url = SLICE("https://graph.example"),
                                         .version = SLICE("v26.0"),
                                         .user = SLICE("17841400000000000"),
                                         .secret = SLICE("meta/token")},
                            .inputs = json_read(slice_of(kind->inputs), &problem),
                            .now_ms = T0,
                            .fault = CLOUD_FAULT_COUNT};
    assert_non_null(drive->inputs);
}

static void drive_close(struct drive *drive)
{
    step_fini(&drive->step);
    scratch_free(&drive->scratch);
    buffer_free(&drive->state);
    json_decref(drive->inputs);
    cloud_destroy(&drive->cloud);
}

static struct connector_job job_of(const struct drive *drive)
{
    return (struct connector_job){
        .id = SLICE("job-1"), .created_ms = T0, .inputs = drive->inputs, .state = buffer_slice(&drive->state)};
}

static void keep_state(struct drive *drive, struct slice state)
{
    struct buffer copy = {NULL, 0, 0};

    buffer_append(&copy, state.data, state.size);
    buffer_free(&drive->state);
    drive->state = copy;
}

/* The outcome's own operations say what becomes of the state. */
static void end_lease(struct drive *drive)
{
    struct payload_task task = {
        .attempts_max = ATTEMPTS_MAX, .first_ms = 5000, .max_ms = 600000, .on_unknown = SLICE("ask")};
    struct outcome_job view = {.attempt = drive->attempt,
                               .has_note = drive->state.size > 0,
                               .is_note_new = drive->is_note_new,
                               .kept = drive->step.kind == STEP_RETRY || drive->step.kind == STEP_REFUSED
                                           ? drive->step.state
                                           : (struct slice){NULL, 0},
                               .task = &task,
                               .now_ms = drive->now_ms,
                               .offline_in_a_row = drive->offline};
    struct outcome outcome = outcome_of(&view, &drive->step);
    struct buffer bytes = {NULL, 0, 0};
    struct op op;

    outcome_put(&bytes, &view, &outcome, SLICE("{}"), drive->step.detail);
    struct wire wire = wire_over(buffer_slice(&bytes));
    assert_true(op_take(&wire, &op));
    if (op.id == OP_NOTE)
        keep_state(drive, op.note.state);
    buffer_free(&bytes);
    drive->end = outcome.kind;
    drive->offline = drive->step.error == ERROR_OFFLINE ? drive->offline + 1 : 0;
    drive->attempt += outcome.kind == OUTCOME_RETRY;
    drive->is_over = outcome.kind != OUTCOME_RETRY && outcome.kind != OUTCOME_PARK;
    if (drive->is_over)
        return;
    drive->people += outcome.due_ms == INT64_MAX;
    drive->now_ms = outcome.due_ms == INT64_MAX ? drive->now_ms + HOUR_MS : outcome.due_ms;
}

/* False when the process "dies" here. */
static bool perform(struct drive *drive)
{
    struct cloud_reply reply;
    struct connector_job job;

    if (drive->step.needs_note) {
        keep_state(drive, drive->step.state);
        drive->is_note_new = true;
    }
    drive->call++;
    if (drive->call == drive->at && drive->crash == CRASH_BEFORE)
        return false;
    if (drive->call == drive->at && drive->fault != CLOUD_FAULT_COUNT)
        assert_true(cloud_fault_set(drive->cloud, CLOUD_META, drive->fault, drive->now_ms + drive->fault_ms, 1000));
    cloud_answer(drive->cloud, drive->now_ms, &drive->step.call, &reply);
    drive->now_ms += reply.latency_ms;
    if (drive->call == drive->at && drive->crash == CRASH_AFTER)
        return false;
    job = job_of(drive);
    step_fini(&drive->step);
    drive->kind->connector->answer(&job, &drive->settings, &reply.answer, drive->now_ms, &drive->scratch, &drive->step);
    return true;
}

static void drive_run(struct drive *drive)
{
    while (!drive->is_over && drive->leases++ < LEASES_MAX) {
        struct connector_job job = job_of(drive);
        bool lives = true;

        drive->is_note_new = false;
        step_fini(&drive->step);
        drive->kind->connector->begin(&job, &drive->settings, drive->now_ms, &drive->scratch, &drive->step);
        while (lives && (drive->step.kind == STEP_REQUEST || drive->step.kind == STEP_PROBE))
            lives = perform(drive);
        if (lives)
            end_lease(drive);
        else
            drive->now_ms += 1000;
    }
}

static uint64_t published(const struct drive *drive)
{
    const struct cloud_counts *counts = cloud_counts(drive->cloud);

    return counts->instagram_published + counts->facebook_published;
}

static uint64_t doubled(const struct drive *drive)
{
    const struct cloud_counts *counts = cloud_counts(drive->cloud);

    return counts->instagram_doubled + counts->facebook_doubled;
}

static unsigned calls_of(const struct kind *kind)
{
    struct drive drive;

    drive_open(&drive, kind);
    drive_run(&drive);
    unsigned calls = drive.call;
    assert_int_equal(drive.end, OUTCOME_DONE);
    assert_int_equal(published(&drive), 1);
    assert_true(json_text_at(drive.step.result, "id").size > 0);
    assert_true(json_text_at(drive.step.result, "permalink").size > 0);
    assert_int_equal(drive.attempt, 0);
    drive_close(&drive);
    return calls;
}

struct tally {
    unsigned runs, done, failed, doubts, doubled, hung, people, wrong;
};

static void count(struct tally *tally, const struct drive *drive, const char *what)
{
    bool agrees = drive->end == OUTCOME_DONE ? published(drive) == 1 : published(drive) == 0;

    tally->runs++;
    tally->done += drive->is_over && drive->end == OUTCOME_DONE;
    tally->failed += drive->is_over && drive->end == OUTCOME_FAILED;
    tally->doubts += drive->is_over && drive->end == OUTCOME_DOUBT;
    tally->doubled += doubled(drive) > 0 || published(drive) > 1;
    tally->hung += !drive->is_over;
    tally->people += drive->people > 0;
    tally->wrong += !agrees;
    if (!drive->is_over || doubled(drive) > 0 || (!agrees && drive->end != OUTCOME_DOUBT))
        print_message("%s: %s at call %u: end %d after %u leases, %llu published: %.*s\n", drive->kind->name, what,
                      drive->at, (int)drive->end, drive->leases, (unsigned long long)published(drive),
                      (int)drive->step.detail.size, drive->step.detail.size ? drive->step.detail.data : "");
}

static const struct {
    enum cloud_fault fault;
    const char *name;
} faults[] = {
    {CLOUD_LATENCY, "latency"},       {CLOUD_LIMITED, "limited"},       {CLOUD_DAY_QUOTA, "day quota"},
    {CLOUD_INTERNAL, "500"},          {CLOUD_OVERLOADED, "503"},        {CLOUD_HTML, "html"},
    {CLOUD_GARBAGE, "garbage"},       {CLOUD_KEY, "token expired"},     {CLOUD_DROPPED, "answer dropped"},
    {CLOUD_OUTAGE, "outage"},         {CLOUD_SLOW, "slow media"},       {CLOUD_MEDIA_ERROR, "media error"},
    {CLOUD_EXPIRED, "media expired"}, {CLOUD_LOWERED, "limit lowered"}, {CLOUD_PUBLISH_LOST, "publishing lost"},
};

static void run_faults(int64_t fault_ms, struct tally *tally)
{
    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        unsigned calls = calls_of(&kinds[k]);
        for (size_t f = 0; f < sizeof(faults) / sizeof(faults[0]); f++)
            for (unsigned at = 1; at <= calls; at++) {
                struct drive drive;
                drive_open(&drive, &kinds[k]);
                drive.fault = faults[f].fault;
                drive.at = at;
                drive.fault_ms = fault_ms;
                drive_run(&drive);
                count(tally, &drive, faults[f].name);
                drive_close(&drive);
            }
    }
}

static void tell(const char *what, const struct tally *tally)
{
    print_message("%s: %u runs, %u done, %u failed, %u doubts, %u waited for a person; doubled %u, hung %u\n", what,
                  tally->runs, tally->done, tally->failed, tally->doubts, tally->people, tally->doubled, tally->hung);
}

static void one_fault_at_any_call_ends_in_one_post(void **state)
{
    struct tally tally = {0};

    (void)state;
    run_faults(1, &tally);
    tell("one call", &tally);
    assert_int_equal(tally.done, tally.runs);
    assert_int_equal(tally.doubled, 0);
    assert_int_equal(tally.wrong, 0);
}

/* Past the attempts a post may fail, but then it is not out, and what cannot be told is said to be unknown. */
static void faults_that_last_double_nothing_and_hang_nothing(void **state)
{
    static const int64_t lasting[] = {600000, 5 * 3600000LL, 72 * 3600000LL};

    (void)state;
    for (size_t i = 0; i < sizeof(lasting) / sizeof(lasting[0]); i++) {
        struct tally tally = {0};
        char what[40];
        run_faults(lasting[i], &tally);
        snprintf(what, sizeof(what), "for %lld minutes", (long long)(lasting[i] / 60000));
        tell(what, &tally);
        assert_int_equal(tally.doubled, 0);
        assert_int_equal(tally.hung, 0);
        assert_int_equal(tally.wrong, tally.doubts);
    }
}

static void a_crash_at_any_call_ends_in_one_post(void **state)
{
    struct tally tally = {0};

    (void)state;
    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        unsigned calls = calls_of(&kinds[k]);
        for (unsigned at = 1; at <= calls; at++)
            for (enum crash crash = CRASH_BEFORE; crash <= CRASH_AFTER; crash++)
                for (int lost = 0; lost <= 1; lost++) {
                    struct drive drive;
                    drive_open(&drive, &kinds[k]);
                    drive.crash = crash;
                    drive.at = at;
                    drive.fault = lost ? CLOUD_DROPPED : CLOUD_FAULT_COUNT;
                    drive.fault_ms = 1;
                    drive_run(&drive);
                    count(&tally, &drive, crash == CRASH_BEFORE ? "crash before" : "crash after");
                    drive_close(&drive);
                }
    }
    tell("crashes", &tally);
    assert_int_equal(tally.done, tally.runs);
    assert_int_equal(tally.doubled, 0);
}

/* More posts than the day's quota: the rest waits for its day, and nothing is asked for beyond it. */
static void the_quota_of_a_day_is_kept(void **state)
{
    struct drive drive;
    char inputs[120];

    (void)state;
    drive_open(&drive, &kinds[0]);
    cloud_destroy(&drive.cloud);
    drive.cloud = cloud_new(7, &(struct cloud_options){.instagram_per_day = 3});
    for (int i = 0; i < 7; i++) {
        struct json_problem problem;
        json_decref(drive.inputs);
        snprintf(inputs, sizeof(inputs), "{\"media\":\"https://shop.example/%d.jpg\"}", i);
        drive.inputs = json_read(slice_of(inputs), &problem);
        drive.is_over = false;
        drive.leases = 0;
        buffer_free(&drive.state);
        drive_run(&drive);
        assert_int_equal(drive.end, OUTCOME_DONE);
        assert_int_equal(drive.attempt, 0);
    }
    assert_int_equal(published(&drive), 7);
    assert_int_equal(cloud_counts(drive.cloud)->meta_violations, 0);
    assert_true(drive.now_ms - T0 >= 48 * HOUR_MS);
    drive_close(&drive);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_fault_at_any_call_ends_in_one_post),
        cmocka_unit_test(faults_that_last_double_nothing_and_hang_nothing),
        cmocka_unit_test(a_crash_at_any_call_ends_in_one_post),
        cmocka_unit_test(the_quota_of_a_day_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
