// SPDX-License-Identifier: MIT
/* What data, crowding and bad moments may do to runs: each ends or waits where it is seen. */
#include "tests/unit/actors/scheduler_bench.h"

static char *nested(int depth)
{
    struct buffer text = {NULL, 0, 0};

    for (int i = 0; i < depth; i++)
        buffer_text(&text, "[");
    for (int i = 0; i < depth; i++)
        buffer_text(&text, "]");
    buffer_append(&text, "", 1);
    return text.data;
}

static size_t count_jobs(struct bench *bench, enum job_state state)
{
    struct store_page page = {{NULL, 0, 0}, {NULL, 0, 0}, 0};

    assert_int_equal(store_read_page(bench->store,
                                     &(struct msg_read){.what = READ_JOBS, .id = 1u << state, .limit = 1000},
                                     bench->fake->wall_ms, &page),
                     ERROR_OK);
    size_t count = (size_t)page.count;
    buffer_free(&page.rows);
    buffer_free(&page.next);
    return count;
}

/* ---- records that could not be read again ---- */

#define LISTENER(NAME)                                                                                                 \
    "workflow: " NAME "\n"                                                                                             \
    "mode: live\n"                                                                                                     \
    "on: [{webhook: orders}]\n"                                                                                        \
    "steps:\n"                                                                                                         \
    "  - id: mail\n"                                                                                                   \
    "    email: {to: \"a@b.example\", subject: Hi, text: Hello}\n"

static void test_a_body_too_deep_to_keep_fails_its_run(void **state)
{
    struct bench *bench = bench_new((const char *[]){LISTENER("one"), NULL});
    char *body = nested(JSON_DEPTH_MAX);

    (void)state;
    bench_hook(bench, body);
    bench_expect(bench, bench_newest(bench, "one"), "is", "failed");
    bench_expect(bench, bench_newest(bench, "one"), "error.error", "too-large");
    free(body);
    bench_free(bench);
}

static void test_a_body_too_deep_to_hand_on_is_buried(void **state)
{
    struct bench *bench = bench_new((const char *[]){LISTENER("one"), LISTENER("two"), NULL});
    char *body = nested(JSON_DEPTH_MAX);

    (void)state;
    bench_hook(bench, body);
    assert_int_equal(fake_logged(bench->fake, "event-buried"), 1);
    assert_int_equal(count_jobs(bench, JOB_DEAD), 1);
    free(body);
    bench_free(bench);
}

static void test_an_input_too_deep_is_refused_at_once(void **state)
{
    static const char text[] = "workflow: hand\n"
                               "mode: live\n"
                               "on: [{manual: true}]\n"
                               "steps:\n"
                               "  - id: note\n"
                               "    log: x\n";
    struct bench *bench = bench_new((const char *[]){text, NULL});
    char *body = nested(JSON_DEPTH_MAX), arguments[300];

    (void)state;
    snprintf(arguments, sizeof(arguments), "{\"name\":\"hand\",\"input\":\"%s\"}", body);
    bench_refused(bench, COMMAND_WORKFLOW_RUN, ERROR_TOO_LARGE, arguments, "too deep");
    free(body);
    bench_free(bench);
}

static void test_a_zero_byte_is_a_mistake_of_the_expression(void **state)
{
    static const char text[] = "workflow: zero\n"
                               "mode: live\n"
                               "on: [{webhook: orders}]\n"
                               "steps:\n"
                               "  - id: keep\n"
                               "    put: {key: k, value: \"{{ 'a\\\\0b' }}\"}\n"
                               "on_failure:\n"
                               "  - id: mail\n"
                               "    email: {to: \"a@b.example\", subject: Hi, text: Hello}\n";
    struct bench *bench = bench_new((const char *[]){text, NULL});

    (void)state;
    bench_hook(bench, "{}");
    bench_expect(bench, bench_newest(bench, "zero"), "steps.keep.error", "expression");
    bench_end(bench, "mail", ERROR_OK, "{}");
    bench_expect(bench, bench_newest(bench, "zero"), "is", "failed");
    bench_free(bench);
}

/* ---- ids ---- */

static void test_facts_and_ids_in_turns_come_to_an_end(void **state)
{
#define BRANCH(X)                                                                                                      \
    "      b" X ":\n"                                                                                                  \
    "        - id: each" X "\n"                                                                                        \
    "          for_each: \"{{ trigger.body }}\"\n"                                                                     \
    "          at_once: 14\n"                                                                                          \
    "          do:\n"                                                                                                  \
    "            - id: look" X "\n"                                                                                    \
    "              get: \"" X "{{ item }}\"\n"                                                                         \
    "            - id: send" X "\n"                                                                                    \
    "              delay: 1h\n"
    static const char text[] = "workflow: many\n"
                               "mode: live\n"
                               "on: [{webhook: orders}]\n"
                               "steps:\n"
                               "  - id: all\n"
                               "    parallel:\n" BRANCH("1") BRANCH("2") BRANCH("3") BRANCH("4");
    struct bench *bench = bench_new((const char *[]){text, NULL});

    (void)state;
    bench_hook(bench, "[1,2,3,4,5,6,7,8,9,10,11,12,13,14]");
    bench_expect(bench, bench_newest(bench, "many"), "steps.send4#13.state", "waiting");
    bench_free(bench);
}

/* ---- books ---- */

static void test_a_currency_that_is_none_fails_its_step(void **state)
{
    static const char text[] = "workflow: money\n"
                               "mode: live\n"
                               "on: [{webhook: orders}]\n"
                               "steps:\n"
                               "  - id: add\n"
                               "    count: {book: revenue, amount: 5, currency: \"{{ trigger.body.currency }}\"}\n"
                               "on_failure:\n"
                               "  - id: note\n"
                               "    log: no\n";
    struct bench *bench = bench_new((const char *[]){text, NULL});

    (void)state;
    bench_hook(bench, "{\"currency\":\"EU\"}");
    bench_expect(bench, bench_newest(bench, "money"), "is", "failed");
    bench_expect(bench, bench_newest(bench, "money"), "steps.add.error", "invalid");
    bench_expect(bench, bench_newest(bench, "money"), "steps.note.state", "done");
    bench_free(bench);
}

static void test_an_amount_that_no_book_can_hold_fails_its_step(void **state)
{
    static const char text[] = "workflow: money\n"
                               "mode: live\n"
                               "on: [{webhook: orders}]\n"
                               "steps:\n"
                               "  - id: add\n"
                               "    count: {book: b, amount: \"{{ trigger.body.n }}\", instead: k, "
                               "as_of: \"{{ trigger.body.at }}\"}\n";
    struct bench *bench = bench_new((const char *[]){text, NULL});

    (void)state;
    bench_hook(bench, "{\"n\":-1000000000000000,\"at\":1}");
    bench_expect(bench, bench_newest(bench, "money"), "is", "done");
    bench_hook(bench, "{\"n\":-9223372036854775808,\"at\":2}");
    bench_expect(bench, bench_newest(bench, "money"), "steps.add.error", "invalid");
    bench_free(bench);
}

/* ---- room ---- */

static void test_rows_that_find_no_room_wait_for_the_next_commit(void **state)
{
    static const char text[] = "workflow: rows\n"
                               "mode: live\n"
                               "on: [{webhook: orders}]\n"
                               "steps:\n"
                               "  - id: each\n"
                               "    for_each: \"{{ {1, 2, 3, 4, 5, 6, 7, 8, 9, 10} }}\"\n"
                               "    do:\n"
                               "      - id: keep\n"
                               "        save: {target: orders, from: \"{{ trigger.body }}\"}\n";
    struct bench *bench = bench_new((const char *[]){text, NULL});
    struct buffer body = {NULL, 0, 0};

    (void)state;
    buffer_text(&body, "{\"id\":1,\"updated_at\":\"2026-01-05T09:00:00Z\",\"line_items\":[");
    for (int i = 0; i < 140; i++)
        buffer_printf(&body, "%s{\"id\":%d}", i > 0 ? "," : "", i + 1);
    buffer_append(&body, "]}", 3);
    bench_hook(bench, body.data);
    bench_expect(bench, bench_newest(bench, "rows"), "is", "done");
    bench_expect(bench, bench_newest(bench, "rows"), "steps.keep#9.result.rows", "141");
    buffer_free(&body);
    bench_free(bench);
}

static void test_large_inputs_go_out_in_portions(void **state)
{
    static const char text[] =
        "workflow: letters\n"
        "mode: live\n"
        "on: [{webhook: orders}]\n"
        "steps:\n"
        "  - id: each\n"
        "    for_each: \"{{ {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16} }}\"\n"
        "    at_once: 16\n"
        "    do:\n"
        "      - id: mail\n"
        "        email: {to: \"a@b.example\", subject: Hi, text: t, html: \"{{ trigger.body }}\"}\n";
    struct bench *bench = bench_new((const char *[]){text, NULL});
    struct buffer body = {NULL, 0, 0};

    (void)state;
    for (int i = 0; i < 200000; i++)
        buffer_text(&body, i == 0 ? "\"" : "x");
    buffer_append(&body, "\"", 2);
    bench_hook(bench, body.data);
    bench_expect(bench, bench_newest(bench, "letters"), "steps.mail#15.state", "waiting");
    assert_in_range(bench->commit_bytes_most, 1, 1 << 20);
    buffer_free(&body);
    bench_free(bench);
}

/* What the store holds under a key, into `text`. */
static void stored(struct bench *bench, const char *space, const char *key, struct buffer *text)
{
    struct store_page page = {{NULL, 0, 0}, {NULL, 0, 0}, 0};
    struct record_space_entry entry;

    store_read_page(
        bench->store,
        &(struct msg_read){.what = READ_SPACE_SCAN, .space = slice_of(space), .from = slice_of(key), .limit = 1},
        bench->fake->wall_ms, &page);
    struct wire wire = wire_over(buffer_slice(&page.rows));
    if (page.count > 0 && record_take_space_entry(&wire, &entry))
        buffer_append(text, entry.value.data, entry.value.size);
    buffer_append(text, "", 1);
    buffer_free(&page.rows);
    buffer_free(&page.next);
}

static void test_a_run_too_large_to_keep_asks_nobody_any_more(void **state)
{
    static const char text[] = "workflow: large\n"
                               "mode: live\n"
                               "on: [{webhook: orders}]\n"
                               "steps:\n"
                               "  - id: both\n"
                               "    parallel:\n"
                               "      asks:\n"
                               "        - id: question\n"
                               "          approve: {content: Well}\n"
                               "      grows:\n"
                               "        - id: each\n"
                               "          for_each: \"{{ trigger.body }}\"\n"
                               "          do:\n"
                               "            - id: ask\n"
                               "              generate: {prompt: p}\n"
                               "      sends:\n"
                               "        - id: mail\n"
                               "          email: {to: \"a@b.example\", subject: Hi, text: Hello}\n";
    struct bench *bench = bench_new((const char *[]){text, NULL});
    struct buffer result = {NULL, 0, 0}, approval = {NULL, 0, 0};
    char step[20];

    (void)state;
    store_subscribe(bench->store, ACTOR_PUBLISHER, SLICE("publish"), 0);
    bench_hook(bench, "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]");
    for (int i = 0; i < 61000; i++)
        buffer_text(&result, i == 0 ? "\"" : "x");
    buffer_append(&result, "\"", 2);
    for (int i = 0; i < 17; i++) {
        snprintf(step, sizeof(step), "ask#%d", i);
        if (bench_find(bench, step) != NULL)
            bench_end(bench, step, ERROR_OK, result.data);
    }
    bench_expect(bench, bench_newest(bench, "large"), "error.error", "too-large");
    stored(bench, "approval", "", &approval);
    assert_null(strstr(approval.data, "\"state\":\"open\""));
    assert_int_equal(count_jobs(bench, JOB_READY) + count_jobs(bench, JOB_WAITING), 0);
    buffer_free(&result);
    buffer_free(&approval);
    bench_free(bench);
}

/* Each approval of the run has a message that asks. */
static size_t put_messages(struct bench *bench)
{
    struct store_page page = {{NULL, 0, 0}, {NULL, 0, 0}, 0};
    struct buffer ops = {NULL, 0, 0};
    struct record_space_entry entry;
    size_t count = 0;

    assert_int_equal(
        store_read_page(bench->store,
                        &(struct msg_read){.what = READ_SPACE_SCAN, .space = SLICE("approval"), .limit = 100},
                        bench->fake->wall_ms, &page),
        ERROR_OK);
    struct wire wire = wire_over(buffer_slice(&page.rows));
    for (; count < page.count && record_take_space_entry(&wire, &entry); count++) {
        char key[100];
        snprintf(key, sizeof(key), "asked/%.*s/1", (int)entry.key.size, entry.key.data);
        op_put_put(&ops, &(struct op_put){SLICE("telegram"), slice_of(key), SLICE("[{\"chat\":\"1\",\"message\":2}]")});
    }
    assert_int_equal(bench_put(bench, &ops, NULL), ERROR_OK);
    buffer_free(&page.rows);
    buffer_free(&page.next);
    return count;
}

static void test_an_end_has_ids_for_all_it_has_to_tell(void **state)
{
#define MAILS(X, AT_ONCE)                                                                                              \
    "            m" X ":\n"                                                                                            \
    "              - id: each" X "\n"                                                                                  \
    "                for_each: \"{{ {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16} }}\"\n"                    \
    "                at_once: " AT_ONCE "\n"                                                                           \
    "                do:\n"                                                                                            \
    "                  - {id: mail" X ", email: {to: \"a@b.example\", subject: Hi, text: t}}\n"
    static const char text[] = "workflow: crowd\n"
                               "mode: live\n"
                               "on: [{webhook: orders}]\n"
                               "steps:\n"
                               "  - id: both\n"
                               "    parallel:\n"
                               "      asks:\n"
                               "        - id: each\n"
                               "          for_each: \"{{ {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14} }}\"\n"
                               "          at_once: 14\n"
                               "          do:\n"
                               "            - {id: question, approve: {content: Well}}\n"
                               "      goes:\n"
                               "        - {id: ask, generate: {prompt: p}}\n"
                               "        - id: many\n"
                               "          parallel:\n" MAILS("1", "16") MAILS("2", "16") MAILS("3", "16")
                                   MAILS("4", "8") "            stop:\n"
                                                   "              - {id: enough, end: enough}\n";
    struct bench *bench = bench_new((const char *[]){text, NULL});

    (void)state;
    store_subscribe(bench->store, ACTOR_PUBLISHER, SLICE("publish"), 0);
    bench_hook(bench, "{}");
    assert_int_equal(put_messages(bench), 14);
    bench_end(bench, "ask", ERROR_OK, "{}");
    bench_expect(bench, bench_newest(bench, "crowd"), "is", "done");
    assert_int_equal(count_jobs(bench, JOB_READY), 14); /* the messages are told, the mails are withdrawn */
    bench_free(bench);
}

/* ---- ends that cross ---- */

static void test_what_was_sent_while_its_run_was_cancelled_is_not_sent_again(void **state)
{
    struct bench *bench = bench_new((const char *[]){LISTENER("one"), NULL});
    uint64_t run;

    (void)state;
    bench_hook(bench, "{}");
    run = bench_newest(bench, "one");
    json_decref(bench_ask(bench, COMMAND_RUN_CANCEL, ERROR_OK, "{\"id\":%" PRIu64 "}", run));
    bench_end(bench, "mail", ERROR_OK, "{\"message_id\":\"x\"}");
    bench_pass(bench, 3000);
    bench_expect(bench, run, "is", "cancelled");
    bench_expect(bench, run, "steps.mail.state", "done");
    bench_expect(bench, run, "steps.mail.result.message_id", "x");
    assert_int_equal(fake_metric(bench->fake, METRIC_RUNS_CANCELLED, 0), 1);
    json_decref(bench_ask(bench, COMMAND_RUN_REPLAY, ERROR_OK, "{\"id\":%" PRIu64 ",\"from\":\"mail\"}", run));
    assert_null(bench_find(bench, "mail"));
    bench_expect(bench, bench_newest(bench, "one"), "steps.mail.state", "copied");
    bench_free(bench);
}

static void test_a_doubt_outlives_the_end_of_its_run(void **state)
{
    static const char text[] = "workflow: race\n"
                               "mode: live\n"
                               "on: [{webhook: orders}]\n"
                               "steps:\n"
                               "  - id: both\n"
                               "    parallel:\n"
                               "      slow:\n"
                               "        - id: mail\n"
                               "          email: {to: \"a@b.example\", subject: Hi, text: Hello}\n"
                               "      quick:\n"
                               "        - id: ask\n"
                               "          generate: {prompt: p}\n"
                               "        - id: enough\n"
                               "          end: enough\n";
    struct bench *bench = bench_new((const char *[]){text, NULL});
    struct buffer ops = {NULL, 0, 0};

    (void)state;
    bench_hook(bench, "{}");
    struct bench_work *mail = bench_find(bench, "mail");
    op_put_doubt(&ops, &(struct op_doubt){mail->job, mail->fence, SLICE("lost")});
    assert_int_equal(bench_put(bench, &ops, NULL), ERROR_OK);
    bench_end(bench, "ask", ERROR_OK, "{}");
    bench_expect(bench, bench_newest(bench, "race"), "is", "done");
    assert_int_equal(count_jobs(bench, JOB_DOUBT), 1);
    bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_body_too_deep_to_keep_fails_its_run),
        cmocka_unit_test(test_a_body_too_deep_to_hand_on_is_buried),
        cmocka_unit_test(test_an_input_too_deep_is_refused_at_once),
        cmocka_unit_test(test_a_zero_byte_is_a_mistake_of_the_expression),
        cmocka_unit_test(test_facts_and_ids_in_turns_come_to_an_end),
        cmocka_unit_test(test_a_currency_that_is_none_fails_its_step),
        cmocka_unit_test(test_an_amount_that_no_book_can_hold_fails_its_step),
        cmocka_unit_test(test_rows_that_find_no_room_wait_for_the_next_commit),
        cmocka_unit_test(test_large_inputs_go_out_in_portions),
        cmocka_unit_test(test_a_run_too_large_to_keep_asks_nobody_any_more),
        cmocka_unit_test(test_an_end_has_ids_for_all_it_has_to_tell),
        cmocka_unit_test(test_what_was_sent_while_its_run_was_cancelled_is_not_sent_again),
        cmocka_unit_test(test_a_doubt_outlives_the_end_of_its_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
