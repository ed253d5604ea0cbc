// SPDX-License-Identifier: MIT
#include "flow/calendar.h"
#include "tests/unit/actors/scheduler_bench.h"

static void occurrence(struct bench *bench, const char *workflow, int64_t planned_ms, bool is_late)
{
    struct buffer payload = {NULL, 0, 0};

    payload_put_occurrence(&payload, &(struct payload_occurrence){
                                         .workflow = slice_of(workflow), .planned_ms = planned_ms, .is_late = is_late});
    bench_push_flow(bench, &payload, "");
}

/* ---- overlap ---- */

#define TICK(policy)                                                                                                   \
    "workflow: tick\n"                                                                                                 \
    "mode: live\n"                                                                                                     \
    "on:\n"                                                                                                            \
    "  - schedule: {cron: \"0 4 1 1 *\", zone: UTC, " policy "}\n"                                                     \
    "steps:\n"                                                                                                         \
    "  - id: mail\n"                                                                                                   \
    "    email: {to: \"a@b.example\", subject: Hi, text: \"{{ trigger.late }}\"}\n"

static void test_an_open_run_lets_the_next_one_be_dropped(void **state)
{
    struct bench *bench = bench_new((const char *[]){TICK("overlap: skip"), NULL});

    (void)state;
    occurrence(bench, "tick", 1000, false);
    assert_int_equal(bench_count_runs(bench, "tick"), 1);
    bench_expect(bench, bench_newest(bench, "tick"), "trigger.planned_ms", "1000");
    occurrence(bench, "tick", 2000, false);
    assert_int_equal(bench_count_runs(bench, "tick"), 1);
    assert_int_equal(fake_metric(bench->fake, METRIC_SCHEDULE_SKIPPED, 0), 1);
    assert_int_equal(fake_logged(bench->fake, "schedule-skipped"), 1);
    bench_end(bench, "mail", ERROR_OK, "{}");
    occurrence(bench, "tick", 3000, false);
    assert_int_equal(bench_count_runs(bench, "tick"), 2);
    assert_int_equal(fake_metric(bench->fake, METRIC_SCHEDULE_FIRES, 0), 2);
    bench_free(bench);
}

static void test_an_open_run_lets_the_next_one_wait(void **state)
{
    struct bench *bench = bench_new((const char *[]){TICK("overlap: wait"), NULL});

    (void)state;
    occurrence(bench, "tick", 1000, false);
    occurrence(bench, "tick", 2000, false);
    occurrence(bench, "tick", 3000, false);
    bench_pass(bench, 30000);
    assert_int_equal(bench_count_runs(bench, "tick"), 1);
    bench_end(bench, "mail", ERROR_OK, "{}");
    bench_pass(bench, 12000);
    assert_int_equal(bench_count_runs(bench, "tick"), 2);
    bench_end(bench, "mail", ERROR_OK, "{}");
    bench_pass(bench, 12000);
    assert_int_equal(bench_count_runs(bench, "tick"), 3);
    bench_free(bench);
}

/* ---- missed: ask ---- */

static uint64_t only_doubt(struct bench *bench, char detail[200])
{
    struct store_page page = {{NULL, 0, 0}, {NULL, 0, 0}, 0};
    struct record_job_view job = {0};

    assert_int_equal(store_read_page(bench->store,
                                     &(struct msg_read){.what = READ_JOBS, .id = 1u << JOB_DOUBT, .limit = 10},
                                     bench->fake->wall_ms, &page),
                     ERROR_OK);
    struct wire wire = wire_over(buffer_slice(&page.rows));
    if (page.count > 0)
        assert_true(record_take_job_view(&wire, &job));
    snprintf(detail, 200, "%.*s", (int)job.detail.size, job.detail.size ? job.detail.data : "");
    buffer_free(&page.rows);
    buffer_free(&page.next);
    return job.id;
}

static void test_a_missed_occurrence_asks_its_owner_once(void **state)
{
    struct bench *bench = bench_new((const char *[]){TICK("missed: ask"), NULL});
    struct buffer ops = {NULL, 0, 0};
    char detail[200];
    uint64_t job;

    (void)state;
    occurrence(bench, "tick", INT64_C(1767225600000), true);
    assert_int_equal(bench_count_runs(bench, "tick"), 0);
    job = only_doubt(bench, detail);
    assert_non_null(strstr(detail, "missed at 2026-01-01T00:00:00"));
    assert_non_null(strstr(detail, "job revive"));
    op_put_revive(&ops, &(struct op_revive){.job = job});
    assert_int_equal(bench_put(bench, &ops, NULL), ERROR_OK);
    bench_run(bench);
    assert_int_equal(bench_count_runs(bench, "tick"), 1);
    bench_expect(bench, bench_newest(bench, "tick"), "trigger.late", "true");
    occurrence(bench, "tick", INT64_C(1767225600000), true);
    job = only_doubt(bench, detail);
    json_decref(bench_ask(bench, COMMAND_JOB_CANCEL, ERROR_OK, "{\"id\":%" PRIu64 "}", job));
    assert_int_equal(only_doubt(bench, detail), 0);
    assert_int_equal(bench_count_runs(bench, "tick"), 1);
    bench_free(bench);
}

/* ---- slots ---- */

static const char slot_text[] = "workflow: post\n"
                                "mode: live\n"
                                "on:\n"
                                "  - slot: feed\n"
                                "steps:\n"
                                "  - id: note\n"
                                "    log: \"{{ #trigger.entries }} {{ trigger.entries[1].title }}\"\n";

static void put_entry(struct bench *bench, uint64_t id, const char *title, int64_t slot_ms)
{
    struct calendar_entry entry = {.id = id,
                                   .channel = strdup("feed"),
                                   .title = strdup(title),
                                   .text = strdup("hello"),
                                   .media = strdup(""),
                                   .uid = strdup(""),
                                   .slot_ms = slot_ms,
                                   .state = CALENDAR_PLANNED};
    struct buffer ops = {NULL, 0, 0};

    calendar_put_entry(&ops, &entry, NULL);
    assert_int_equal(bench_put(bench, &ops, NULL), ERROR_OK);
    calendar_entry_fini(&entry);
}

static void test_a_slot_brings_its_entries_once(void **state)
{
    struct bench *bench = bench_new((const char *[]){slot_text, NULL});

    (void)state;
    put_entry(bench, 1, "first", 5000);
    put_entry(bench, 2, "other", 6000);
    occurrence(bench, "post", 5000, false);
    bench_expect(bench, bench_newest(bench, "post"), "steps.note.result.text", "1 first");
    bench_expect(bench, bench_newest(bench, "post"), "trigger.channel", "feed");
    occurrence(bench, "post", 5000, false);
    bench_expect(bench, bench_newest(bench, "post"), "trigger.entries", "[]");
    assert_int_equal(bench_count_runs(bench, "post"), 2);
    bench_free(bench);
}

/* ---- unique ---- */

static void test_a_called_run_with_a_known_key_tells_its_caller(void **state)
{
    static const char parent[] = "workflow: parent\n"
                                 "mode: live\n"
                                 "on: [{manual: true}]\n"
                                 "steps:\n"
                                 "  - id: sub\n"
                                 "    call: {workflow: child}\n"
                                 "    else: {got: known}\n";
    static const char child[] = "workflow: child\n"
                                "mode: live\n"
                                "unique: same\n"
                                "on: [{manual: true}]\n"
                                "steps:\n"
                                "  - id: note\n"
                                "    log: x\n";
    struct bench *bench = bench_new((const char *[]){parent, child, NULL});
    uint64_t first = bench_begin(bench, "parent"), second = bench_begin(bench, "parent");

    (void)state;
    bench_expect(bench, first, "steps.sub.state", "done");
    bench_expect(bench, second, "steps.sub.state", "else");
    assert_int_equal(bench_count_runs(bench, "child"), 1);
    bench_free(bench);
}

/* ---- reload ---- */

static struct scheduler_workflows *news(const char *const *texts)
{
    struct scheduler_workflows *found = calloc(1, sizeof(*found));

    found->workflows = calloc(8, sizeof(*found->workflows));
    for (; texts[found->count] != NULL; found->count++)
        found->workflows[found->count] = bench_parse(texts[found->count]);
    return found;
}

#define QUEUE(name, queue, step)                                                                                       \
    "workflow: " name "\n"                                                                                             \
    "mode: live\n"                                                                                                     \
    "on: [{queue: " queue "}]\n"                                                                                       \
    "steps:\n"                                                                                                         \
    "  - id: mail\n"                                                                                                   \
    "    email: {to: \"a@b.example\", subject: Hi, text: Hello}\n"                                                     \
    "  - id: note\n"                                                                                                   \
    "    log: " step "\n"

static void push(struct bench *bench, const char *queue)
{
    struct buffer ops = {NULL, 0, 0};

    op_put_push(&ops, &(struct op_push){.queue = slice_of(queue),
                                        .content_type = SLICE("application/json"),
                                        .payload = SLICE("{\"a\":1}")});
    assert_int_equal(bench_put(bench, &ops, NULL), ERROR_OK);
    bench_run(bench);
}

static void test_reload_while_runs_are_open(void **state)
{
    struct bench *bench = bench_new((const char *[]){QUEUE("work", "in", "old"), QUEUE("gone", "away", "x"), NULL});
    uint64_t old, gone;
    json_t *body;

    (void)state;
    push(bench, "in");
    push(bench, "away");
    old = bench_newest(bench, "work");
    gone = bench_newest(bench, "gone");
    bench->fake->reload_problem = "work.yaml:3:1: no";
    bench_refused(bench, COMMAND_WORKFLOW_RELOAD, ERROR_INVALID, "{}", "work.yaml:3:1: no; nothing was changed");
    bench->fake->reloaded = news((const char *[]){QUEUE("work", "in", "new"), QUEUE("more", "extra", "x"), NULL});
    body = bench_ask(bench, COMMAND_WORKFLOW_RELOAD, ERROR_OK, "{}");
    assert_string_equal(json_string_value(json_at(body, "added.0")), "more");
    assert_string_equal(json_string_value(json_at(body, "changed.0")), "work");
    assert_string_equal(json_string_value(json_at(body, "removed.0.workflow")), "gone");
    assert_int_equal(json_integer_value(json_at(body, "removed.0.open_runs")), 1);
    json_decref(body);
    bench_end(bench, "mail", ERROR_OK, "{}"); /* with the definitions that they began with */
    bench_end(bench, "mail", ERROR_OK, "{}");
    bench_expect(bench, old, "steps.note.result.text", "old");
    bench_expect(bench, gone, "is", "done");
    push(bench, "in");
    push(bench, "extra");
    push(bench, "away"); /* waits until somebody listens again */
    assert_int_equal(bench_count_runs(bench, "gone"), 1);
    assert_int_equal(bench_count_runs(bench, "more"), 1);
    bench_end(bench, "mail", ERROR_OK, "{}");
    bench_end(bench, "mail", ERROR_OK, "{}");
    bench_expect(bench, bench_newest(bench, "work"), "steps.note.result.text", "new");
    bench->fake->reloaded = news((const char *[]){QUEUE("work", "in", "new"), QUEUE("gone", "away", "x"), NULL});
    body = bench_ask(bench, COMMAND_WORKFLOW_RELOAD, ERROR_OK, "{}");
    assert_int_equal(json_integer_value(json_object_get(body, "unchanged")), 1);
    json_decref(body);
    bench_run(bench);
    assert_int_equal(bench_count_runs(bench, "gone"), 2);
    bench_free(bench);
}

static void test_what_belongs_to_removed_workflows_is_forgotten(void **state)
{
    struct bench *bench = bench_new((const char *[]){TICK("overlap: skip"), NULL});
    struct msg_read read = {.what = READ_SPACE_GET, .space = SLICE("overlap"), .from = SLICE("tick/0"), .limit = 1};
    struct store_page page = {{NULL, 0, 0}, {NULL, 0, 0}, 0};

    (void)state;
    occurrence(bench, "tick", 1000, false);
    bench_pass(bench, 2 * INT64_C(3600000));
    assert_int_equal(store_read_page(bench->store, &read, bench->fake->wall_ms, &page), ERROR_OK);
    bench->fake->reloaded = news((const char *[]){NULL});
    json_decref(bench_ask(bench, COMMAND_WORKFLOW_RELOAD, ERROR_OK, "{}"));
    bench_pass(bench, 2 * INT64_C(3600000));
    assert_int_equal(store_read_page(bench->store, &read, bench->fake->wall_ms, &page), ERROR_NOT_FOUND);
    buffer_free(&page.rows);
    buffer_free(&page.next);
    bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_open_run_lets_the_next_one_be_dropped),
        cmocka_unit_test(test_an_open_run_lets_the_next_one_wait),
        cmocka_unit_test(test_a_missed_occurrence_asks_its_owner_once),
        cmocka_unit_test(test_a_slot_brings_its_entries_once),
        cmocka_unit_test(test_a_called_run_with_a_known_key_tells_its_caller),
        cmocka_unit_test(test_reload_while_runs_are_open),
        cmocka_unit_test(test_what_belongs_to_removed_workflows_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
