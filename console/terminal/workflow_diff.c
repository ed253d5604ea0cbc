// SPDX-License-Identifier: MIT
#include "console/terminal/workflow_commands.h"
#include "flow/workflow.h"
#include <stdlib.h>
#include <string.h>

enum { SHOWN_BYTES = 70 };

/* ---- a workflow as plain values, so that two can be compared field by field ---- */

static void put_text(json_t *into, const char *name, const char *text)
{
    if (text != NULL)
        json_object_set_new(into, name, json_string(text));
}

static void put_span(json_t *into, const char *name, int64_t ms)
{
    struct buffer text = {NULL, 0, 0};

    if (ms == 0)
        return;
    if (ms % 86400000 == 0)
        buffer_printf(&text, "%lldd", (long long)(ms / 86400000));
    else if (ms % 3600000 == 0)
        buffer_printf(&text, "%lldh", (long long)(ms / 3600000));
    else if (ms % 60000 == 0)
        buffer_printf(&text, "%lldm", (long long)(ms / 60000));
    else if (ms % 1000 == 0)
        buffer_printf(&text, "%llds", (long long)(ms / 1000));
    else
        buffer_printf(&text, "%lldms", (long long)ms);
    json_object_set_new(into, name, json_stringn(text.data, text.size));
    buffer_free(&text);
}

static json_t *head_of(const struct workflow *workflow)
{
    json_t *head = json_object();

    put_text(head, "workflow", workflow->name);
    put_text(head, "description", workflow->description);
    put_text(head, "mode", workflow_mode_name(workflow->mode));
    put_text(head, "unique", workflow->unique);
    if (workflow->result != NULL)
        json_object_set(head, "result", workflow->result);
    return head;
}

static void describe_schedule(struct buffer *into, const struct workflow_trigger *trigger)
{
    static const char *const missed[] = {
        [MISSED_SKIP] = "skip", [MISSED_ONCE] = "once", [MISSED_ALL] = "all", [MISSED_ASK] = "ask"};
    static const char *const overlap[] = {[OVERLAP_ALLOW] = "allow", [OVERLAP_SKIP] = "skip", [OVERLAP_WAIT] = "wait"};

    if (trigger->kind == TRIGGER_SCHEDULE) {
        buffer_printf(into, " %.*s", (int)trigger->cron_text.size, trigger->cron_text.data);
        buffer_printf(into, ", zone %s", trigger->schedule.zone != NULL ? trigger->schedule.zone : "of the shop");
        buffer_printf(into, ", jitter %llds", (long long)(trigger->schedule.jitter_ms / 1000));
    }
    buffer_printf(into, ", missed %s, grace %llds, overlap %s", missed[trigger->missed],
                  (long long)(trigger->grace_ms / 1000), overlap[trigger->overlap]);
    for (size_t i = 0; trigger->kind == TRIGGER_SCHEDULE && i < trigger->schedule.except_count; i++) {
        const struct schedule_days *days = &trigger->schedule.except[i];
        struct civil first = civil_of_seconds(days->first * CIVIL_DAY_S);
        struct civil last = civil_of_seconds(days->last * CIVIL_DAY_S);
        buffer_text(into, i == 0 ? ", except " : " ");
        if (!days->is_yearly)
            buffer_printf(into, "%04d-", (int)first.year);
        buffer_printf(into, "%02d-%02d", first.month, first.day);
        if (days->first != days->last && !days->is_yearly)
            buffer_printf(into, "..%04d-%02d-%02d", (int)last.year, last.month, last.day);
        else if (days->first != days->last)
            buffer_printf(into, "..%02d-%02d", last.month, last.day);
    }
}

static json_t *trigger_text(const struct workflow_trigger *trigger)
{
    static const char *const kinds[] = {
        [TRIGGER_WEBHOOK] = "webhook", [TRIGGER_QUEUE] = "queue", [TRIGGER_SCHEDULE] = "schedule",
        [TRIGGER_SLOT] = "slot",       [TRIGGER_AFTER] = "after", [TRIGGER_MANUAL] = "manual",
        [TRIGGER_MESSAGE] = "message",
    };
    static const char *const states[] = {[AFTER_ANY] = "any", [AFTER_DONE] = "done", [AFTER_FAILED] = "failed"};
    struct buffer text = {NULL, 0, 0};

    buffer_printf(&text, "%s%s%s", kinds[trigger->kind], trigger->name != NULL ? " " : "",
                  trigger->name != NULL ? trigger->name : "");
    for (size_t i = 0; trigger->topics != NULL && trigger->topics[i] != NULL; i++)
        buffer_printf(&text, "%s%s", i == 0 ? ", topic " : " ", trigger->topics[i]);
    if (trigger->kind == TRIGGER_AFTER)
        buffer_printf(&text, ", state %s", states[trigger->after]);
    if (trigger->kind == TRIGGER_SCHEDULE || trigger->kind == TRIGGER_SLOT)
        describe_schedule(&text, trigger);
    json_t *value = json_stringn(text.data, text.size);
    buffer_free(&text);
    return value;
}

static json_t *triggers_of(const struct workflow *workflow)
{
    json_t *list = json_array();

    for (size_t i = 0; i < workflow->trigger_count; i++)
        json_array_append_new(list, trigger_text(&workflow->triggers[i]));
    return list;
}

static bool block_has(const struct workflow_block *block, const struct workflow_step *step)
{
    return block != NULL && step >= block->steps && step < block->steps + block->step_count;
}

/* Where the step stands: "steps", "on_failure", "both.mail", "else of upload". */
static json_t *place_of(const struct workflow *workflow, const struct workflow_step *step)
{
    struct buffer text = {NULL, 0, 0};

    if (step->inside == NULL)
        buffer_text(&text, block_has(&workflow->on_failure, step) ? "on_failure" : "steps");
    else if (block_has(step->inside->otherwise_steps, step))
        buffer_printf(&text, "else of %s", step->inside->id);
    else
        buffer_printf(&text, "%s", step->inside->id);
    for (size_t i = 0; step->inside != NULL && i < step->inside->block_count; i++)
        if (block_has(&step->inside->blocks[i], step) && step->inside->block_count > 1)
            buffer_printf(&text, ".%s",
                          step->inside->blocks[i].name != NULL ? step->inside->blocks[i].name : "default");
    json_t *value = json_stringn(text.data, text.size);
    buffer_free(&text);
    return value;
}

static void put_inside(json_t *into, const struct workflow_step *step)
{
    static const char *const kinds[] = {
        [NODE_DO] = "do", [NODE_PARALLEL] = "parallel", [NODE_SWITCH] = "switch", [NODE_EACH] = "for_each"};

    put_text(into, "kind", kinds[step->kind]);
    put_text(into, step->kind == NODE_EACH ? "for_each" : "switch", step->of);
    if (step->kind != NODE_EACH)
        return;
    put_text(into, "as", step->item);
    json_object_set_new(into, "at_most", json_integer(step->at_most));
    json_object_set_new(into, "at_once", json_integer(step->at_once));
}

static void put_outside(json_t *into, const struct workflow_step *step)
{
    static const char *const unknown[] = {[UNKNOWN_ASK] = "ask", [UNKNOWN_RESEND] = "resend", [UNKNOWN_DROP] = "drop"};
    const char *name;
    json_t *value;

    put_text(into, "kind", step->skill->name);
    json_object_foreach(step->fields, name, value) json_object_set(into, name, value);
    if (step->skill->place == PLACE_LOCAL || step->skill->place == PLACE_WAIT)
        return;
    json_object_set_new(into, "retry.attempts", json_integer(step->attempts_max));
    put_span(into, "retry.first", step->retry_first_ms);
    put_span(into, "retry.max", step->retry_max_ms);
    put_span(into, "timeout", step->timeout_ms);
    if (step->skill->has_effect)
        put_text(into, "on_unknown", unknown[step->on_unknown]);
}

static json_t *step_of(const struct workflow *workflow, const struct workflow_step *step)
{
    json_t *value = json_object();

    json_object_set_new(value, "place", place_of(workflow, step));
    put_text(value, "when", step->when);
    put_span(value, "unreachable_after", step->unreachable_after_ms);
    if (step->otherwise != NULL)
        json_object_set(value, "else", step->otherwise);
    else if (step->otherwise_steps != NULL)
        put_text(value, "else", "steps");
    if (step->kind == NODE_SKILL)
        put_outside(value, step);
    else
        put_inside(value, step);
    return value;
}

/* ---- what differs ---- */

static json_t *list_of(json_t *report, const char *part, const char *name)
{
    return json_object_get(part != NULL ? json_object_get(report, part) : report, name);
}

/* [{field, old, new}] in the order of the names; a field that only one has is null in the other. */
static json_t *fields_diff(const json_t *old, const json_t *now)
{
    json_t *list = json_array(), *both = json_copy((json_t *)old), *value;
    const char *name;

    json_object_update_missing(both, (json_t *)now);
    json_object_foreach(both, name, value)
    {
        json_t *one = json_object_get(old, name), *two = json_object_get(now, name);
        if (one == NULL || two == NULL || !json_equal(one, two))
            json_array_append_new(list, json_pack("{s:s, s:O?, s:O?}", "field", name, "old", one, "new", two));
    }
    json_decref(both);
    return list;
}

static bool has_text(const json_t *list, const json_t *text)
{
    json_t *one;
    size_t index;

    json_array_foreach(list, index, one)
    {
        if (json_equal(one, text))
            return true;
    }
    return false;
}

/* The members of `list` that `other` does not have. */
static void without(json_t *into, const json_t *list, const json_t *other)
{
    json_t *one;
    size_t index;

    json_array_foreach(list, index, one)
    {
        if (!has_text(other, one))
            json_array_append(into, one);
    }
}

static size_t index_of(const struct workflow *workflow, const char *id)
{
    size_t i = 0;

    while (i < workflow->all_count && strcmp(workflow->all[i]->id, id) != 0)
        i++;
    return i;
}

/* The steps of both that keep their order: a longest rising row of old places. The others have been moved. */
static void find_moved(json_t *into, const struct workflow *old, const struct workflow *now)
{
    size_t *length = xcalloc(now->all_count + 1, sizeof(size_t)), *before = xcalloc(now->all_count + 1, sizeof(size_t));
    bool *stays = xcalloc(now->all_count + 1, sizeof(bool));
    size_t best = now->all_count;

    for (size_t i = 0; i < now->all_count; i++) {
        size_t place = index_of(old, now->all[i]->id);
        before[i] = now->all_count;
        if (place == old->all_count)
            continue;
        length[i] = 1;
        for (size_t k = 0; k < i; k++)
            if (length[k] + 1 > length[i] && length[k] > 0 && index_of(old, now->all[k]->id) < place) {
                length[i] = length[k] + 1;
                before[i] = k;
            }
        if (best == now->all_count || length[i] > length[best])
            best = i;
    }
    for (; best != now->all_count; best = before[best])
        stays[best] = true;
    for (size_t i = 0; i < now->all_count; i++)
        if (length[i] > 0 && !stays[i])
            json_array_append_new(into, json_string(now->all[i]->id));
    free(length);
    free(before);
    free(stays);
}

static void diff_steps(json_t *report, const struct workflow *old, const struct workflow *now)
{
    for (size_t i = 0; i < old->all_count; i++)
        if (index_of(now, old->all[i]->id) == now->all_count)
            json_array_append_new(list_of(report, "steps", "removed"), json_string(old->all[i]->id));
    for (size_t i = 0; i < now->all_count; i++) {
        size_t at = index_of(old, now->all[i]->id);
        if (at == old->all_count) {
            json_array_append_new(list_of(report, "steps", "added"), json_string(now->all[i]->id));
            continue;
        }
        json_t *one = step_of(old, old->all[at]), *two = step_of(now, now->all[i]), *fields = fields_diff(one, two);
        if (json_array_size(fields) > 0)
            json_array_append_new(list_of(report, "steps", "changed"),
                                  json_pack("{s:s, s:O}", "step", now->all[i]->id, "fields", fields));
        json_decref(fields);
        json_decref(one);
        json_decref(two);
    }
    find_moved(list_of(report, "steps", "moved"), old, now);
}

static bool is_same(const json_t *report)
{
    static const char *const lists[] = {"triggers.added", "triggers.removed", "steps.added", "steps.removed",
                                        "steps.moved",    "steps.changed",    "head"};
    size_t found = 0;

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        found += json_array_size(json_at(report, lists[i]));
    return found == 0 && json_equal(json_at(report, "rehearsals.old"), json_at(report, "rehearsals.new"));
}

static json_t *diff(const struct workflow *old, const struct workflow *now)
{
    json_t *before = head_of(old), *after = head_of(now), *were = triggers_of(old), *are = triggers_of(now);
    json_t *report =
        json_pack("{s:o, s:{s:[], s:[]}, s:{s:[], s:[], s:[], s:[]}, s:{s:I, s:I}}", "head", fields_diff(before, after),
                  "triggers", "added", "removed", "steps", "added", "removed", "moved", "changed", "rehearsals", "old",
                  (json_int_t)old->fixture_count, "new", (json_int_t)now->fixture_count);

    without(list_of(report, "triggers", "added"), are, were);
    without(list_of(report, "triggers", "removed"), were, are);
    diff_steps(report, old, now);
    json_object_set_new(report, "same", json_boolean(is_same(report)));
    json_decref(before);
    json_decref(after);
    json_decref(were);
    json_decref(are);
    return report;
}

/* ---- for people ---- */

static void show(struct buffer *into, const json_t *value)
{
    struct buffer text = {NULL, 0, 0};

    if (json_is_null(value) || value == NULL) {
        buffer_text(into, "nothing");
        return;
    }
    json_write(&text, value);
    struct slice shown = {text.data, text.size > SHOWN_BYTES ? SHOWN_BYTES : text.size};
    while (shown.size > 0 && !slice_is_utf8(shown))
        shown.size--;
    buffer_append(into, shown.data, shown.size);
    buffer_text(into, shown.size < text.size ? "..." : "");
    buffer_free(&text);
}

static void print_fields(struct buffer *into, const char *indent, const json_t *fields)
{
    json_t *field;
    size_t index;

    json_array_foreach(fields, index, field)
    {
        buffer_printf(into, "%s%s: ", indent, json_string_value(json_object_get(field, "field")));
        show(into, json_object_get(field, "old"));
        buffer_text(into, " -> ");
        show(into, json_object_get(field, "new"));
        buffer_text(into, "\n");
    }
}

static void print_names(struct buffer *into, const char *what, const json_t *names)
{
    json_t *name;
    size_t index;

    json_array_foreach(names, index, name) buffer_printf(into, "%s %s\n", what, json_string_value(name));
}

static void print_report(struct buffer *into, const json_t *report)
{
    json_t *step, *old = json_at(report, "rehearsals.old"), *now = json_at(report, "rehearsals.new");
    size_t index;

    if (json_is_true(json_object_get(report, "same"))) {
        buffer_text(into, "no difference\n");
        return;
    }
    print_fields(into, "", json_object_get(report, "head"));
    print_names(into, "- trigger", json_at(report, "triggers.removed"));
    print_names(into, "+ trigger", json_at(report, "triggers.added"));
    print_names(into, "- step", json_at(report, "steps.removed"));
    print_names(into, "+ step", json_at(report, "steps.added"));
    print_names(into, "moved: step", json_at(report, "steps.moved"));
    json_array_foreach(json_at(report, "steps.changed"), index, step)
    {
        buffer_printf(into, "changed: step %s\n", json_string_value(json_object_get(step, "step")));
        print_fields(into, "  ", json_object_get(step, "fields"));
    }
    if (!json_equal(old, now))
        buffer_printf(into, "rehearsals: %lld -> %lld\n", (long long)json_integer_value(old),
                      (long long)json_integer_value(now));
}

static struct workflow *read_one(const json_t *file, FILE *problems)
{
    struct text_problem problem;
    struct workflow *workflow = workflow_read_file(json_string_value(file), &problem);
    char text[800];

    if (workflow == NULL) {
        text_problem_print(&problem, text, sizeof(text));
        offline_refuse(problems, "%s", text);
    }
    return workflow;
}

int workflow_diff(const struct settings *settings, const json_t *arguments, FILE *out, FILE *problems)
{
    const json_t *files = json_object_get(arguments, "files");
    struct buffer text = {NULL, 0, 0};

    if (json_array_size(files) != 2)
        return offline_refuse(problems, "workflow diff takes two files, the old one first");
    struct workflow *old = read_one(json_array_get(files, 0), problems);
    struct workflow *now = old != NULL ? read_one(json_array_get(files, 1), problems) : NULL;
    int exit_code = now != NULL ? SESSION_OK : SESSION_REFUSED;
    if (now != NULL) {
        json_t *report = diff(old, now);
        print_report(&text, report);
        if (settings->json)
            offline_print_json(out, json_incref(report));
        else
            fwrite(text.data, 1, text.size, out);
        json_decref(report);
    }
    buffer_free(&text);
    workflow_destroy(&old);
    workflow_destroy(&now);
    return exit_code;
}
