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
    free((char *)trigger->cron_text.data);
    schedule_fini(&trigger->schedule);
}

static void step_fini(struct workflow_step *step);

/* The depth is bounded by WORKFLOW_DEPTH_MAX. */
static void block_fini(struct workflow_block *block)
{
    for (size_t i = 0; i < block->step_count; i++)
        step_fini(&block->steps[i]);
    free(block->steps);
    free(block->name);
}

static void step_fini(struct workflow_step *step)
{
    for (size_t i = 0; i < step->block_count; i++)
        block_fini(&step->blocks[i]);
    if (step->otherwise_steps != NULL)
        block_fini(step->otherwise_steps);
    free(step->blocks);
    free(step->otherwise_steps);
    free(step->id);
    free(step->when);
    free(step->of);
    free(step->item);
    json_decref(step->fields);
    json_decref(step->otherwise);
}

static void fixture_fini(struct workflow_fixture *fixture)
{
    free(fixture->name);
    free(fixture->body_file);
    json_decref(fixture->trigger);
    json_decref(fixture->store);
    json_decref(fixture->answers);
    json_decref(fixture->expect);
}

void workflow_destroy(struct workflow **workflow)
{
    struct workflow *old = *workflow;

    if (old == NULL)
        return;
    for (size_t i = 0; i < old->trigger_count; i++)
        trigger_fini(&old->triggers[i]);
    for (size_t i = 0; i < old->fixture_count; i++)
        fixture_fini(&old->fixtures[i]);
    block_fini(&old->steps);
    block_fini(&old->on_failure);
    json_decref(old->result);
    free(old->triggers);
    free(old->fixtures);
    free((void *)old->all);
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

int workflow_find_trigger(const struct workflow *workflow, enum trigger_kind kind, const char *name)
{
    for (size_t i = 0; i < workflow->trigger_count; i++) {
        const struct workflow_trigger *trigger = &workflow->triggers[i];
        if (trigger->kind == kind && (name == NULL || (trigger->name != NULL && strcmp(trigger->name, name) == 0)))
            return (int)i;
    }
    return -1;
}

const struct workflow_step *workflow_find_step(const struct workflow *workflow, struct slice id)
{
    for (size_t i = 0; i < workflow->all_count; i++)
        if (slice_is(id, workflow->all[i]->id))
            return workflow->all[i];
    return NULL;
}

const char *workflow_mode_name(enum workflow_mode mode)
{
    static const char *const names[] = {"off", "shadow", "live"};

    CHECK(mode <= WORKFLOW_LIVE);
    return names[mode];
}
