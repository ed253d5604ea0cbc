// SPDX-License-Identifier: MIT
#include "console/terminal/known_names.h"
#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 512, LISTED_BYTES_MAX = 200 };

/* NULL-terminated, as text_nearest() takes them. */
struct names {
    const char *at[NAMES_MAX + 1];
    size_t count;
};

static void add(struct names *names, const char *name)
{
    if (name != NULL && names->count < NAMES_MAX)
        names->at[names->count++] = name;
}

/* The keys of a section; with `field`, what each of its maps has there. */
static void add_section(struct names *names, const struct yaml_node *config, const char *section, const char *field)
{
    const struct yaml_node *map = yaml_get(config, section);

    for (const struct yaml_node *node = map != NULL && map->kind == YAML_MAP ? map->child : NULL; node != NULL;
         node = node->next) {
        const struct yaml_node *value = field != NULL ? yaml_get(node, field) : NULL;
        add(names, field == NULL ? node->key : value != NULL && value->kind == YAML_SCALAR ? value->text : NULL);
    }
}

/* One name that a workflow holds, and where a purser.yaml would say it. */
struct named {
    const char *what, *name, *section, *field;
    unsigned line;
};

static bool of_trigger(const struct workflow_trigger *trigger, struct named *named)
{
    static const struct {
        enum trigger_kind kind;
        const char *what, *section;
    } rows[] = {
        {TRIGGER_WEBHOOK, "hook", "hooks"}, {TRIGGER_QUEUE, "queue", "queues"}, {TRIGGER_SLOT, "channel", "channels"}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].kind == trigger->kind) {
            *named = (struct named){rows[i].what, trigger->name, rows[i].section, NULL, trigger->line};
            return trigger->name != NULL;
        }
    return false;
}

static bool of_step(const struct workflow_step *step, struct named *named)
{
    const char *secret = json_string_value(json_object_get(step->fields, "secret"));

    *named = (struct named){"secret under http_hosts", secret, "http_hosts", "secret", step->line};
    return step->skill != NULL && step->skill->id == SKILL_HTTP && secret != NULL;
}

/* The workflow's names one after the other: triggers first, then steps. */
static bool next_name(const struct workflow *workflow, size_t *at, struct named *named)
{
    while (*at < workflow->trigger_count + workflow->all_count) {
        size_t i = (*at)++;
        bool is_there = i < workflow->trigger_count ? of_trigger(&workflow->triggers[i], named)
                                                    : of_step(workflow->all[i - workflow->trigger_count], named);
        if (is_there)
            return true;
    }
    return false;
}

static bool fail(const struct workflow *workflow, const struct named *named, const struct names *known,
                 struct text_problem *problem)
{
    const char *near = text_nearest(named->name, known->at);
    struct buffer list = {NULL, 0, 0};

    for (size_t i = 0; near == NULL && i < known->count && list.size < LISTED_BYTES_MAX; i++)
        buffer_printf(&list, "%s%s", i > 0 ? ", " : "", known->at[i]);
    if (near != NULL)
        text_problem_set(problem, workflow->file, named->line, 1, "there is no %s \"%.64s\"; did you mean \"%s\"?",
                         named->what, named->name, near);
    else
        text_problem_set(problem, workflow->file, named->line, 1, "there is no %s \"%.64s\"; known: %.*s", named->what,
                         named->name, list.size > 0 ? (int)list.size : 4, list.size > 0 ? list.data : "none");
    buffer_free(&list);
    return false;
}

bool known_names_check(const struct yaml_node *config, const struct workflow *workflow, struct text_problem *problem)
{
    struct named named;

    for (size_t at = 0; workflow->mode != WORKFLOW_OFF && next_name(workflow, &at, &named);) {
        struct names known = {.count = 0};
        bool is_known = false;
        add_section(&known, config, named.section, named.field);
        for (size_t i = 0; i < known.count; i++)
            is_known = is_known || strcmp(known.at[i], named.name) == 0;
        if (!is_known)
            return fail(workflow, &named, &known, problem);
    }
    return true;
}

void known_names_list(const struct workflow *workflow, struct buffer *into)
{
    struct named named;
    size_t start = into->size;

    for (size_t at = 0; workflow->mode != WORKFLOW_OFF && next_name(workflow, &at, &named);)
        buffer_printf(into, "%s%s %s", into->size > start ? ", " : "", named.field != NULL ? named.field : named.what,
                      named.name);
}
