// SPDX-License-Identifier: MIT
/* The loaded workflows: which there are, and others in their place. */
#include "actors/scheduler/ask.h"
#include "actors/scheduler/scheduler.h"
#include <stdlib.h>
#include <string.h>

enum { PAGE_ROWS = 1000 };

/* ---- open runs by workflow: {NAME: count} ---- */

static void list_workflows(struct scheduler *scheduler, struct ask *ask);
static void end_reload(struct scheduler *scheduler, struct ask *ask);

static void count_on_page(struct scheduler *scheduler, struct ask *ask, const struct msg_page *msg)
{
    json_t *open = json_object_get(ask->state, "open");
    struct wire wire = wire_over(msg->rows);
    struct record_run_entry entry;
    char name[WORKFLOW_NAME_MAX + 1];

    for (uint64_t i = 0; i < msg->count && record_take_run_entry(&wire, &entry); i++) {
        if (entry.state != RUN_OPEN || entry.workflow.size == 0 || entry.workflow.size > WORKFLOW_NAME_MAX)
            continue;
        memcpy(name, entry.workflow.data, entry.workflow.size);
        name[entry.workflow.size] = '\0';
        json_object_set_new(open, name, json_integer(json_integer_value(json_object_get(open, name)) + 1));
    }
    if (msg->next.size > 0)
        ask_read(scheduler, ask, &(struct msg_read){.what = READ_RUNS, .from = msg->next, .limit = PAGE_ROWS},
                 count_on_page);
    else if (ask->command == COMMAND_WORKFLOWS)
        list_workflows(scheduler, ask);
    else
        end_reload(scheduler, ask);
}

static void count_open(struct scheduler *scheduler, struct ask *ask)
{
    json_object_set_new(ask->state, "open", json_object());
    ask_read(scheduler, ask, &(struct msg_read){.what = READ_RUNS, .limit = PAGE_ROWS}, count_on_page);
}

static json_int_t open_runs(const struct ask *ask, const char *workflow)
{
    return json_integer_value(json_object_get(json_object_get(ask->state, "open"), workflow));
}

/* ---- workflows ---- */

static json_t *trigger_text(const struct workflow_trigger *trigger)
{
    static const char *const kinds[] = {
        [TRIGGER_WEBHOOK] = "webhook", [TRIGGER_QUEUE] = "queue", [TRIGGER_SCHEDULE] = "schedule",
        [TRIGGER_SLOT] = "slot",       [TRIGGER_AFTER] = "after", [TRIGGER_MANUAL] = "manual",
        [TRIGGER_MESSAGE] = "message"};
    struct buffer text = {NULL, 0, 0};

    buffer_text(&text, kinds[trigger->kind]);
    if (trigger->name != NULL)
        buffer_printf(&text, " %s", trigger->name);
    if (trigger->kind == TRIGGER_SCHEDULE) {
        buffer_text(&text, " ");
        buffer_append(&text, trigger->cron_text.data, trigger->cron_text.size);
    }
    for (size_t i = 0; trigger->topics != NULL && trigger->topics[i] != NULL; i++)
        buffer_printf(&text, "%s%s", i == 0 ? ": " : ", ", trigger->topics[i]);
    json_t *value = json_stringn(text.data, text.size);
    buffer_free(&text);
    return value;
}

static void list_workflows(struct scheduler *scheduler, struct ask *ask)
{
    json_t *list = json_array();

    for (size_t i = 0; i < scheduler->workflow_count; i++) {
        const struct workflow *workflow = scheduler->workflows[i];
        json_t *triggers = json_array();
        for (size_t j = 0; j < workflow->trigger_count; j++)
            json_array_append_new(triggers, trigger_text(&workflow->triggers[j]));
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:o, s:s%, s:I, s:s?, s:s}", "workflow", workflow->name, "mode",
                                        workflow_mode_name(workflow->mode), "triggers", triggers, "version",
                                        workflow->hash, (size_t)12, "open_runs", open_runs(ask, workflow->name),
                                        "description", workflow->description, "file", workflow->file));
    }
    ask_done(scheduler, ask, json_pack("{s:o}", "workflows", list));
}

void ask_workflows(struct scheduler *scheduler, struct ask *ask)
{
    ask->state = json_object();
    count_open(scheduler, ask);
}

/* ---- workflow reload ---- */

static const struct workflow *find(struct workflow *const *workflows, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(workflows[i]->name, name) == 0)
            return workflows[i];
    return NULL;
}

static void warn(json_t *warnings, const struct workflow *workflow)
{
    struct buffer text = {NULL, 0, 0};
    char *line, *rest;

    workflow_warn(workflow, &text);
    buffer_append(&text, "", 1);
    for (line = strtok_r(text.data, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
        json_array_append_new(warnings, json_string(line));
    buffer_free(&text);
}

/* A mode that purser.yaml sets is no part of the file, and yet a change. */
static bool is_same(const struct workflow *old, const struct workflow *new)
{
    return strcmp(old->hash, new->hash) == 0 && old->mode == new->mode;
}

/* {added, changed, removed, unchanged: names, warnings: lines}, before the change is made. */
static json_t *compare(const struct scheduler *scheduler, const struct scheduler_workflows *news)
{
    json_t *added = json_array(), *changed = json_array(), *removed = json_array(), *warnings = json_array();
    json_int_t unchanged = 0;

    for (size_t i = 0; i < news->count; i++) {
        const struct workflow *new = news->workflows[i];
        const struct workflow *old = find(scheduler->workflows, scheduler->workflow_count, new->name);
        if (old != NULL && is_same(old, new)) {
            unchanged++;
            continue;
        }
        json_array_append_new(old == NULL ? added : changed, json_string(new->name));
        warn(warnings, new);
    }
    for (size_t i = 0; i < scheduler->workflow_count; i++)
        if (find(news->workflows, news->count, scheduler->workflows[i]->name) == NULL)
            json_array_append_new(removed, json_string(scheduler->workflows[i]->name));
    return json_pack("{s:o, s:o, s:o, s:I, s:o}", "added", added, "changed", changed, "removed", removed, "unchanged",
                     unchanged, "warnings", warnings);
}

void ask_workflow_reload(struct scheduler *scheduler, struct ask *ask)
{
    char problem[1000] = "";
    struct scheduler_workflows *news = actor_reload(scheduler->actor, problem, sizeof(problem));

    if (news == NULL) {
        ask_refuse(scheduler, ask, ERROR_INVALID, "%s; nothing was changed", problem);
        return;
    }
    ask->state = compare(scheduler, news);
    scheduler_take_workflows(scheduler, news->workflows, news->count);
    free(news);
    ACTOR_LOG(scheduler->actor, LOG_INFO, "workflows-reloaded", L_U64("count", scheduler->workflow_count));
    count_open(scheduler, ask);
}

static void end_reload(struct scheduler *scheduler, struct ask *ask)
{
    json_t *body = json_copy(ask->state), *removed = json_array(), *name;
    size_t i;

    json_array_foreach(json_object_get(ask->state, "removed"), i, name)
    {
        json_array_append_new(
            removed, json_pack("{s:O, s:I}", "workflow", name, "open_runs", open_runs(ask, json_string_value(name))));
    }
    json_object_set_new(body, "removed", removed);
    json_object_del(body, "open");
    ask_done(scheduler, ask, body);
}
