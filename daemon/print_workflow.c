// SPDX-License-Identifier: MIT
#include "daemon/print_workflow.h"
#include "flow/workflow.h"
#include "proto/check.h"
#include <inttypes.h>
#include <string.h>

/* ---- small schemas; each gives a new reference ---- */

static json_t *packed(json_t *value)
{
    CHECK(value != NULL);
    return value;
}

static json_t *ref(const char *name)
{
    char path[64] = "#/definitions/";

    strncat(path, name, sizeof path - strlen(path) - 1);
    return packed(json_pack("{s:s}", "$ref", path));
}

static json_t *typed(const char *type)
{
    return packed(json_pack("{s:s}", "type", type));
}

static json_t *pattern(const char *text)
{
    return packed(json_pack("{s:s, s:s}", "type", "string", "pattern", text));
}

static json_t *list_of(json_t *items, int most)
{
    return packed(json_pack("{s:s, s:i, s:i, s:o}", "type", "array", "minItems", 1, "maxItems", most, "items", items));
}

static json_t *map_of(json_t *values)
{
    return packed(json_pack("{s:s, s:o}", "type", "object", "additionalProperties", values));
}

/* `names` divided by '|'. */
static json_t *choice(const char *names)
{
    json_t *list = json_array();

    for (const char *at = names; *at != '\0';) {
        size_t size = strcspn(at, "|");
        json_array_append_new(list, json_stringn(at, size));
        at += size + (at[size] == '|');
    }
    return packed(json_pack("{s:o}", "enum", list));
}

static json_t *either(json_t *one, json_t *two)
{
    return packed(json_pack("{s:[o, o]}", "anyOf", one, two));
}

static json_t *object(json_t *properties)
{
    return packed(json_pack("{s:s, s:b, s:o}", "type", "object", "additionalProperties", 0, "properties", properties));
}

static json_t *described(json_t *schema, const char *doc)
{
    json_t *whole = json_object_get(schema, "$ref") == NULL ? schema : packed(json_pack("{s:[o]}", "allOf", schema));

    json_object_set_new(whole, "description", json_string(doc));
    return whole;
}

static void put(json_t *properties, const char *name, json_t *schema, const char *doc)
{
    json_object_set_new(properties, name, doc == NULL ? schema : described(schema, doc));
}

static void require(json_t *schema, const char *names)
{
    json_t *list = choice(names);

    json_object_set(schema, "required", json_object_get(list, "enum"));
    json_decref(list);
}

/* ---- the skills ---- */

static json_t *bounded(const char *type, const struct skill_field *field)
{
    json_t *schema = typed(type);

    if (field->low != INT64_MIN)
        json_object_set_new(schema, "minimum", json_integer(field->low));
    if (field->high != INT64_MAX)
        json_object_set_new(schema, "maximum", json_integer(field->high));
    return either(schema, field->kind == FIELD_integer ? pattern("\\{\\{|^-?[0-9]+$") : ref("expression"));
}

static json_t *field_schema(const struct skill_field *field)
{
    switch (field->kind) {
    case FIELD_name:
        return ref("name");
    case FIELD_path:
        return ref("path");
    case FIELD_choice:
        return choice(field->choices);
    case FIELD_integer:
        return bounded("integer", field);
    case FIELD_number:
        return bounded("number", field);
    case FIELD_flag:
        return either(typed("boolean"), ref("expression"));
    case FIELD_duration:
        return either(ref("duration"), ref("expression"));
    case FIELD_value:
        return json_object();
    case FIELD_map:
    case FIELD_literal:
        return typed("object");
    default:
        return ref("text");
    }
}

static json_t *skill_schema(const struct skill *skill)
{
    json_t *properties = json_object(), *required = json_array(), *whole, *first;

    for (size_t i = 0; i < skill->field_count; i++) {
        put(properties, skill->fields[i].name, field_schema(&skill->fields[i]), skill->fields[i].doc);
        if (skill->fields[i].is_required)
            json_array_append_new(required, json_string(skill->fields[i].name));
    }
    whole = object(properties);
    if (json_array_size(required) > 0)
        json_object_set(whole, "required", required);
    json_decref(required);
    first = packed(json_pack("{s:[o, {s:{s:s}}]}", "allOf", field_schema(&skill->fields[0]), "not", "type", "object"));
    if (!skill->fields[0].is_required)
        first = either(first, typed("null"));
    return described(either(whole, first), skill->doc);
}

/* ---- steps ---- */

static json_t *retry_schema(void)
{
    json_t *properties = json_object();

    put(properties, "attempts", packed(json_pack("{s:s, s:i, s:i}", "type", "integer", "minimum", 1, "maximum", 100)),
        "Charged attempts before it is given up; without it 5");
    put(properties, "first", ref("duration"), "First pause; without it 2s");
    put(properties, "max", ref("duration"), "Longest pause; without it 10m");
    return object(properties);
}

static json_t *count_schema(int most)
{
    return packed(json_pack("{s:s, s:i, s:i}", "type", "integer", "minimum", 1, "maximum", most));
}

static void put_common(json_t *properties)
{
    put(properties, "id", ref("id"), "Later steps call it steps.ID");
    put(properties, "when", ref("expression"), "The step is passed over when this is nil, false or empty");
    put(properties, "with", typed("object"), "The other fields when the first one stands behind the skill's name");
    put(properties, "else", either(typed("object"), ref("steps")),
        "When the step fails for good or is unreachable: the result that takes its place, or steps that are done");
    put(properties, "unreachable_after", ref("duration"), "How long it may wait for the service before else");
    put(properties, "retry", retry_schema(), "Attempts and the pauses between them");
    put(properties, "timeout", ref("duration"), "Longest time of one call; without it the service's own option");
    put(properties, "on_unknown", choice("ask|resend|drop"), "What to do when the answer was lost; without it ask");
}

static void put_composites(json_t *properties)
{
    put(properties, "do", ref("steps"), "Steps one after the other");
    put(properties, "parallel",
        packed(json_pack("{s:s, s:i, s:i, s:o}", "type", "object", "minProperties", 2, "maxProperties",
                         WORKFLOW_BLOCKS_MAX, "additionalProperties", ref("steps"))),
        "Named branches, side by side");
    put(properties, "switch", ref("expression"), "The case whose name equals this value is done");
    put(properties, "cases", map_of(ref("steps")), "switch: VALUE: [steps]");
    put(properties, "default", ref("steps"), "switch: when no case fits");
    put(properties, "for_each", ref("expression"), "The steps under do once for each item of this list");
    put(properties, "as", ref("id"), "for_each: the name of the item; without it item");
    put(properties, "at_most", count_schema(WORKFLOW_ITEMS_MAX), "for_each: a longer list fails; without it 100");
    put(properties, "at_once", count_schema(WORKFLOW_AT_ONCE_MAX), "for_each: items under way together; without it 1");
}

static json_t *step_schema(void)
{
    static const char *const makers[] = {"parallel", "switch", "for_each"};
    json_t *properties = json_object(), *kinds = json_array(), *step;

    put_common(properties);
    put_composites(properties);
    for (size_t i = 0; i < SKILLS_COUNT; i++) {
        json_object_set_new(properties, skills[i].name, skill_schema(&skills[i]));
        json_array_append_new(kinds, packed(json_pack("{s:[s]}", "required", skills[i].name)));
    }
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++)
        json_array_append_new(kinds, packed(json_pack("{s:[s]}", "required", makers[i])));
    json_array_append_new(kinds,
                          packed(json_pack("{s:[s], s:{s:[s]}}", "required", "do", "not", "required", "for_each")));
    step = object(properties);
    require(step, "id");
    json_object_set_new(step, "dependencies",
                        packed(json_pack("{s:[s], s:[s], s:[s], s:[s], s:[s], s:[s], s:[s], s:[s]}", "switch", "cases",
                                         "cases", "switch", "default", "switch", "for_each", "do", "as", "for_each",
                                         "at_most", "for_each", "at_once", "for_each", "unreachable_after", "else")));
    json_object_set_new(step, "oneOf", kinds);
    return step;
}

/* ---- triggers ---- */

static void put_policies(json_t *properties)
{
    put(properties, "missed", choice("skip|once|all|ask"),
        "What happens with times that passed while Purser was down; without it once");
    put(properties, "grace", ref("duration"), "A time missed by no more than this is on time; without it 1h");
    put(properties, "overlap", choice("allow|skip|wait"),
        "What happens while a run that it began is still open; without it allow");
}

static json_t *schedule_schema(void)
{
    json_t *properties = json_object(), *schedule;

    put(properties, "cron", typed("string"), "minute hour day month weekday, or @hourly, @daily, ...");
    put(properties, "zone", typed("string"), "Like Europe/Berlin; without it the shop's");
    put(properties, "jitter", ref("duration"), "Spread over this time, always the same for the same occurrence");
    put(properties, "except",
        packed(json_pack("{s:s, s:i, s:o}", "type", "array", "maxItems", SCHEDULE_DAYS_MAX, "items", typed("string"))),
        "Days without it: 2026-12-25, 12-25, 12-24..12-26");
    put_policies(properties);
    schedule = object(properties);
    require(schedule, "cron");
    return schedule;
}

static json_t *trigger_schema(void)
{
    static const char *const makers[] = {"webhook", "queue", "schedule", "slot", "after", "manual", "message"};
    json_t *properties = json_object(), *kinds = json_array(), *trigger;

    put(properties, "webhook", ref("name"), "A hook of the configuration: POST /hooks/NAME");
    put(properties, "topic", either(ref("path"), list_of(ref("path"), WORKFLOW_TOPICS_MAX)),
        "webhook: these topics only");
    put(properties, "queue", ref("name"), "A queue of the configuration");
    put(properties, "schedule", schedule_schema(), "The clock says so");
    put(properties, "slot", ref("name"), "A slot of this channel of the content calendar");
    put_policies(properties);
    put(properties, "after", ref("name"), "The end of a run of this workflow");
    put(properties, "state", choice("done|failed|any"), "after: how that run ended; without it done");
    put(properties, "manual", packed(json_pack("{s:[b]}", "enum", 1)), "A person, by console or dashboard");
    put(properties, "message", choice("telegram|mail"), "A message that came in");
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++)
        json_array_append_new(kinds, packed(json_pack("{s:[s]}", "required", makers[i])));
    trigger = object(properties);
    json_object_set_new(trigger, "dependencies",
                        packed(json_pack("{s:[s], s:[s], s:[s], s:[s], s:[s]}", "topic", "webhook", "state", "after",
                                         "missed", "slot", "grace", "slot", "overlap", "slot")));
    json_object_set_new(trigger, "oneOf", kinds);
    return trigger;
}

/* ---- rehearsals ---- */

static json_t *answer_schema(void)
{
    json_t *properties = json_object();

    put(properties, "result", json_object(), "The step's result");
    put(properties, "error", typed("string"), "It fails so: a name of docs/reference/errors.md");
    put(properties, "text", typed("string"), "Why it fails, or the edited text of an approval");
    put(properties, "decision", choice("approved|edited|rejected|expired"), "approve: what the person says");
    put(properties, "by", typed("string"), "approve: who");
    return either(object(properties), choice("unreachable"));
}

static json_t *expect_schema(void)
{
    json_t *properties = json_object();

    put(properties, "state", choice("open|done|failed|cancelled"), "How the run ends; without it done");
    put(properties, "error", typed("string"), "A part of the run's error");
    put(properties, "effects", packed(json_pack("{s:s, s:o}", "type", "array", "items", typed("object"))),
        "All that the outside would see, in order: skill or step, and inputs");
    put(properties, "steps",
        map_of(choice("done|else|skipped|shadow|failed|cancelled|waiting|running|copied|not begun")),
        "States of steps");
    put(properties, "books", typed("object"), "What books hold then");
    put(properties, "store", typed("object"), "What is kept then, by key");
    put(properties, "result", json_object(), "The run's result");
    return object(properties);
}

static json_t *fixture_schema(void)
{
    json_t *properties = json_object(), *fixture;

    put(properties, "name", typed("string"), "What it shows");
    put(properties, "trigger", typed("object"), "What expressions see as trigger; what is missing is filled in");
    put(properties, "body_file", typed("string"), "JSON file that becomes trigger.body, from this folder on");
    put(properties, "now", typed("string"), "The moment of the begin; without it 2026-01-05T09:00:00Z, a Monday");
    put(properties, "store", typed("object"), "What is kept already, by key");
    put(properties, "answers",
        map_of(either(ref("answer"),
                      packed(json_pack("{s:s, s:i, s:o}", "type", "array", "minItems", 1, "items", ref("answer"))))),
        "What comes back, by step: one answer, or a list of them used one after the other");
    put(properties, "expect", expect_schema(), "What must come out");
    fixture = object(properties);
    require(fixture, "name|expect");
    return fixture;
}

/* ---- the whole ---- */

static json_t *definitions(void)
{
    json_t *all = json_object();

    put(all, "name", pattern("^[a-z0-9_-]{1,64}$"), NULL);
    put(all, "path", pattern("^[a-z0-9_./-]{1,64}$"), NULL);
    put(all, "id", pattern("^[a-z][a-z0-9_]{0,63}$"), NULL);
    put(all, "duration", pattern("^[0-9]{1,10}(ms|s|m|h|d)$"), NULL);
    put(all, "expression", pattern("\\{\\{"), NULL);
    put(all, "text", packed(json_pack("{s:[s, s, s]}", "type", "string", "number", "boolean")), NULL);
    put(all, "steps", list_of(ref("step"), WORKFLOW_STEPS_MAX), NULL);
    put(all, "step", step_schema(), NULL);
    put(all, "trigger", trigger_schema(), NULL);
    put(all, "answer", answer_schema(), NULL);
    put(all, "fixture", fixture_schema(), NULL);
    return all;
}

static int append(const char *text, size_t size, void *into)
{
    buffer_append(into, text, size);
    return 0;
}

void print_schema(struct buffer *into)
{
    json_t *properties = json_object(), *schema;

    put(properties, "workflow", ref("name"), "Its name");
    put(properties, "description", typed("string"), "For people");
    put(properties, "mode", choice("off|shadow|live"), "shadow: everything but the outside effect");
    put(properties, "on", list_of(ref("trigger"), WORKFLOW_TRIGGERS_MAX), "What begins a run");
    put(properties, "unique", ref("text"), "Key under which there is one run, ever");
    put(properties, "steps", ref("steps"), "What a run does");
    put(properties, "on_failure", ref("steps"), "Done when the run fails; these see error");
    put(properties, "result", json_object(), "The run's result; without it the last step's");
    put(properties, "tests", list_of(ref("fixture"), WORKFLOW_FIXTURES_MAX), "Rehearsals: purser workflow test");
    schema = object(properties);
    require(schema, "workflow|mode|on|steps");
    json_object_set_new(schema, "$schema", json_string("http://json-schema.org/draft-07/schema#"));
    json_object_set_new(schema, "title", json_string("Purser workflow"));
    json_object_set_new(schema, "definitions", definitions());
    CHECK(json_dump_callback(schema, append, into, JSON_INDENT(1)) == 0);
    buffer_text(into, "\n");
    json_decref(schema);
}

static const char *kind_name(enum field_kind kind)
{
    static const char *const names[] = {"name", "path", "choice",   "line",  "text", "integer", "number",
                                        "flag", "time", "duration", "value", "map",  "literal"};

    return names[kind];
}

static const char *place_text(const struct skill *skill)
{
    switch (skill->place) {
    case PLACE_LOCAL:
        return "Done at once, inside Purser";
    case PLACE_WAIT:
        return "The run waits";
    default:
        return "Work for a service: it has attempts, a timeout and an else";
    }
}

static void print_bounds(struct buffer *into, const struct skill_field *field)
{
    switch (field->kind) {
    case FIELD_choice:
        for (const char *at = field->choices; *at != '\0'; at++)
            if (*at == '|')
                buffer_text(into, ", ");
            else
                buffer_append(into, at, 1);
        break;
    case FIELD_line:
    case FIELD_text:
        buffer_printf(into, "%" PRId64 " to %" PRId64 " bytes", field->low, field->high);
        break;
    case FIELD_integer:
    case FIELD_number:
        if (field->low != INT64_MIN)
            buffer_printf(into, "%" PRId64 " to %" PRId64, field->low, field->high);
        break;
    case FIELD_duration:
        buffer_printf(into, "%" PRId64 "s to %" PRId64 "d", (field->low + 999) / 1000, field->high / 86400000);
        break;
    default:
        break;
    }
}

void print_workflow(struct buffer *into)
{
    buffer_text(into, "# Steps of a workflow\n\nEvery skill and its inputs. Those with * are required; the first one "
                      "may stand behind the skill's name, with the others under `with`. What surrounds them is in "
                      "[workflows.md](../workflows.md).\n");
    for (size_t i = 0; i < SKILLS_COUNT; i++) {
        const struct skill *skill = &skills[i];
        buffer_printf(into, "\n## `%s`\n\n%s %s.%s\n\n| input | kind | bounds | meaning |\n|---|---|---|---|\n",
                      skill->name, skill->doc, place_text(skill),
                      skill->has_effect ? " The outside sees it, so `on_unknown` applies." : "");
        for (size_t k = 0; k < skill->field_count; k++) {
            const struct skill_field *field = &skill->fields[k];
            buffer_printf(into, "| `%s`%s | %s | ", field->name, field->is_required ? " *" : "",
                          kind_name(field->kind));
            print_bounds(into, field);
            buffer_printf(into, " | %s |\n", field->doc);
        }
    }
}
