// SPDX-License-Identifier: MIT
#include "config/workflows.h"
#include "config/files.h"
#include "config/http_hosts.h"
#include "flow/workflow.h"
#include "proto/text/json.h"
#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 512, LISTED_BYTES_MAX = 200 };

/* Workflows that are being read, and what they are checked against. */
struct loader {
    const struct config *config;
    struct workflow **workflows;
    size_t count;
    struct text_problem *problem;
};

/* Names that there are, for checks and advice; NULL-terminated. */
struct names {
    const char *at[NAMES_MAX + 1];
    size_t count;
};

static void add_name(struct names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->at[i], name) == 0)
            return;
    if (names->count < NAMES_MAX)
        names->at[names->count++] = name;
}

static bool has_name(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->at[i], name) == 0)
            return true;
    return false;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

/* Where that name stands in the text, from the line of its step or trigger on. */
static void find_place(const struct workflow *workflow, const char *name, unsigned *line, unsigned *column)
{
    const char *at = workflow->text, *start = at;
    size_t size = strlen(name);
    unsigned now = 1;

    for (; *at != '\0'; at++) {
        if (*at == '\n') {
            now++;
            start = at + 1;
        } else if (now >= *line && strncmp(at, name, size) == 0 && (at == start || !is_word(at[-1])) &&
                   !is_word(at[size]) && at[size] != ':') {
            *line = now;
            *column = (unsigned)(at - start) + 1;
            return;
        }
    }
}

static bool fail_name(struct loader *loader, const struct workflow *workflow, unsigned line, const char *what,
                      const char *name, const struct names *known)
{
    const char *near = text_nearest(name, known->at);
    struct buffer list = {NULL, 0, 0};
    unsigned column = 1;

    find_place(workflow, name, &line, &column);
    for (size_t i = 0; i < known->count && list.size < LISTED_BYTES_MAX; i++)
        buffer_printf(&list, "%s%s", i > 0 ? ", " : "", known->at[i]);
    if (near != NULL)
        text_problem_set(loader->problem, workflow->file, line, column, "there is no %s \"%s\"; did you mean \"%s\"?",
                         what, name, near);
    else
        text_problem_set(loader->problem, workflow->file, line, column, "there is no %s \"%s\"; known: %.*s", what,
                         name, list.size > 0 ? (int)list.size : 4, list.size > 0 ? list.data : "none");
    buffer_free(&list);
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

static bool check_webhook(struct loader *loader, const struct workflow *workflow,
                          const struct workflow_trigger *trigger)
{
    const struct hook *hook = config_hook(loader->config, slice_of(trigger->name));
    struct names names = {.count = 0};

    if (hook == NULL) {
        for (size_t i = 0; i < loader->config->hook_count; i++)
            add_name(&names, loader->config->hooks[i].name);
        return fail_name(loader, workflow, trigger->line, "hook", trigger->name, &names);
    }
    for (size_t i = 0; trigger->topics != NULL && trigger->topics[i] != NULL; i++) {
        unsigned line = trigger->line, column = 1;
        if (takes_topic(hook, trigger->topics[i]))
            continue;
        find_place(workflow, trigger->topics[i], &line, &column);
        text_problem_set(loader->problem, workflow->file, line, column,
                         "the hook \"%s\" does not take the topic \"%.100s\"; add it to the hook's topics", hook->name,
                         trigger->topics[i]);
        return false;
    }
    return true;
}

static void add_workflows(const struct loader *loader, struct names *names)
{
    for (size_t i = 0; i < loader->count; i++)
        add_name(names, loader->workflows[i]->name);
}

static bool check_trigger(struct loader *loader, const struct workflow *workflow,
                          const struct workflow_trigger *trigger)
{
    const struct config *config = loader->config;
    struct names names = {.count = 0};
    const char *what = "";

    if (trigger->kind == TRIGGER_WEBHOOK)
        return check_webhook(loader, workflow, trigger);
    if (trigger->kind == TRIGGER_QUEUE) {
        what = "queue";
        for (size_t i = 0; i < config->queue_count; i++)
            add_name(&names, config->queues[i].name);
    } else if (trigger->kind == TRIGGER_SLOT) {
        what = "channel";
        for (size_t i = 0; i < config->channel_count; i++)
            add_name(&names, config->channels[i].name);
    } else if (trigger->kind == TRIGGER_AFTER) {
        what = "workflow";
        add_workflows(loader, &names);
    } else {
        return true;
    }
    return has_name(&names, trigger->name) || fail_name(loader, workflow, trigger->line, what, trigger->name, &names);
}

/* What is known of host and secret together, http_hosts_check() judges; here a secret that no host is listed with. */
static bool check_secret(struct loader *loader, const struct workflow *workflow, const struct workflow_step *step)
{
    const char *secret = json_string_value(json_object_get(step->fields, "secret"));
    struct names names = {.count = 0};

    for (size_t i = 0; i < loader->config->http_host_count; i++)
        if (loader->config->http_hosts[i].secret != NULL)
            add_name(&names, loader->config->http_hosts[i].secret);
    return secret == NULL || has_name(&names, secret) ||
           fail_name(loader, workflow, step->line, "secret under http_hosts", secret, &names);
}

static bool check_step(struct loader *loader, const struct workflow *workflow, const struct workflow_step *step)
{
    struct names names = {.count = 0};
    const char *what, *field;

    if (step->skill == NULL)
        return true;
    if (step->skill->id == SKILL_HTTP)
        return check_secret(loader, workflow, step);
    if (step->skill->id == SKILL_GENERATE) {
        what = field = "prompt";
        for (size_t i = 0; i < loader->config->prompt_count; i++)
            add_name(&names, loader->config->prompts[i].name);
    } else if (step->skill->id == SKILL_CALL) {
        what = field = "workflow";
        add_workflows(loader, &names);
    } else {
        return true;
    }
    const char *name = json_string_value(json_object_get(step->fields, field));
    return has_name(&names, name) || fail_name(loader, workflow, step->line, what, name, &names);
}

/* One that is off may name what is not there yet. */
static bool check_workflow(struct loader *loader, const struct workflow *workflow)
{
    if (workflow->mode == WORKFLOW_OFF)
        return true;
    for (size_t i = 0; i < workflow->trigger_count; i++)
        if (!check_trigger(loader, workflow, &workflow->triggers[i]))
            return false;
    for (size_t i = 0; i < workflow->all_count; i++)
        if (!check_step(loader, workflow, workflow->all[i]))
            return false;
    return true;
}

/* Every key of `modes` must be a workflow that is there. */
static bool set_modes(struct loader *loader)
{
    struct names names = {.count = 0};

    add_workflows(loader, &names);
    for (size_t i = 0; i < loader->config->mode_count; i++) {
        const struct mode_rule *rule = &loader->config->modes[i];
        const char *near = text_nearest(rule->workflow, names.at);
        if (!has_name(&names, rule->workflow)) {
            text_problem_set(loader->problem, loader->config->file, rule->line, rule->column,
                             "modes: there is no workflow \"%s\"%s%s%s", rule->workflow,
                             near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
            return false;
        }
        for (size_t k = 0; k < loader->count; k++)
            if (strcmp(loader->workflows[k]->name, rule->workflow) == 0)
                loader->workflows[k]->mode = (enum workflow_mode)rule->mode;
    }
    return true;
}

static bool read_file(struct loader *loader, const char *path)
{
    struct workflow *workflow = workflow_read_file(path, loader->problem);

    if (workflow == NULL)
        return false;
    loader->workflows[loader->count++] = workflow;
    for (size_t i = 0; i + 1 < loader->count; i++)
        if (strcmp(loader->workflows[i]->name, workflow->name) == 0) {
            text_problem_set(loader->problem, path, 1, 1, "the workflow \"%s\" is in %s already", workflow->name,
                             loader->workflows[i]->file);
            return false;
        }
    return true;
}

static bool check_hosts(const struct loader *loader)
{
    struct config view = *loader->config;

    view.workflows = loader->workflows;
    view.workflow_count = loader->count;
    return http_hosts_check(&view, loader->problem);
}

bool workflows_load(const struct config *config, struct workflow ***workflows, size_t *count,
                    struct text_problem *problem)
{
    struct loader loader = {config, NULL, 0, problem};
    struct file_list list;
    bool good = files_list(config->workflows_dir, &list, problem);

    loader.workflows = xcalloc(list.count + 1, sizeof(*loader.workflows));
    for (size_t i = 0; good && i < list.count; i++)
        good = read_file(&loader, list.paths[i]);
    files_list_free(&list);
    good = good && set_modes(&loader);
    for (size_t i = 0; good && i < loader.count; i++)
        good = check_workflow(&loader, loader.workflows[i]);
    good = good && check_hosts(&loader) && workflows_check_rings(loader.workflows, loader.count, problem);
    if (!good)
        workflows_destroy(&loader.workflows, &loader.count);
    *workflows = loader.workflows;
    *count = loader.count;
    return good;
}

void workflows_destroy(struct workflow ***workflows, size_t *count)
{
    for (size_t i = 0; i < *count; i++)
        workflow_destroy(&(*workflows)[i]);
    free(*workflows);
    *workflows = NULL;
    *count = 0;
}

void workflows_warn(struct workflow *const *workflows, size_t count, struct buffer *into)
{
    for (size_t i = 0; i < count; i++)
        workflow_warn(workflows[i], into);
}

bool workflows_read_modes(const struct reader *reader, const struct yaml_node *map, struct config *config)
{
    static const char *const names[] = {"off", "shadow", "live", NULL};

    if (map->kind != YAML_MAP)
        return reader_fail(reader, map, "modes is a map: WORKFLOW: off, shadow or live");
    config->modes = xcalloc(map->count + 1, sizeof(config->modes[0]));
    for (const struct yaml_node *node = map->child; node != NULL; node = node->next) {
        struct mode_rule *rule = &config->modes[config->mode_count++];
        *rule = (struct mode_rule){slice_dup(slice_of(node->key)), 0, node->key_line, node->key_column};
        if (!reader_choice(reader, map, node->key, names, &rule->mode))
            return false;
    }
    return true;
}

void workflows_free_modes(struct config *config)
{
    for (size_t i = 0; i < config->mode_count; i++)
        free(config->modes[i].workflow);
    free(config->modes);
}
