// SPDX-License-Identifier: MIT
#include "flow/workflow.h"
#include "proto/check.h"
#include <stdlib.h>
#include <string.h>

static void trigger_fini(struct workflow_trigger *trigger)
{
    for (size_t i = 0; trigger->topics != NULL && trigger->topics[i] != NULL; i++)
        free(trigger->topics[i]);
    free(trigger->topics);
    free(trigger->name);
    free(trigger->zone);
}

static void step_fini(struct workflow_step *step)
{
    free(step->id);
    free(step->when);
    json_decref(step->fields);
    json_decref(step->otherwise);
}

void workflow_destroy(struct workflow **workflow)
{
    struct workflow *old = *workflow;

    if (old == NULL)
        return;
    for (size_t i = 0; i < old->trigger_count; i++)
        trigger_fini(&old->triggers[i]);
    for (size_t i = 0; i < old->step_count; i++)
        step_fini(&old->steps[i]);
    free(old->triggers);
    free(old->steps);
    free(old->file);
    free(old->name);
    free(old->description);
    free(old->unique);
    free(old->text);
    free(old);
    *workflow = NULL;
}

struct slice workflow_definition_text(const struct workflow *workflow)
{
    return (struct slice){workflow->text, workflow->text_size};
}

static bool takes_topic(const struct workflow_trigger *trigger, const char *topic)
{
    if (trigger->topics == NULL)
        return true;
    for (char **known = trigger->topics; *known != NULL; known++)
        if (strcmp(*known, topic) == 0)
            return true;
    return false;
}

int workflow_matches_webhook(const struct workflow *workflow, const char *endpoint, const char *topic)
{
    for (size_t i = 0; i < workflow->trigger_count; i++) {
        const struct workflow_trigger *trigger = &workflow->triggers[i];
        if (trigger->kind == TRIGGER_WEBHOOK && strcmp(trigger->name, endpoint) == 0 && takes_topic(trigger, topic))
            return (int)i;
    }
    return -1;
}

int workflow_matches_queue(const struct workflow *workflow, const char *queue)
{
    for (size_t i = 0; i < workflow->trigger_count; i++)
        if (workflow->triggers[i].kind == TRIGGER_QUEUE && strcmp(workflow->triggers[i].name, queue) == 0)
            return (int)i;
    return -1;
}

int workflow_find_step(const struct workflow *workflow, const char *id)
{
    for (size_t i = 0; i < workflow->step_count; i++)
        if (strcmp(workflow->steps[i].id, id) == 0)
            return (int)i;
    return -1;
}

const char *workflow_mode_name(enum workflow_mode mode)
{
    static const char *const names[] = {"off", "shadow", "live"};

    CHECK(mode <= WORKFLOW_LIVE);
    return names[mode];
}
