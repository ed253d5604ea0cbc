// SPDX-License-Identifier: MIT
#include "actors/scheduler/ask.h"
#include "proto/check.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

typedef void ask_function(struct scheduler *scheduler, struct ask *ask);

static ask_function *const functions[COMMAND_COUNT] = {
    [COMMAND_JOB_CANCEL] = ask_job_cancel,
    [COMMAND_WORKFLOWS] = ask_workflows,
    [COMMAND_WORKFLOW_RUN] = ask_workflow_run,
    [COMMAND_WORKFLOW_RELOAD] = ask_workflow_reload,
    [COMMAND_RUNS] = ask_runs,
    [COMMAND_RUN_SHOW] = ask_run_show,
    [COMMAND_RUN_CANCEL] = ask_run_cancel,
    [COMMAND_RUN_REPLAY] = ask_run_replay,
    [COMMAND_RUN_DIFF] = ask_run_diff,
    [COMMAND_SCHEDULES] = ask_schedules,
    [COMMAND_CALENDAR] = ask_calendar,
    [COMMAND_CALENDAR_DRAFTS] = ask_calendar_drafts,
    [COMMAND_CALENDAR_ADD] = ask_calendar_add,
    [COMMAND_CALENDAR_MOVE] = ask_calendar_move,
    [COMMAND_CALENDAR_EDIT] = ask_calendar_edit,
    [COMMAND_CALENDAR_REMOVE] = ask_calendar_remove,
    [COMMAND_CALENDAR_EXPORT] = ask_calendar_export,
    [COMMAND_CALENDAR_IMPORT] = ask_calendar_import,
    [COMMAND_APPROVALS] = ask_approvals,
    [COMMAND_APPROVAL_SHOW] = ask_approval_show,
    [COMMAND_APPROVE] = ask_approval_decide,
    [COMMAND_REJECT] = ask_approval_decide,
    [COMMAND_APPROVAL_EDIT] = ask_approval_decide,
    [COMMAND_APPROVAL_LATER] = ask_approval_decide,
    [COMMAND_EXPERIMENTS] = ask_experiments,
    [COMMAND_EXPERIMENT_SHOW] = ask_experiment_show,
};

/* ---- arguments ---- */

struct slice ask_text(const struct ask *ask, const char *name)
{
    return json_text_at(ask->arguments, name);
}

int64_t ask_number(const struct ask *ask, const char *name, int64_t otherwise)
{
    const json_t *value = json_object_get(ask->arguments, name);
    struct slice text = ask_text(ask, name);
    int64_t number = 0;

    if (json_is_integer(value))
        return json_integer_value(value);
    for (size_t i = 0; i < text.size && i < 18 && text.data[i] >= '0' && text.data[i] <= '9'; i++)
        number = number * 10 + (text.data[i] - '0');
    return text.size > 0 ? number : otherwise;
}

bool ask_flag(const struct ask *ask, const char *name)
{
    return json_is_true(json_object_get(ask->arguments, name));
}

/* ---- the answer ---- */

static void send_answer(struct scheduler *scheduler, uint64_t command_ticket, enum error error, json_t *body)
{
    struct buffer text = {NULL, 0, 0};

    json_write(&text, body);
    CHECK(send_command_done(scheduler->actor, ACTOR_SUPERVISOR,
                            &(struct msg_command_done){command_ticket, error, buffer_slice(&text)}) == ERROR_OK);
    buffer_free(&text);
    json_decref(body);
}

static void ask_end(struct scheduler *scheduler, struct ask *ask, enum error error, json_t *body)
{
    send_answer(scheduler, ask->command_ticket, error, body);
    json_decref(ask->arguments);
    json_decref(ask->state);
    *ask = (struct ask){0};
}

void ask_done(struct scheduler *scheduler, struct ask *ask, json_t *body)
{
    ask_end(scheduler, ask, ERROR_OK, body);
}

void ask_refuse(struct scheduler *scheduler, struct ask *ask, enum error error, const char *format, ...)
{
    char text[1200];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    text_end_whole(text);
    ask_end(scheduler, ask, error, json_pack("{s:s}", "message", text));
}

/* ---- the conversation ---- */

void ask_read(struct scheduler *scheduler, struct ask *ask, const struct msg_read *read,
              void (*on_page)(struct scheduler *, struct ask *, const struct msg_page *))
{
    struct msg_read asked = *read;

    asked.ticket = actor_ticket(scheduler->actor);
    if (store_read(scheduler->actor, &asked) != ERROR_OK) {
        ask_refuse(scheduler, ask, ERROR_FULL, "the store has too much to do; try again");
        return;
    }
    ask->ticket = asked.ticket;
    ask->on_page = on_page;
}

void ask_commit(struct scheduler *scheduler, struct ask *ask, const struct buffer *ops,
                void (*on_committed)(struct scheduler *, struct ask *, const struct msg_committed *))
{
    uint64_t ticket = actor_ticket(scheduler->actor);

    if (store_commit(scheduler->actor, ticket, ops) != ERROR_OK) {
        ask_refuse(scheduler, ask, ERROR_FULL, "the store has too much to do; try again");
        return;
    }
    ask->ticket = ticket;
    ask->on_committed = on_committed;
}

static struct ask *ask_by_ticket(struct scheduler *scheduler, uint64_t ticket)
{
    for (size_t i = 0; i < ASKS_MAX; i++)
        if (scheduler->asks[i].command_ticket != 0 && scheduler->asks[i].ticket == ticket)
            return &scheduler->asks[i];
    return NULL;
}

bool ask_on_page(struct scheduler *scheduler, const struct msg_page *msg)
{
    struct ask *ask = ask_by_ticket(scheduler, msg->ticket);

    if (ask == NULL)
        return false;
    CHECK(ask->on_page != NULL);
    void (*on_page)(struct scheduler *, struct ask *, const struct msg_page *) = ask->on_page;
    ask->ticket = 0;
    ask->on_page = NULL;
    if (msg->error == ERROR_OK || msg->error == ERROR_NOT_FOUND)
        on_page(scheduler, ask, msg);
    else
        ask_refuse(scheduler, ask, msg->error, "%s", error_doc(msg->error));
    return true;
}

static bool is_about_content(enum error error)
{
    return error == ERROR_OK || error == ERROR_HELD || error == ERROR_CONFLICT || error == ERROR_INVALID ||
           error == ERROR_NOT_FOUND || error == ERROR_FULL;
}

bool ask_on_committed(struct scheduler *scheduler, const struct msg_committed *msg)
{
    struct ask *ask = ask_by_ticket(scheduler, msg->ticket);

    if (ask == NULL)
        return false;
    CHECK(ask->on_committed != NULL);
    void (*on_committed)(struct scheduler *, struct ask *, const struct msg_committed *) = ask->on_committed;
    ask->ticket = 0;
    ask->on_committed = NULL;
    if (is_about_content(msg->error))
        on_committed(scheduler, ask, msg);
    else
        ask_refuse(scheduler, ask, msg->error, "%s", error_doc(msg->error));
    return true;
}

void ask_command(struct scheduler *scheduler, const struct msg_command *msg)
{
    struct json_problem problem;
    struct ask *ask = NULL;

    CHECK(msg->command < COMMAND_COUNT && functions[msg->command] != NULL);
    for (size_t i = 0; i < ASKS_MAX && ask == NULL; i++)
        if (scheduler->asks[i].command_ticket == 0)
            ask = &scheduler->asks[i];
    if (ask == NULL || scheduler->is_quiescing) {
        send_answer(scheduler, msg->ticket, ask == NULL ? ERROR_FULL : ERROR_SHUTDOWN,
                    json_pack("{s:s}", "message", error_doc(ask == NULL ? ERROR_FULL : ERROR_SHUTDOWN)));
        return;
    }
    *ask = (struct ask){.command_ticket = msg->ticket,
                        .command = (enum command_id)msg->command,
                        .arguments = json_read(msg->arguments, &problem)};
    functions[msg->command](scheduler, ask);
}

/* The supervisor's own deadline answers for what is not answered any more. */
void asks_stop(struct scheduler *scheduler)
{
    for (size_t i = 0; i < ASKS_MAX; i++) {
        json_decref(scheduler->asks[i].arguments);
        json_decref(scheduler->asks[i].state);
    }
    free(scheduler->asks);
}
