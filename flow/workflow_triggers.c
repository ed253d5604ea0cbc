// SPDX-License-Identifier: MIT
#include "flow/workflow_read.h"
#include <stdlib.h>
#include <string.h>

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

static bool read_zone(struct workflow_reader *reader, const struct yaml_node *node, struct workflow_trigger *trigger)
{
    const char *name = node == NULL ? "UTC" : read_scalar(reader, node, "zone");
    struct zone *zone;

    if (name == NULL)
        return false;
    zone = zone_open(name);
    if (zone == NULL)
        return wrong_at(reader, node, "there is no time zone \"%.64s\"; write one like Europe/Berlin or UTC", name);
    zone_close(&zone);
    trigger->zone = slice_dup(slice_of(name));
    return true;
}

static bool read_schedule(struct workflow_reader *reader, const struct yaml_node *node,
                          struct workflow_trigger *trigger)
{
    static const char *const keys[] = {"cron", "zone", "missed", "grace", NULL};
    static const char *const policies[] = {"skip", "once", "all", NULL};
    const struct yaml_node *cron, *missed, *grace;
    char problem[CRON_PROBLEM_BYTES];
    int policy = MISSED_ONCE;

    if (!read_keys(reader, node, keys))
        return false;
    cron = yaml_get(node, "cron");
    missed = yaml_get(node, "missed");
    grace = yaml_get(node, "grace");
    trigger->kind = TRIGGER_SCHEDULE;
    trigger->grace_ms = 3600000;
    if (cron == NULL)
        return wrong_at(reader, node, "the schedule lacks cron; write {cron: \"0 9 * * *\", zone: Europe/Berlin}");
    if (read_scalar(reader, cron, "cron") == NULL)
        return false;
    if (!cron_parse((struct slice){cron->text, cron->size}, &trigger->cron, problem))
        return wrong_at(reader, cron, "%s", problem);
    if (missed != NULL && !read_choice(reader, missed, "missed", policies, &policy))
        return false;
    trigger->missed = (enum missed_policy)policy;
    if (grace != NULL && !read_duration(reader, grace, "grace", &trigger->grace_ms))
        return false;
    return read_zone(reader, yaml_get(node, "zone"), trigger);
}

static bool read_trigger(struct workflow_reader *reader, const struct yaml_node *node, struct workflow_trigger *trigger)
{
    static const char *const keys[] = {"webhook", "topic", "queue", "schedule", NULL};
    const struct yaml_node *webhook, *topic, *queue, *schedule;

    if (!read_keys(reader, node, keys))
        return false;
    webhook = yaml_get(node, "webhook");
    topic = yaml_get(node, "topic");
    queue = yaml_get(node, "queue");
    schedule = yaml_get(node, "schedule");
    if ((webhook != NULL) + (queue != NULL) + (schedule != NULL) != 1)
        return wrong_at(reader, node,
                        "each entry of on wants exactly one of webhook, queue and schedule; begin a new "
                        "entry with \"- \" for another one");
    if (topic != NULL && webhook == NULL)
        return wrong_at(reader, topic, "only a webhook has a topic; leave it out");
    if (schedule != NULL)
        return read_schedule(reader, schedule, trigger);
    trigger->kind = webhook != NULL ? TRIGGER_WEBHOOK : TRIGGER_QUEUE;
    if (topic != NULL && !read_topics(reader, topic, trigger))
        return false;
    return read_name(reader, webhook != NULL ? webhook : queue, webhook != NULL ? "the webhook" : "the queue", false,
                     &trigger->name);
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
