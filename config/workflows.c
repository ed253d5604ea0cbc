// SPDX-License-Identifier: MIT
#include "config/workflows.h"
#include "config/files.h"
#include "flow/workflow.h"
#include "proto/text/json.h"
#include <stdlib.h>
#include <string.h>

/* The names a problem lists, for people: "a, b, c". */
static void list_name(struct buffer *names, const char *name)
{
    if (names->size < 200)
        buffer_printf(names, "%s%s", names->size > 0 ? ", " : "", name);
}

static bool fail_unknown(const struct reader *reader, const struct yaml_node *at, const char *what, const char *name,
                         struct buffer *names)
{
    buffer_append(names, "", 1);
    reader_fail(reader, at, "there is no %s \"%s\" in the configuration; known: %s", what, name,
                names->data[0] != '\0' ? names->data : "none");
    buffer_free(names);
    return false;
}

static bool takes_topic(const struct hook *hook, const char *topic)
{
    if (hook->topic != NULL)
        return strcmp(hook->topic, topic) == 0;
    for (size_t i = 0; i < hook->topic_count; i++)
        if (strcmp(hook->topics[i], topic) == 0)
            return true;
    return false;
}

static bool check_webhook(const struct reader *reader, const struct yaml_node *at, const struct config *config,
                          const struct workflow_trigger *trigger)
{
    const struct hook *hook = config_hook(config, slice_of(trigger->name));
    struct buffer names = {NULL, 0, 0};

    if (hook == NULL) {
        for (size_t i = 0; i < config->hook_count; i++)
            list_name(&names, config->hooks[i].name);
        return fail_unknown(reader, at, "hook", trigger->name, &names);
    }
    for (size_t i = 0; trigger->topics != NULL && trigger->topics[i] != NULL; i++)
        if (!takes_topic(hook, trigger->topics[i]))
            return reader_fail(reader, at, "the hook \"%s\" does not take the topic \"%.100s\"", hook->name,
                               trigger->topics[i]);
    return true;
}

static bool check_queue(const struct reader *reader, const struct yaml_node *at, const struct config *config,
                        const struct workflow_trigger *trigger)
{
    struct buffer names = {NULL, 0, 0};

    if (config_queue(config, slice_of(trigger->name)) != NULL)
        return true;
    for (size_t i = 0; i < config->queue_count; i++)
        list_name(&names, config->queues[i].name);
    return fail_unknown(reader, at, "queue", trigger->name, &names);
}

static bool check_triggers(const struct reader *reader, const struct yaml_node *root, const struct config *config,
                           const struct workflow *workflow)
{
    const struct yaml_node *list = yaml_get(root, "on");
    const struct yaml_node *entry = list != NULL && list->kind == YAML_LIST ? list->child : NULL;
    bool good = true;

    for (size_t i = 0; good && i < workflow->trigger_count; i++) {
        const struct workflow_trigger *trigger = &workflow->triggers[i];
        const struct yaml_node *at = entry != NULL ? entry : root;
        const char *key = trigger->kind == TRIGGER_WEBHOOK ? "webhook" : "queue";
        if (yaml_get(at, key) != NULL)
            at = yaml_get(at, key);
        if (trigger->kind == TRIGGER_WEBHOOK)
            good = check_webhook(reader, at, config, trigger);
        else if (trigger->kind == TRIGGER_QUEUE)
            good = check_queue(reader, at, config, trigger);
        entry = entry != NULL ? entry->next : NULL;
    }
    return good;
}

static bool check_prompts(const struct reader *reader, const struct config *config, const struct workflow *workflow)
{
    for (size_t i = 0; i < workflow->step_count; i++) {
        const struct workflow_step *step = &workflow->steps[i];
        const struct yaml_node at = {.line = step->line, .column = 1};
        struct slice name = json_text_at(step->fields, "prompt");
        struct buffer names = {NULL, 0, 0};
        if (strcmp(step->skill->name, "generate") != 0 || config_prompt(config, name) != NULL)
            continue;
        for (size_t p = 0; p < config->prompt_count; p++)
            list_name(&names, config->prompts[p].name);
        return fail_unknown(reader, &at, "prompt", name.data != NULL ? name.data : "", &names);
    }
    return true;
}

/* A workflow that is off may name what is not there yet. */
static bool check_workflow(const char *path, const struct config *config, const struct workflow *workflow,
                           struct text_problem *problem)
{
    const struct reader reader = {path, problem};
    struct yaml_node *root;
    bool good;

    for (size_t i = 0; i + 1 < config->workflow_count; i++) {
        if (strcmp(config->workflows[i]->name, workflow->name) != 0)
            continue;
        text_problem_set(problem, path, 1, 1, "the workflow \"%s\" is in %s already", workflow->name,
                         config->workflows[i]->file);
        return false;
    }
    if (workflow->mode == WORKFLOW_OFF)
        return true;
    root = yaml_read(path, workflow_definition_text(workflow), problem);
    good = root != NULL && check_triggers(&reader, root, config, workflow) && check_prompts(&reader, config, workflow);
    yaml_node_free(root);
    return good;
}

/* The mode of purser.yaml wins over the file's. */
static bool set_mode(const struct reader *reader, const struct yaml_node *modes, struct workflow *workflow)
{
    static const char *const names[] = {"off", "shadow", "live", NULL};
    int mode = (int)workflow->mode;

    if (modes == NULL)
        return true;
    if (!reader_choice(reader, modes, workflow->name, names, &mode))
        return false;
    workflow->mode = (enum workflow_mode)mode;
    return true;
}

/* Every key of `modes` must be a workflow that is there. */
static bool check_modes(const struct reader *reader, const struct yaml_node *modes, const struct config *config)
{
    const char **names = xcalloc(config->workflow_count + 1, sizeof(*names));

    for (size_t i = 0; i < config->workflow_count; i++)
        names[i] = config->workflows[i]->name;
    bool good = yaml_only(reader->file, modes, names, reader->problem);
    free((void *)names);
    return good;
}

bool workflows_read(const struct reader *reader, const struct yaml_node *modes, struct config *config)
{
    struct file_list list;
    bool good = files_list(config->workflows_dir, &list, reader->problem);

    if (modes != NULL && modes->kind != YAML_MAP)
        good = reader_fail(reader, modes, "modes is a map: WORKFLOW: off, shadow or live");
    config->workflows = xcalloc(list.count, sizeof(struct workflow *));
    for (size_t i = 0; good && i < list.count; i++) {
        struct workflow *workflow = workflow_read_file(list.paths[i], reader->problem);
        good = workflow != NULL;
        if (!good)
            break;
        config->workflows[config->workflow_count++] = workflow;
        good = set_mode(reader, modes, workflow) && check_workflow(list.paths[i], config, workflow, reader->problem);
    }
    files_list_free(&list);
    return good && (modes == NULL || check_modes(reader, modes, config));
}

void workflows_free(struct config *config)
{
    for (size_t i = 0; i < config->workflow_count; i++)
        workflow_destroy(&config->workflows[i]);
    free(config->workflows);
}
