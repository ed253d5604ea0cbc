// SPDX-License-Identifier: MIT
#include "actors/ingress/ingress.h"
#include "config/config.h"
#include "flow/approval.h"
#include "proto/payloads.h"
#include "proto/text/json.h"
#include "tests/support/fake_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { OPS_MAX = 64 };
static const char who[] = "{\"ok\":true,\"result\":{\"id\":7000001,\"is_bot\":true,\"first_name\":\"Shop\"}}";

struct bench {
    struct config *config;
    struct approver approvers[1];
    struct fake *fake;
    json_t *approval;
    char button[80];
    struct op ops[OPS_MAX];
    size_t op_count;
};

static void set(char **option, const char *text)
{
    free(*option);
    *option = slice_dup(slice_of(text));
}

static int bench_open(void **state)
{
    struct bench *bench = xcalloc(1, sizeof(*bench));
    struct approval_question question = {.id = 77,
                                         .run = 5,
                                         .step = SLICE("ask"),
                                         .workflow = SLICE("post"),
                                         .content = SLICE("Fresh figs"),
                                         .need = 1,
                                         .remind_ms = 3600000,
                                         .expires_ms = 7200000};

    bench->config = config_default();
    set(&bench->config->telegram_token, "telegram/token");
    set(&bench->config->telegram_chat, "-7");
    bench->approvers[0] = (struct approver){.name = "ann", .telegram = "42"};
    bench->config->approvers = bench->approvers;
    bench->config->approver_count = 1;
    bench->fake = fake_new(&ingress_spec, bench->config);
    bench->approval = approval_make(&question, 1700000000000);
    snprintf(bench->button, sizeof(bench->button), "000000000000004d:%.16s",
             json_string_value(json_object_get(bench->approval, "hash")));
    assert_int_equal(fake_start(bench->fake), ERROR_OK);
    *state = bench;
    return 0;
}

static int bench_close(void **state)
{
    struct bench *bench = *state;

    fake_destroy(&bench->fake);
    bench->config->approvers = NULL;
    bench->config->approver_count = 0;
    config_free(&bench->config);
    json_decref(bench->approval);
    free(bench);
    return 0;
}

/* ---- steps of the talk ---- */

static const struct fake_request *request_of(struct bench *bench, const char *method)
{
    const struct fake_request *request = fake_request_next(bench->fake);

    assert_non_null(request);
    assert_non_null(memmem(request->call.url.data, request->call.url.size, method, strlen(method)));
    assert_int_equal(request->call.auth, AUTH_URL_TOKEN);
    return request;
}

static void answer(struct bench *bench, const char *method, int status, const char *body)
{
    fake_answer(bench->fake, request_of(bench, method)->ticket,
                &(struct answer){.error = ERROR_OK, .status = status, .body = slice_of(body)});
}

/* The offset that the open getUpdates call names; -1 for none. */
static json_int_t offset_of(struct bench *bench)
{
    struct json_problem problem;
    json_t *body = json_read(request_of(bench, "getUpdates")->call.body, &problem);
    json_int_t offset = json_object_get(body, "offset") ? json_integer_value(json_object_get(body, "offset")) : -1;

    json_decref(body);
    return offset;
}

static void give_page(struct bench *bench, const char *space, const char *key, const char *value)
{
    struct msg_read read;
    struct buffer rows = {NULL, 0, 0};

    assert_true(fake_take_read(bench->fake, &read));
    assert_int_equal(read.what, READ_SPACE_GET);
    assert_true(slice_is(read.space, space));
    assert_true(slice_is(read.from, key));
    if (value != NULL)
        record_put_space_entry(&rows, &(struct record_space_entry){
                                          .key = read.from, .version = 1, .value = slice_of(value)});
    fake_page(bench->fake, read.ticket, value != NULL ? ERROR_OK : ERROR_NOT_FOUND, &rows, value != NULL);
    buffer_free(&rows);
}

static void give_approval(struct bench *bench)
{
    struct buffer text = {NULL, 0, 0};

    json_write(&text, bench->approval);
    buffer_append(&text, "", 1);
    give_page(bench, "approval", "000000000000004d", text.data);
    buffer_free(&text);
}

static void begin_polling(struct bench *bench, const char *offset)
{
    answer(bench, "getMe", 200, who);
    give_page(bench, "telegram", "offset/7000001", offset);
}

static void give_press(struct bench *bench, int update, int user, int chat, const char *verb)
{
    char body[900];

    snprintf(body, sizeof(body),
             "{\"ok\":true,\"result\":[{\"update_id\":%d,\"callback_query\":{\"id\":\"q%d\",\"from\":{\"id\":%d},"
             "\"message\":{\"message_id\":9,\"chat\":{\"id\":%d},\"text\":\"Approve?\"},\"data\":\"p:%s:%s\"}}]}",
             update, update, user, chat, verb, bench->button);
    answer(bench, "getUpdates", 200, body);
}

/* Takes the commit under way apart and leaves it unanswered. */
static uint64_t take_ops(struct bench *bench)
{
    uint64_t ticket;

    bench->op_count = fake_take_ops(bench->fake, &ticket, bench->ops, OPS_MAX);
    return ticket;
}

static struct payload payload_at(const struct bench *bench, size_t at)
{
    struct payload payload;

    assert_int_equal(bench->ops[at].id, OP_PUSH);
    assert_true(payload_take(bench->ops[at].push.payload, &payload));
    return payload;
}

static void assert_offset(const struct bench *bench, const char *offset)
{
    const struct op *op = &bench->ops[bench->op_count - 1];

    assert_int_equal(op->id, OP_PUT);
    assert_true(slice_is(op->put.key, "offset/7000001"));
    assert_true(slice_is(op->put.value, offset));
}

static void assert_toast(struct bench *bench, const char *text)
{
    const struct fake_request *request = request_of(bench, "answerCallbackQuery");

    assert_non_null(memmem(request->call.body.data, request->call.body.size, text, strlen(text)));
    fake_answer(bench->fake, request->ticket, &(struct answer){.error = ERROR_TIMEOUT});
}

/* ---- tests ---- */

static void a_press_becomes_a_decision_in_the_commit_that_keeps_the_offset(void **state)
{
    struct bench *bench = *state;

    begin_polling(bench, NULL);
    assert_int_equal(offset_of(bench), -1);
    give_press(bench, 1001, 42, -7, "a");
    give_approval(bench);
    uint64_t ticket = take_ops(bench);
    assert_int_equal(bench->op_count, 3);
    assert_int_equal(bench->ops[0].id, OP_CLAIM);
    assert_true(slice_is(bench->ops[0].claim.key, "telegram/7000001/1001"));
    assert_int_equal(bench->ops[0].claim.skip, 1);
    struct payload payload = payload_at(bench, 1);
    assert_int_equal(payload.id, PAYLOAD_DECISION);
    assert_int_equal(payload.decision.approval, 77);
    assert_int_equal(payload.decision.run, 5);
    assert_true(slice_is(bench->ops[1].push.key, "5"));
    assert_true(slice_is(payload.decision.verb, "approve"));
    assert_true(slice_is(payload.decision.via, "telegram"));
    assert_true(slice_is(payload.decision.who, "42"));
    assert_true(slice_is(payload.decision.name, "ann"));
    assert_offset(bench, "1002");
    assert_null(fake_request_next(bench->fake));
    fake_committed(bench->fake, ticket, ERROR_OK, 1);
    assert_toast(bench, "Approved.");
    fake_advance(bench->fake, 1);
    assert_int_equal(offset_of(bench), 1002);
}

static void what_is_not_on_disk_is_asked_for_again(void **state)
{
    struct bench *bench = *state;

    begin_polling(bench, "900");
    assert_int_equal(offset_of(bench), 900);
    give_press(bench, 1001, 42, 42, "r");
    give_approval(bench);
    fake_committed(bench->fake, take_ops(bench), ERROR_FULL, 0);
    assert_null(fake_request_next(bench->fake));
    fake_advance(bench->fake, 1000);
    assert_int_equal(offset_of(bench), 900);
}

static void a_crash_before_the_commit_loses_nothing(void **state)
{
    struct bench *bench = *state;

    begin_polling(bench, "900");
    give_press(bench, 1001, 42, 42, "a");
    give_approval(bench);
    take_ops(bench);
    while (fake_request_next(bench->fake) != NULL)
        fake_answer(bench->fake, fake_request_next(bench->fake)->ticket, &(struct answer){.error = ERROR_TIMEOUT});
    assert_int_equal(fake_start(bench->fake), ERROR_OK);
    begin_polling(bench, "900");
    assert_int_equal(offset_of(bench), 900);
    give_press(bench, 1001, 42, 42, "a");
    give_approval(bench);
    take_ops(bench);
    assert_true(slice_is(bench->ops[0].claim.key, "telegram/7000001/1001"));
}

static void strangers_and_other_chats_decide_nothing(void **state)
{
    struct bench *bench = *state;

    begin_polling(bench, NULL);
    give_press(bench, 1001, 66, -7, "a");
    fake_committed(bench->fake, take_ops(bench), ERROR_OK, 0);
    assert_int_equal(bench->op_count, 1);
    assert_offset(bench, "1002");
    assert_toast(bench, "not on the list");
    fake_advance(bench->fake, 1);
    give_press(bench, 1002, 42, -999, "a");
    fake_committed(bench->fake, take_ops(bench), ERROR_OK, 0);
    assert_int_equal(bench->op_count, 1);
    assert_int_equal(fake_metric(bench->fake, METRIC_TELEGRAM_IGNORED, 0), 2);
    assert_null(memmem(bench->fake->log.data, bench->fake->log.size, "66", 2));
}

static void an_answered_question_is_said_to_be_so_and_loses_its_buttons(void **state)
{
    struct bench *bench = *state;

    json_object_set_new(bench->approval, "state", json_string("rejected"));
    begin_polling(bench, NULL);
    give_press(bench, 1001, 42, -7, "a");
    give_approval(bench);
    fake_committed(bench->fake, take_ops(bench), ERROR_OK, 1);
    struct payload payload = payload_at(bench, 1);
    assert_int_equal(payload.id, PAYLOAD_TASK);
    assert_non_null(memmem(payload.task.input.data, payload.task.input.size, "\"settle\"", 8));
    assert_toast(bench, "Too late: Rejected");
}

static void a_question_that_is_gone_is_said_to_be_so(void **state)
{
    struct bench *bench = *state;

    begin_polling(bench, NULL);
    give_press(bench, 1001, 42, -7, "a");
    give_page(bench, "approval", "000000000000004d", NULL);
    fake_committed(bench->fake, take_ops(bench), ERROR_OK, 0);
    assert_int_equal(bench->op_count, 1);
    assert_toast(bench, "not kept any more");
}

static void an_edit_is_asked_for_and_its_reply_decides(void **state)
{
    struct bench *bench = *state;
    char body[900];

    begin_polling(bench, NULL);
    give_press(bench, 1001, 42, 42, "e");
    give_approval(bench);
    fake_committed(bench->fake, take_ops(bench), ERROR_OK, 1);
    struct payload prompt = payload_at(bench, 1);
    assert_int_equal(prompt.id, PAYLOAD_TASK);
    assert_non_null(memmem(prompt.task.input.data, prompt.task.input.size, "\"prompt\"", 8));
    assert_toast(bench, "Reply to");
    fake_advance(bench->fake, 1);
    snprintf(body, sizeof(body),
             "{\"ok\":true,\"result\":[{\"update_id\":1002,\"message\":{\"message_id\":11,\"from\":{\"id\":42},"
             "\"chat\":{\"id\":42},\"date\":1700000000,\"text\":\"Fresh dates\",\"reply_to_message\":{\"message_id\":"
             "10,\"from\":{\"id\":7000001},\"text\":\"Reply to this\\n#edit %s\"}}}]}",
             bench->button);
    answer(bench, "getUpdates", 200, body);
    give_approval(bench);
    take_ops(bench);
    struct payload notice = payload_at(bench, 1), decision = payload_at(bench, 2);
    assert_int_equal(notice.id, PAYLOAD_TASK);
    assert_int_equal(decision.id, PAYLOAD_DECISION);
    assert_true(slice_is(decision.decision.verb, "edit"));
    assert_true(slice_is(decision.decision.text, "Fresh dates"));
    assert_int_equal(bench->ops[0].claim.skip, 2);
}

static void a_forged_prompt_is_a_plain_message(void **state)
{
    struct bench *bench = *state;
    char body[900];

    begin_polling(bench, NULL);
    snprintf(body, sizeof(body),
             "{\"ok\":true,\"result\":[{\"update_id\":1002,\"message\":{\"message_id\":11,\"from\":{\"id\":42,"
             "\"first_name\":\"Ann\",\"last_name\":\"Lee\"},\"chat\":{\"id\":-7},\"date\":1700000000,\"text\":\"Mine\","
             "\"reply_to_message\":{\"message_id\":10,\"from\":{\"id\":66},\"text\":\"#edit %s\"}}},"
             "{\"update_id\":1003,\"message\":{\"message_id\":12,\"from\":{\"id\":66},\"chat\":{\"id\":66},"
             "\"text\":\"let me in\"}},{\"update_id\":1004,\"edited_message\":{}}]}",
             bench->button);
    answer(bench, "getUpdates", 200, body);
    take_ops(bench);
    struct payload payload = payload_at(bench, 1);
    assert_int_equal(payload.id, PAYLOAD_MESSAGE);
    assert_true(slice_is(payload.message.channel, "telegram"));
    assert_true(slice_is(payload.message.name, "Ann Lee"));
    assert_true(slice_is(payload.message.text, "Mine"));
    assert_true(slice_is(payload.message.reply_to, "10"));
    assert_int_equal(payload.message.received_ms, 1700000000000);
    assert_int_equal(bench->op_count, 3);
    assert_offset(bench, "1005");
}

static void empty_answers_are_not_asked_for_in_a_circle(void **state)
{
    struct bench *bench = *state;

    begin_polling(bench, NULL);
    answer(bench, "getUpdates", 200, "{\"ok\":true,\"result\":[]}");
    assert_null(fake_request_next(bench->fake));
    fake_advance(bench->fake, 999);
    assert_null(fake_request_next(bench->fake));
    fake_advance(bench->fake, 1);
    fake_advance(bench->fake, 50000);
    answer(bench, "getUpdates", 200, "{\"ok\":true,\"result\":[]}");
    fake_advance(bench->fake, 1);
    assert_non_null(fake_request_next(bench->fake));
}

static void failures_are_waited_out(void **state)
{
    struct bench *bench = *state;
    int64_t waited_ms = 0;

    begin_polling(bench, NULL);
    for (int i = 0; i < 10; i++) {
        fake_answer(bench->fake, request_of(bench, "getUpdates")->ticket, &(struct answer){.error = ERROR_OFFLINE});
        for (waited_ms = 0; fake_request_next(bench->fake) == NULL; waited_ms += 500)
            fake_advance(bench->fake, 500);
    }
    assert_in_range(waited_ms, 60000, 66000);
    assert_int_equal(fake_logged(bench->fake, "telegram-not-heard"), 1);
    answer(bench, "getUpdates", 409, "{\"ok\":false,\"description\":\"Conflict: terminated by other getUpdates\"}");
    fake_advance(bench->fake, 29000);
    assert_null(fake_request_next(bench->fake));
    fake_advance(bench->fake, 3000);
    answer(bench, "getUpdates", 401, "{\"ok\":false,\"description\":\"Unauthorized\"}");
    fake_advance(bench->fake, 290000);
    assert_null(fake_request_next(bench->fake));
    fake_advance(bench->fake, 12000);
    answer(bench, "getUpdates", 200, "{\"ok\":true,\"result\":[]}");
    assert_int_equal(fake_logged(bench->fake, "telegram-heard"), 1);
}

static void stopping_asks_no_more(void **state)
{
    struct bench *bench = *state;

    begin_polling(bench, NULL);
    fake_deliver_quiesce(bench->fake, &(struct msg_quiesce){.deadline_ms = 2000000});
    give_press(bench, 1001, 42, -7, "a");
    assert_int_equal(fake_sent_count(bench->fake, MSG_READ), 0);
    fake_advance(bench->fake, 100000);
    assert_null(fake_request_next(bench->fake));
}

static void without_a_token_nobody_is_called(void **state)
{
    struct bench *bench = *state;

    fake_answer(bench->fake, request_of(bench, "getMe")->ticket, &(struct answer){.error = ERROR_OFFLINE});
    set(&bench->config->telegram_token, "");
    assert_int_equal(fake_start(bench->fake), ERROR_OK);
    fake_advance(bench->fake, 100000);
    assert_null(fake_request_next(bench->fake));
}

int main(void)
{
#define BENCH(test) cmocka_unit_test_setup_teardown(test, bench_open, bench_close)
    const struct CMUnitTest tests[] = {
        BENCH(a_press_becomes_a_decision_in_the_commit_that_keeps_the_offset),
        BENCH(what_is_not_on_disk_is_asked_for_again),
        BENCH(a_crash_before_the_commit_loses_nothing),
        BENCH(strangers_and_other_chats_decide_nothing),
        BENCH(an_answered_question_is_said_to_be_so_and_loses_its_buttons),
        BENCH(a_question_that_is_gone_is_said_to_be_so),
        BENCH(an_edit_is_asked_for_and_its_reply_decides),
        BENCH(a_forged_prompt_is_a_plain_message),
        BENCH(empty_answers_are_not_asked_for_in_a_circle),
        BENCH(failures_are_waited_out),
        BENCH(stopping_asks_no_more),
        BENCH(without_a_token_nobody_is_called),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
