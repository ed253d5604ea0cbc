// SPDX-License-Identifier: MIT
#include "flow/workflow_read.h"
#include <stdlib.h>
#include <string.h>

enum { GRACE_MS_STANDARD = 3600000, JITTER_MS_MAX = 86400000 };

static bool read_topics(struct workflow_reader *reader, const struct yaml_node *node, struct workflow_trigger *trigger)
{
    const struct yaml_node *item = node->kind == YAML_LIST ? node->child : node;
    size_t count = node->kind == YAML_LIST ? node->count : 1;

    if (node->kind == YAML_MAP || count == 0 || count > WORKFLOW_TOPICS_MAX)
        return wrong_at(reader, node, "topic wants 1 to %d topics; write orders/create or [orders/create, orders/paid]",
                        WORKFLOW_TOPICS_MAX);
    trigger->topics = xcalloc(count + 1, sizeof *trigger->topics);
    for (size_t i = 0; i < count; i++, item = item->next)
        if (!read_name(reader, item, "the topic", true, &trigger->topics[i]))
            return false;
    return true;
}

static bool read_zone(struct workflow_reader *reader, const struct yaml_node *node, struct schedule *schedule)
{
    const char *name = read_scalar(reader, node, "zone");
    struct zone *zone;

    if (name == NULL)
        return false;
    zone = zone_open(name);
    if (zone == NULL)
        return wrong_at(reader, node, "there is no time zone \"%.64s\"; write one like Europe/Berlin or UTC", name);
    zone_close(&zone);
    schedule->zone = slice_dup(slice_of(name));
    return true;
}

static bool read_except(struct workflow_reader *reader, const struct yaml_node *node, struct schedule *schedule)
{
    char problem[CRON_PROBLEM_BYTES];

    if (node->kind != YAML_LIST || node->count > SCHEDULE_DAYS_MAX)
        return wrong_at(reader, node, "except wants a list of up to %d days; write [\"12-24..12-26\", \"2026-05-14\"]",
                        SCHEDULE_DAYS_MAX);
    schedule->except = xcalloc(node->count + 1, sizeof *schedule->except);
    for (const struct yaml_node *day = node->child; day != NULL; day = day->next) {
        if (read_scalar(reader, day, "the day") == NULL)
            return false;
        if (!schedule_days_read((struct slice){day->text, day->size}, &schedule->except[schedule->except_count++],
                                problem))
            return wrong_at(reader, day, "%s", problem);
    }
    return true;
}

bool read_policies(struct workflow_reader *reader, const struct yaml_node *map, struct workflow_trigger *trigger)
{
    static const char *const missed_names[] = {"skip", "once", "all", "ask", NULL};
    static const char *const overlap_names[] = {"allow", "skip", "wait", NULL};
    const struct yaml_node *missed = yaml_get(map, "missed"), *overlap = yaml_get(map, "overlap");
    const struct yaml_node *grace = yaml_get(map, "grace");
    int missed_policy = MISSED_ONCE, overlap_policy = OVERLAP_ALLOW;

    trigger->grace_ms = GRACE_MS_STANDARD;
    if ((missed != NULL && !read_choice(reader, missed, "missed", missed_names, &missed_policy)) ||
        (overlap != NULL && !read_choice(reader, overlap, "overlap", overlap_names, &overlap_policy)))
        return false;
    trigger->missed = (enum missed_policy)missed_policy;
    trigger->overlap = (enum overlap_policy)overlap_policy;
    return grace == NULL || read_duration(reader, grace, "grace", 1, DURATION_MS_MAX, &trigger->grace_ms);
}

static bool read_schedule(struct workflow_reader *reader, const struct yaml_node *node,
                          struct workflow_trigger *trigger)
{
    static const char *const keys[] = {"cron", "zone", "missed", "grace", "jitter", "except", "overlap", NULL};
    const struct yaml_node *cron, *zone, *jitter, *except;
    char problem[CRON_PROBLEM_BYTES];

    if (!read_keys(reader, node, keys))
        return false;
    cron = yaml_get(node, "cron");
    zone = yaml_get(node, "zone");
    jitter = yaml_get(node, "jitter");
    except = yaml_get(node, "except");
    if (cron == NULL)
        return wrong_at(reader, node, "the schedule lacks cron; write {cron: \"0 9 * * *\", zone: Europe/Berlin}");
    if (read_scalar(reader, cron, "cron") == NULL)
        return false;
    if (!cron_parse((struct slice){cron->text, cron->size}, &trigger->schedule.cron, problem))
        return wrong_at(reader, cron, "%s", problem);
    trigger->cron_text = (struct slice){slice_dup((struct slice){cron->text, cron->size}), cron->size};
    return (zone == NULL || read_zone(reader, zone, &trigger->schedule)) &&
           (jitter == NULL ||
            read_duration(reader, jitter, "jitter", 1, JITTER_MS_MAX, &trigger->schedule.jitter_ms)) &&
           (except == NULL || read_except(reader, except, &trigger->schedule)) && read_policies(reader, node, trigger);
}

static bool read_manual(struct workflow_reader *reader, const struct yaml_node *node, struct workflow_trigger *trigger)
{
    bool flag = false;

    (void)trigger;
    return read_flag(reader, node, "manual", &flag) &&
           (flag || wrong_at(reader, node, "manual is true or not there; leave the entry out"));
}

static bool read_after(struct workflow_reader *reader, const struct yaml_node *entry, struct workflow_trigger *trigger)
{
    static const char *const states[] = {"any", "done", "failed", NULL};
    const struct yaml_node *state = yaml_get(entry, "state");
    int choice = AFTER_DONE;

    if (!read_name(reader, yaml_get(entry, "after"), "the workflow", false, &trigger->name) ||
        (state != NULL && !read_choice(reader, state, "state", states, &choice)))
        return false;
    trigger->after = (enum after_state)choice;
    return true;
}

static bool read_message(struct workflow_reader *reader, const struct yaml_node *node, struct workflow_trigger *trigger)
{
    static const char *const channels[] = {"telegram", "mail", NULL};
    int channel = 0;

    if (!read_choice(reader, node, "message", channels, &channel))
        return false;
    trigger->name = slice_dup(slice_of(channels[channel]));
    return true;
}

static const struct {
    const char *key;
    enum trigger_kind kind;
} kinds[] = {
    {"webhook", TRIGGER_WEBHOOK}, {"queue", TRIGGER_QUEUE},   {"schedule", TRIGGER_SCHEDULE}, {"slot", TRIGGER_SLOT},
    {"after", TRIGGER_AFTER},     {"manual", TRIGGER_MANUAL}, {"message", TRIGGER_MESSAGE},
};

/* Keys that stand beside the one that makes the trigger. */
static const struct {
    const char *key;
    enum trigger_kind kind;
    const char *says;
} extras[] = {
    {"topic", TRIGGER_WEBHOOK, "only a webhook has a topic; leave it out"},
    {"state", TRIGGER_AFTER, "state goes together with after only; leave it out"},
    {"missed", TRIGGER_SLOT, "missed stands beside slot, or inside schedule: {...}"},
    {"grace", TRIGGER_SLOT, "grace stands beside slot, or inside schedule: {...}"},
    {"overlap", TRIGGER_SLOT, "overlap stands beside slot, or inside schedule: {...}"},
};

static bool find_kind(struct workflow_reader *reader, const struct yaml_node *node, struct workflow_trigger *trigger,
                      const struct yaml_node **found)
{
    static const char *const keys[] = {"webhook", "topic", "queue", "schedule", "slot",    "missed", "grace",
                                       "overlap", "after", "state", "manual",   "message", NULL};
    size_t count = 0;

    if (!read_keys(reader, node, keys))
        return false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (yaml_get(node, kinds[i].key) != NULL) {
            *found = yaml_get(node, kinds[i].key);
            trigger->kind = kinds[i].kind;
            count++;
        }
    if (count != 1)
        return wrong_at(reader, node,
                        "each entry of on wants exactly one of webhook, queue, schedule, slot, after, manual and "
                        "message; begin a new entry with \"- \" for another one");
    for (size_t i = 0; i < sizeof extras / sizeof *extras; i++)
        if (extras[i].kind != trigger->kind && yaml_get(node, extras[i].key) != NULL)
            return wrong_key(reader, yaml_get(node, extras[i].key), "%s", extras[i].says);
    return true;
}

static bool read_trigger(struct workflow_reader *reader, const struct yaml_node *entry,
                         struct workflow_trigger *trigger)
{
    const struct yaml_node *node = NULL;

    trigger->line = entry->line;
    if (!find_kind(reader, entry, trigger, &node))
        return false;
    switch (trigger->kind) {
    case TRIGGER_WEBHOOK:
        return read_name(reader, node, "the webhook", false, &trigger->name) &&
               (yaml_get(entry, "topic") == NULL || read_topics(reader, yaml_get(entry, "topic"), trigger));
    case TRIGGER_QUEUE:
        return read_name(reader, node, "the queue", false, &trigger->name);
    case TRIGGER_SCHEDULE:
        return read_schedule(reader, node, trigger);
    case TRIGGER_SLOT:
        return read_name(reader, node, "the channel", false, &trigger->name) && read_policies(reader, entry, trigger);
    case TRIGGER_AFTER:
        return read_after(reader, entry, trigger);
    case TRIGGER_MANUAL:
        return read_manual(reader, node, trigger);
    case TRIGGER_MESSAGE:
        break;
    }
    return read_message(reader, node, trigger);
}

bool read_triggers(struct workflow_reader *reader, const struct yaml_node *list)
{
    struct workflow *workflow = reader->workflow;

    if (list->kind != YAML_LIST || list->count == 0 || list->count > WORKFLOW_TRIGGERS_MAX)
        return wrong_at(reader, list, "on wants a list of 1 to %d triggers; write them as \"- webhook: NAME\"",
                        WORKFLOW_TRIGGERS_MAX);
    workflow->triggers = xcalloc(list->count, sizeof *workflow->triggers);
    for (const struct yaml_node *node = list->child; node != NULL; node = node->next)
        if (!read_trigger(reader, node, &workflow->triggers[workflow->trigger_count++]))
            return false;
    return true;
}
