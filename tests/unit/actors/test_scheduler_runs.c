// SPDX-License-Identifier: MIT
#include "tests/unit/actors/scheduler_bench.h"

/* ---- trees ---- */

static const char tree_text[] = "workflow: tree\n"
                                "mode: live\n"
                                "on: [{manual: true}]\n"
                                "steps:\n"
                                "  - id: both\n"
                                "    parallel:\n"
                                "      mail:\n"
                                "        - id: mail\n"
                                "          email: {to: \"a@b.example\", subject: Hi, text: Hello}\n"
                                "      note:\n"
                                "        - id: ask\n"
                                "          generate: {prompt: p}\n"
                                "        - id: count\n"
                                "          count: {book: asked}\n"
                                "    else: {who: nobody}\n"
                                "  - id: each\n"
                                "    for_each: \"{{ {'x', 'y', 'z'} }}\"\n"
                                "    at_once: 2\n"
                                "    do:\n"
                                "      - id: send\n"
                                "        email: {to: \"{{ item }}@b.example\", subject: Hi, text: Hello}\n"
                                "  - id: rest\n"
                                "    delay: 2h\n"
                                "  - id: last\n"
                                "    count: {book: ended}\n";

static void test_branches_items_and_a_delay(void **state)
{
    struct bench *bench = bench_new((const char *[]){tree_text, NULL});
    uint64_t run = bench_begin(bench, "tree");

    (void)state;
    bench_end(bench, "mail", ERROR_REFUSED, "null"); /* the other branch goes on */
    bench_expect(bench, run, "steps.both.state", "running");
    bench_end(bench, "ask", ERROR_OK, "{\"text\":\"x\"}");
    bench_expect(bench, run, "steps.count.state", "done");
    bench_expect(bench, run, "steps.both.state", "else");
    assert_non_null(bench_find(bench, "send#0"));
    assert_non_null(bench_find(bench, "send#1"));
    assert_null(bench_find(bench, "send#2"));
    bench_end(bench, "send#1", ERROR_OK, "{\"n\":1}");
    assert_non_null(bench_find(bench, "send#2"));
    bench_end(bench, "send#2", ERROR_OK, "{\"n\":2}");
    bench_end(bench, "send#0", ERROR_OK, "{\"n\":0}");
    bench_expect(bench, run, "steps.each.result", "[{\"n\":0},{\"n\":1},{\"n\":2}]");
    bench_expect(bench, run, "steps.rest.state", "waiting");
    bench_pass(bench, 7190000);
    bench_expect(bench, run, "is", "open");
    bench_pass(bench, 20000);
    bench_expect(bench, run, "is", "done");
    bench_expect(bench, run, "steps.mail.attempts", "1");
    assert_int_equal(fake_metric(bench->fake, METRIC_RUNS_ENDED, 0), 1);
    bench_free(bench);
}

static void test_work_past_one_commit_goes_on_in_the_next(void **state)
{
    static const char text[] = "workflow: many\n"
                               "mode: live\n"
                               "on: [{manual: true}]\n"
                               "steps:\n"
                               "  - id: each\n"
                               "    for_each: \"{{ trigger.body }}\"\n"
                               "    at_most: 1000\n"
                               "    do:\n"
                               "      - id: add\n"
                               "        count: {book: items}\n";
    struct bench *bench = bench_new((const char *[]){text, NULL});
    struct buffer input = {NULL, 0, 0};

    (void)state;
    for (int i = 0; i < 700; i++)
        buffer_printf(&input, "%s%d", i > 0 ? "," : "[", i);
    buffer_printf(&input, "]");
    buffer_append(&input, "", 1);
    /* longer than a console line: pushed as it would be */
    struct buffer trigger = {NULL, 0, 0}, payload = {NULL, 0, 0};
    buffer_printf(&trigger, "{\"kind\":\"manual\",\"body\":%s}", input.data);
    payload_put_start(&payload, &(struct payload_start){.workflow = SLICE("many"), .trigger = buffer_slice(&trigger)});
    bench_push_flow(bench, &payload, "");
    bench_expect(bench, bench_newest(bench, "many"), "is", "done");
    bench_expect(bench, bench_newest(bench, "many"), "steps.each.count", "700");
    buffer_free(&trigger);
    buffer_free(&input);
    bench_free(bench);
}

/* ---- facts ---- */

static const char kept_text[] = "workflow: kept\n"
                                "mode: live\n"
                                "on: [{webhook: orders}]\n"
                                "steps:\n"
                                "  - id: seen\n"
                                "    get: {key: \"n\", missing: 0}\n"
                                "  - id: more\n"
                                "    put: {key: \"n\", value: \"{{ steps.seen.result + 1 }}\"}\n"
                                "  - id: again\n"
                                "    get: n\n"
                                "  - id: pass\n"
                                "    throttle: {key: k, limit: 1, per: 1h}\n";

static void test_facts_are_read_and_guarded(void **state)
{
    struct bench *bench = bench_new((const char *[]){kept_text, NULL});
    uint64_t first, second;

    (void)state;
    bench_hook(bench, "{}");
    first = bench_newest(bench, "kept");
    bench_expect(bench, first, "steps.seen.result", "0");
    bench_expect(bench, first, "steps.again.result", "1");
    bench_expect(bench, first, "steps.pass.result.passed", "true");
    bench->is_refusing = true; /* somebody else changed it meanwhile */
    bench_hook(bench, "{}");
    assert_int_equal(bench_newest(bench, "kept"), first);
    bench_pass(bench, 1000);
    second = bench_newest(bench, "kept");
    assert_true(second != first);
    bench_expect(bench, second, "steps.again.result", "2");
    bench_expect(bench, second, "steps.pass.result.passed", "false");
    bench_free(bench);
}

static void test_a_run_that_asks_much_is_answered_in_portions(void **state)
{
    static const char text[] = "workflow: curious\n"
                               "mode: live\n"
                               "on: [{webhook: orders}]\n"
                               "steps:\n"
                               "  - id: each\n"
                               "    for_each: \"{{ trigger.body }}\"\n"
                               "    do:\n"
                               "      - id: read\n"
                               "        get: \"{{ item }}\"\n";
    struct bench *bench = bench_new((const char *[]){text, NULL});
    struct buffer body = {NULL, 0, 0};
    uint64_t run;

    (void)state;
    for (int i = 0; i < 70; i++)
        buffer_printf(&body, "%s\"k%d\"", i > 0 ? "," : "[", i);
    buffer_append(&body, "]", 2);
    bench_hook(bench, body.data);
    run = bench_newest(bench, "curious");
    bench_expect(bench, run, "is", "done");
    bench_expect(bench, run, "steps.read#69.state", "done");
    buffer_free(&body);
    bench_free(bench);
}

static void test_figures_of_the_store(void **state)
{
    static const char text[] = "workflow: report\n"
                               "mode: live\n"
                               "on: [{manual: true}]\n"
                               "steps:\n"
                               "  - id: add\n"
                               "    count: {book: visits, amount: 3}\n"
                               "  - id: pause\n"
                               "    delay: 1s\n"
                               "  - id: books\n"
                               "    figures: books\n"
                               "  - id: queues\n"
                               "    figures: queues\n"
                               "  - id: runs\n"
                               "    figures: runs\n";
    struct bench *bench = bench_new((const char *[]){text, NULL});
    uint64_t run = bench_begin(bench, "report");

    (void)state;
    bench_pass(bench, 2000);
    bench_expect(bench, run, "is", "done");
    bench_free(bench);
}

/* ---- calls and what follows ---- */

static const char parent_text[] = "workflow: parent\n"
                                  "mode: live\n"
                                  "on: [{manual: true}]\n"
                                  "steps:\n"
                                  "  - id: sub\n"
                                  "    call: {workflow: child, input: {n: 4}}\n"
                                  "    else: {got: nothing}\n"
                                  "  - id: note\n"
                                  "    log: \"got {{ steps.sub.result.got }}\"\n";
static const char child_text[] = "workflow: child\n"
                                 "mode: live\n"
                                 "on: [{manual: true}]\n"
                                 "steps:\n"
                                 "  - id: mail\n"
                                 "    email: {to: \"a@b.example\", subject: Hi, text: \"{{ trigger.body.n }}\"}\n"
                                 "result: {got: \"{{ trigger.body.n + 1 }}\"}\n";
static const char after_text[] = "workflow: follower\n"
                                 "mode: live\n"
                                 "on: [{after: parent}]\n"
                                 "steps:\n"
                                 "  - id: note\n"
                                 "    log: \"after {{ trigger.run }} {{ trigger.state }}\"\n";

static void test_a_called_run_tells_its_result(void **state)
{
    struct bench *bench = bench_new((const char *[]){parent_text, child_text, after_text, NULL});
    uint64_t parent = bench_begin(bench, "parent"), child = bench_newest(bench, "child");
    char text[80];

    (void)state;
    bench_expect(bench, parent, "steps.sub.state", "waiting");
    bench_expect(bench, child, "trigger.kind", "call");
    bench_expect(bench, child, "depth", "1");
    bench_end(bench, "mail", ERROR_OK, "{}");
    bench_expect(bench, child, "is", "done");
    bench_expect(bench, parent, "is", "done");
    bench_expect(bench, parent, "steps.note.result.text", "got 5");
    snprintf(text, sizeof(text), "after %" PRIu64 " done", parent);
    bench_expect(bench, bench_newest(bench, "follower"), "steps.note.result.text", text);
    bench_free(bench);
}

static void test_a_call_that_cannot_be_never_hangs(void **state)
{
    static const char off_text[] = "workflow: child\n"
                                   "mode: \"off\"\n"
                                   "on: [{manual: true}]\n"
                                   "steps:\n"
                                   "  - id: note\n"
                                   "    log: x\n";
    struct bench *bench = bench_new((const char *[]){parent_text, NULL});
    uint64_t run = bench_begin(bench, "parent");

    (void)state;
    bench_expect(bench, run, "is", "done");
    bench_expect(bench, run, "steps.sub.state", "else");
    bench_free(bench);
    bench = bench_new((const char *[]){parent_text, off_text, NULL});
    run = bench_begin(bench, "parent");
    bench_expect(bench, run, "steps.sub.state", "else");
    assert_int_equal(bench_count_runs(bench, "child"), 0);
    bench_free(bench);
}

static void test_runs_that_call_each_other_end_at_a_depth(void **state)
{
    struct bench *bench = bench_new((const char *[]){child_text, NULL});
    struct buffer payload = {NULL, 0, 0};

    (void)state;
    payload_put_start(&payload, &(struct payload_start){.workflow = SLICE("child"),
                                                        .trigger = SLICE("{\"kind\":\"manual\"}"),
                                                        .depth = MACHINE_DEPTH_MAX + 1});
    bench_push_flow(bench, &payload, "");
    assert_int_equal(bench_count_runs(bench, "child"), 0);
    assert_int_equal(fake_logged(bench->fake, "run-refused"), 1);
    bench_free(bench);
}

/* ---- cancel ---- */

static void test_a_run_is_cancelled_when_nothing_is_in_hand(void **state)
{
    struct bench *bench = bench_new((const char *[]){tree_text, NULL});
    uint64_t run = bench_begin(bench, "tree");
    struct buffer ops = {NULL, 0, 0};
    struct bench_work *mail = bench_find(bench, "mail");
    uint64_t doubted = mail->job;

    (void)state;
    /* The mail is in doubt: that stays for its owner. The other job is in a worker's hand. */
    op_put_doubt(&ops, &(struct op_doubt){mail->job, mail->fence, SLICE("lost")});
    assert_int_equal(bench_put(bench, &ops, NULL), ERROR_OK);
    bench_forget(bench, mail);
    json_decref(bench_ask(bench, COMMAND_RUN_CANCEL, ERROR_OK, "{\"id\":%" PRIu64 "}", run));
    bench_pass(bench, 3000);
    bench_expect(bench, run, "is", "open");
    store_release(bench->store, bench_find(bench, "ask")->job, bench_find(bench, "ask")->fence);
    store_subscribe(bench->store, ACTOR_AI_WORKER, SLICE("ai"), 0);
    bench_forget(bench, bench_find(bench, "ask"));
    bench_pass(bench, 2000);
    bench_expect(bench, run, "is", "cancelled");
    bench_expect(bench, run, "cancelled_by", "console");
    assert_int_equal(fake_metric(bench->fake, METRIC_RUNS_CANCELLED, 0), 1);
    struct store_page page = {{NULL, 0, 0}, {NULL, 0, 0}, 0};
    assert_int_equal(store_read_page(bench->store, &(struct msg_read){.what = READ_JOB, .id = doubted, .limit = 1},
                                     bench->fake->wall_ms, &page),
                     ERROR_OK);
    buffer_free(&page.rows);
    char text[60];
    snprintf(text, sizeof(text), "{\"id\":%" PRIu64 "}", run);
    bench_refused(bench, COMMAND_RUN_CANCEL, ERROR_INVALID, text, "has ended already: cancelled");
    bench_refused(bench, COMMAND_RUN_CANCEL, ERROR_NOT_FOUND, "{\"id\":1}", "there is no run 1");
    /* It may have been sent, so it is not repeated before its owner has said what became of it. */
    bench_expect(bench, run, "steps.mail.in_doubt", "true");
    bench_refused(bench, COMMAND_RUN_REPLAY, ERROR_INVALID, text, "step mail is in doubt; settle its job first");
    json_decref(bench_ask(bench, COMMAND_JOB_CANCEL, ERROR_OK, "{\"id\":%" PRIu64 "}", doubted));
    bench_pass(bench, 2000);
    json_decref(bench_ask(bench, COMMAND_RUN_REPLAY, ERROR_OK, "{\"id\":%" PRIu64 "}", run));
    bench_free(bench);
}

static void test_an_end_waits_for_what_it_would_withdraw(void **state)
{
    static const char text[] = "workflow: race\n"
                               "mode: live\n"
                               "on: [{manual: true}]\n"
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
    uint64_t run = bench_begin(bench, "race");

    (void)state;
    bench_end(bench, "ask", ERROR_OK, "{\"text\":\"x\"}");
    bench_pass(bench, 5000);
    bench_expect(bench, run, "is", "open"); /* the mail is in a worker's hand */
    bench_end(bench, "mail", ERROR_OK, "{}");
    bench_pass(bench, 2000);
    bench_expect(bench, run, "is", "done");
    bench_pass(bench, 5000);
    bench_expect(bench, run, "is", "done");
    bench_free(bench);
}

static void test_a_cancelled_run_takes_those_it_called_with_it(void **state)
{
    struct bench *bench = bench_new((const char *[]){parent_text, child_text, NULL});
    uint64_t parent = bench_begin(bench, "parent"), child = bench_newest(bench, "child");
    struct bench_work *mail = bench_find(bench, "mail");

    (void)state;
    store_subscribe(bench->store, ACTOR_PUBLISHER, SLICE("publish"), 0);
    store_release(bench->store, mail->job, mail->fence);
    json_decref(bench_ask(bench, COMMAND_RUN_CANCEL, ERROR_OK, "{\"id\":%" PRIu64 "}", parent));
    bench_pass(bench, 2000);
    bench_expect(bench, parent, "is", "cancelled");
    bench_expect(bench, child, "is", "cancelled");
    bench_free(bench);
}

/* ---- replay ---- */

static const char mails_text[] = "workflow: mails\n"
                                 "mode: live\n"
                                 "unique: \"{{ trigger.body.id }}\"\n"
                                 "on: [{webhook: orders}]\n"
                                 "steps:\n"
                                 "  - id: one\n"
                                 "    email: {to: \"a@b.example\", subject: Hi, text: Hello}\n"
                                 "  - id: two\n"
                                 "    email: {to: \"c@d.example\", subject: Hi, text: Hello}\n";

static void test_a_replay_does_not_repeat_what_was_done(void **state)
{
    struct bench *bench = bench_new((const char *[]){mails_text, NULL});
    uint64_t old, new;
    char text[80];
    json_t *body;

    (void)state;
    bench_hook(bench, "{\"id\":7}");
    old = bench_newest(bench, "mails");
    snprintf(text, sizeof(text), "{\"id\":%" PRIu64 "}", old);
    bench_refused(bench, COMMAND_RUN_REPLAY, ERROR_INVALID, text, "still open");
    bench_end(bench, "one", ERROR_OK, "{\"message_id\":\"x\"}");
    bench_end(bench, "two", ERROR_REFUSED, "null");
    bench_expect(bench, old, "is", "failed");
    snprintf(text, sizeof(text), "{\"id\":%" PRIu64 ",\"from\":\"none\"}", old);
    bench_refused(bench, COMMAND_RUN_REPLAY, ERROR_INVALID, text, "no step \"none\"");
    body = bench_ask(bench, COMMAND_RUN_REPLAY, ERROR_OK, "{\"id\":%" PRIu64 "}", old);
    new = (uint64_t)json_integer_value(json_object_get(body, "run"));
    json_decref(body);
    assert_null(bench_find(bench, "one"));
    bench_expect(bench, new, "steps.one.state", "copied");
    snprintf(text, sizeof(text), "{\"from\":\"two\",\"of\":%" PRIu64 "}", old);
    bench_expect(bench, new, "replay", text);
    bench_end(bench, "two", ERROR_OK, "{\"message_id\":\"y\"}");
    bench_expect(bench, new, "is", "done");
    json_decref(
        bench_ask(bench, COMMAND_RUN_REPLAY, ERROR_OK, "{\"id\":%" PRIu64 ",\"from\":\"one\",\"redo\":true}", new));
    assert_non_null(bench_find(bench, "one"));
    body = bench_ask(bench, COMMAND_RUN_DIFF, ERROR_OK, "{\"one\":%" PRIu64 ",\"two\":%" PRIu64 "}", old, new);
    assert_true(json_array_size(json_object_get(body, "steps")) > 0);
    json_decref(body);
    bench_hook(bench, "{\"id\":7}"); /* the key stays taken */
    assert_int_equal(bench_count_runs(bench, "mails"), 3);
    bench_free(bench);
}

static void test_old_runs_are_reduced(void **state)
{
    struct bench *bench = bench_new((const char *[]){mails_text, NULL});
    uint64_t run;
    char text[80];

    (void)state;
    bench_hook(bench, "{\"id\":8,\"who\":\"Ada\"}");
    run = bench_newest(bench, "mails");
    bench_end(bench, "one", ERROR_REFUSED, "null");
    bench_expect(bench, run, "trigger.body.who", "Ada");
    bench_pass(bench, bench->config->replay_keep_ms - 7200000);
    bench_expect(bench, run, "trigger.body.who", "Ada");
    bench_pass(bench, 3 * 7200000);
    bench_expect(bench, run, "trigger.body.who", "");
    bench_expect(bench, run, "trigger.topic", "orders/create");
    assert_int_equal(fake_logged(bench->fake, "runs-reduced"), 1);
    snprintf(text, sizeof(text), "{\"id\":%" PRIu64 "}", run);
    bench_refused(bench, COMMAND_RUN_REPLAY, ERROR_INVALID, text, "not kept any more");
    bench_pass(bench, bench->config->run_keep_ms - bench->config->replay_keep_ms);
    assert_null(bench_record(bench, run)); /* its age counts from its end */
    bench_free(bench);
}

/* ---- by hand, and lists ---- */

static void test_workflows_are_begun_by_hand(void **state)
{
    struct bench *bench = bench_new((const char *[]){child_text, mails_text, NULL});
    json_t *body;
    uint64_t run;

    (void)state;
    bench_refused(bench, COMMAND_WORKFLOW_RUN, ERROR_NOT_FOUND, "{\"name\":\"none\"}", "no workflow \"none\"");
    bench_refused(bench, COMMAND_WORKFLOW_RUN, ERROR_INVALID, "{\"name\":\"mails\"}", "manual: true");
    bench_refused(bench, COMMAND_WORKFLOW_RUN, ERROR_MALFORMED, "{\"name\":\"child\",\"input\":\"{\"}", "input:");
    body = bench_ask(bench, COMMAND_WORKFLOW_RUN, ERROR_OK,
                     "{\"name\":\"child\",\"input\":\"{\\\"n\\\":1}\",\"shadow\":true}");
    run = (uint64_t)json_integer_value(json_object_get(body, "run"));
    assert_non_null(strstr(json_string_value(json_object_get(body, "message")), "run show"));
    json_decref(body);
    bench_expect(bench, run, "mode", "shadow");
    bench_expect(bench, run, "is", "done");
    bench_expect(bench, run, "result.got", "2");
    run = bench_begin(bench, "child");
    body = bench_ask(bench, COMMAND_WORKFLOWS, ERROR_OK, "{}");
    assert_int_equal(json_integer_value(json_at(body, "workflows.0.open_runs")), 1);
    assert_true(slice_is(json_text_at(body, "workflows.1.triggers.0"), "webhook orders"));
    json_decref(body);
    bench_free(bench);
}

static void test_runs_are_filtered_over_pages(void **state)
{
    struct bench *bench = bench_new((const char *[]){kept_text, child_text, NULL});
    json_t *body;

    (void)state;
    for (int i = 0; i < 1010; i++)
        bench_hook(bench, "{}");
    uint64_t first = bench_begin(bench, "child");
    body = bench_ask(bench, COMMAND_RUNS, ERROR_OK, "{\"state\":\"open\"}");
    assert_int_equal(json_array_size(json_object_get(body, "runs")), 1);
    assert_int_equal(json_integer_value(json_at(body, "runs.0.run")), first);
    json_decref(body);
    assert_int_equal(bench_count_runs(bench, "kept"), 1000);
    bench_pass(bench, 60000);
    body = bench_ask(bench, COMMAND_RUNS, ERROR_OK, "{\"since\":\"30s\"}");
    assert_int_equal(json_array_size(json_object_get(body, "runs")), 0);
    json_decref(body);
    body = bench_ask(bench, COMMAND_RUNS, ERROR_OK, "{\"since\":\"2m\"}");
    assert_int_equal(json_array_size(json_object_get(body, "runs")), 20);
    json_decref(body);
    bench_refused(bench, COMMAND_RUNS, ERROR_INVALID, "{\"since\":\"yesterday\"}", "how long ago");
    bench_refused(bench, COMMAND_RUNS, ERROR_INVALID, "{\"state\":\"bad\"}", "open, done");
    bench_free(bench);
}

static void test_messages_begin_runs(void **state)
{
    static const char text[] = "workflow: talk\n"
                               "mode: live\n"
                               "on: [{message: telegram}]\n"
                               "steps:\n"
                               "  - id: note\n"
                               "    log: \"{{ trigger.name }}: {{ trigger.text }}\"\n";
    struct bench *bench = bench_new((const char *[]){text, NULL});
    struct buffer payload = {NULL, 0, 0};

    (void)state;
    payload_put_message(&payload, &(struct payload_message){.channel = SLICE("telegram"),
                                                            .chat = SLICE("1"),
                                                            .sender = SLICE("2"),
                                                            .name = SLICE("Ann"),
                                                            .text = SLICE("hello"),
                                                            .message_id = SLICE("3"),
                                                            .received_ms = 5});
    bench_push_flow(bench, &payload, "");
    bench_expect(bench, bench_newest(bench, "talk"), "steps.note.result.text", "Ann: hello");
    bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_branches_items_and_a_delay),
        cmocka_unit_test(test_work_past_one_commit_goes_on_in_the_next),
        cmocka_unit_test(test_facts_are_read_and_guarded),
        cmocka_unit_test(test_a_run_that_asks_much_is_answered_in_portions),
        cmocka_unit_test(test_figures_of_the_store),
        cmocka_unit_test(test_a_called_run_tells_its_result),
        cmocka_unit_test(test_a_call_that_cannot_be_never_hangs),
        cmocka_unit_test(test_runs_that_call_each_other_end_at_a_depth),
        cmocka_unit_test(test_a_run_is_cancelled_when_nothing_is_in_hand),
        cmocka_unit_test(test_an_end_waits_for_what_it_would_withdraw),
        cmocka_unit_test(test_a_cancelled_run_takes_those_it_called_with_it),
        cmocka_unit_test(test_a_replay_does_not_repeat_what_was_done),
        cmocka_unit_test(test_old_runs_are_reduced),
        cmocka_unit_test(test_workflows_are_begun_by_hand),
        cmocka_unit_test(test_runs_are_filtered_over_pages),
        cmocka_unit_test(test_messages_begin_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
