// SPDX-License-Identifier: MIT
#include "actors/scheduler/state.h"
#include "proto/check.h"
#include <stdio.h>
#include <string.h>

enum { RUNS_DEFAULT = 20, RUNS_MAX = 1000 };

static void answer(struct scheduler *scheduler, uint64_t ticket, enum error error, json_t *body)
{
    struct buffer text = {NULL, 0, 0};

    json_write(&text, body);
    CHECK(send_command_done(scheduler->actor, ACTOR_SUPERVISOR,
                            &(struct msg_command_done){ticket, error, buffer_slice(&text)}) == ERROR_OK);
    buffer_free(&text);
    json_decref(body);
}

static void answer_error(struct scheduler *scheduler, uint64_t ticket, enum error error)
{
    answer(scheduler, ticket, error, json_pack("{s:s}", "message", error_doc(error)));
}

static json_int_t number_or(const json_t *arguments, const char *name, json_int_t otherwise)
{
    const json_t *value = json_object_get(arguments, name);
    struct slice text = json_text_at(arguments, name);
    json_int_t number = 0;

    if (json_is_integer(value))
        return json_integer_value(value);
    for (size_t i = 0; i < text.size && i < 18 && text.data[i] >= '0' && text.data[i] <= '9'; i++)
        number = number * 10 + (text.data[i] - '0');
    return text.size > 0 ? number : otherwise;
}

void ask_command(struct scheduler *scheduler, const struct msg_command *msg)
{
    struct json_problem problem;
    json_t *arguments = json_read(msg->arguments, &problem);
    struct msg_read read = {.ticket = actor_ticket(scheduler->actor), .what = READ_RUNS};
    struct slice workflow = json_text_at(arguments, "workflow");
    struct pending *pending = NULL;

    CHECK(msg->command == COMMAND_RUNS || msg->command == COMMAND_RUN_SHOW);
    for (size_t i = 0; i < ASKS_MAX && pending == NULL; i++)
        if (scheduler->pending[i].ticket == 0)
            pending = &scheduler->pending[i];
    json_int_t limit = number_or(arguments, "limit", RUNS_DEFAULT);
    read.limit = limit < 1 ? 1 : limit > RUNS_MAX || workflow.size > 0 ? RUNS_MAX : (uint64_t)limit;
    if (msg->command == COMMAND_RUN_SHOW) {
        read.what = READ_RUN;
        read.id = (uint64_t)number_or(arguments, "id", 0);
        read.limit = 1;
    }
    if (workflow.size > WORKFLOW_NAME_MAX)
        answer_error(scheduler, msg->ticket, ERROR_NOT_FOUND);
    else if (pending == NULL || store_read(scheduler->actor, &read) != ERROR_OK)
        answer_error(scheduler, msg->ticket, ERROR_FULL);
    else {
        *pending = (struct pending){read.ticket, msg->ticket, (enum command_id)msg->command, ""};
        snprintf(pending->workflow, sizeof(pending->workflow), "%.*s", (int)workflow.size,
                 workflow.size ? workflow.data : "");
    }
    json_decref(arguments);
}

static json_t *runs_json(const struct pending *pending, const struct msg_page *msg)
{
    json_t *list = json_array();
    struct wire wire = wire_over(msg->rows);
    struct record_run_entry entry;

    for (uint64_t i = 0; i < msg->count && record_take_run_entry(&wire, &entry); i++) {
        if (pending->workflow[0] != '\0' && !slice_is(entry.workflow, pending->workflow))
            continue;
        const char *state = entry.state < RUN_STATE_COUNT ? run_state_name((enum run_state)entry.state) : "unknown";
        json_array_append_new(list, json_pack("{s:I, s:s%, s:s, s:I}", "run", (json_int_t)entry.run, "workflow",
                                              entry.workflow.size ? entry.workflow.data : "", entry.workflow.size,
                                              "state", state, "changed_ms", (json_int_t)entry.changed_ms));
    }
    return json_pack("{s:o}", "runs", list);
}

static void show_run(struct scheduler *scheduler, const struct pending *pending, const struct msg_page *msg)
{
    struct wire wire = wire_over(msg->rows);
    struct record_run_entry entry;
    struct run run = {0};

    if (!record_take_run_entry(&wire, &entry) || entry.state >= RUN_STATE_COUNT || !run_read(&run, entry.record)) {
        answer_error(scheduler, pending->command_ticket, ERROR_CORRUPT);
        return;
    }
    run.id = entry.run;
    run.state = (enum run_state)entry.state;
    answer(scheduler, pending->command_ticket, ERROR_OK, run_show(&run, entry.workflow));
    run_fini(&run);
}

bool ask_on_page(struct scheduler *scheduler, const struct msg_page *msg)
{
    struct pending *pending = NULL;

    for (size_t i = 0; i < ASKS_MAX; i++)
        if (scheduler->pending[i].ticket == msg->ticket)
            pending = &scheduler->pending[i];
    if (pending == NULL)
        return false;
    if (msg->error != ERROR_OK)
        answer_error(scheduler, pending->command_ticket, msg->error);
    else if (pending->command == COMMAND_RUNS)
        answer(scheduler, pending->command_ticket, ERROR_OK, runs_json(pending, msg));
    else
        show_run(scheduler, pending, msg);
    *pending = (struct pending){0};
    return true;
}
