// SPDX-License-Identifier: MIT
#include "console/terminal/workflow_commands.h"
#include "console/terminal/known_names.h"
#include "console/terminal/rehearsing.h"
#include "flow/workflow.h"
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TIMES_SHOWN = 10, PATH_BYTES = 1024, PROMPTS_MAX = 256 };

struct checked {
    const char *file;
    struct workflow *workflow; /* NULL: cannot be read */
    struct text_problem problem;
    const struct yaml_node *config; /* NULL: none was given */
    const char *config_file;
    bool is_bad, has_prompts;
};

/* ---- prompts ---- */

struct prompt_names {
    char *names[PROMPTS_MAX + 1]; /* NULL-terminated, as text_nearest() takes them */
    size_t count;
    bool is_known; /* the folder is there */
};

static void add_prompt(struct prompt_names *prompts, const char *folder, const char *name)
{
    const char *end = strrchr(name, '.');
    struct text_problem ignored;
    char path[PATH_BYTES];

    if (prompts->count == PROMPTS_MAX || end == NULL || (strcmp(end, ".yaml") != 0 && strcmp(end, ".yml") != 0) ||
        snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
        return;
    struct yaml_node *root = yaml_read_file(path, &ignored);
    const struct yaml_node *given = root != NULL && root->kind == YAML_MAP ? yaml_get(root, "name") : NULL;
    if (given != NULL && given->kind == YAML_SCALAR)
        prompts->names[prompts->count++] = slice_dup((struct slice){given->text, given->size});
    yaml_node_free(root);
}

/* A folder as that file names it. */
static bool folder_beside(const char *file, const char *name, char folder[PATH_BYTES])
{
    const char *slash = strrchr(file, '/');
    int size = slash != NULL && name[0] != '/' ? (int)(slash - file) + 1 : 0;

    return snprintf(folder, PATH_BYTES, "%.*s%s", size, file, name) < PATH_BYTES;
}

/* prompts_dir of the configuration, or the folder beside the workflow's, as config/ has it. */
static void read_prompts(const struct checked *checked, struct prompt_names *prompts)
{
    const struct yaml_node *named = yaml_get(checked->config, "prompts_dir");
    bool is_named = named != NULL && named->kind == YAML_SCALAR && named->size > 0;
    char folder[PATH_BYTES];
    struct dirent *entry;

    *prompts = (struct prompt_names){.count = 0};
    if (!folder_beside(is_named ? checked->config_file : checked->file, is_named ? named->text : "../prompts", folder))
        return;
    DIR *directory = opendir(folder);
    if (directory == NULL)
        return;
    prompts->is_known = true;
    while ((entry = readdir(directory)) != NULL)
        add_prompt(prompts, folder, entry->d_name);
    closedir(directory);
}

static bool has_prompt(const struct prompt_names *prompts, struct slice name)
{
    for (size_t i = 0; i < prompts->count; i++)
        if (slice_is(name, prompts->names[i]))
            return true;
    return false;
}

/* A workflow that is off may name what is not there yet, as the daemon has it. */
static void check_prompts(struct checked *checked)
{
    const struct workflow *workflow = checked->workflow;
    struct prompt_names prompts;

    read_prompts(checked, &prompts);
    checked->has_prompts = prompts.is_known;
    for (size_t i = 0; prompts.is_known && workflow->mode != WORKFLOW_OFF && i < workflow->all_count; i++) {
        const struct workflow_step *step = workflow->all[i];
        const char *name = json_string_value(json_object_get(step->fields, "prompt"));
        if (checked->is_bad || name == NULL || step->skill->id != SKILL_GENERATE ||
            has_prompt(&prompts, slice_of(name)))
            continue;
        const char *nearest = text_nearest(name, (const char *const *)prompts.names);
        text_problem_set(&checked->problem, checked->file, step->line, 1, "there is no prompt \"%.64s\"; %s%s%s", name,
                         nearest != NULL ? "did you mean \"" : "add its file to the others",
                         nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "");
        checked->is_bad = true;
    }
    for (size_t i = 0; i < prompts.count; i++)
        free(prompts.names[i]);
}

/* ---- schedules ---- */

static json_t *next_times(const struct schedule *schedule, const struct zone *zone, int64_t now_ms)
{
    json_t *times = json_array();

    for (int i = 0; i < TIMES_SHOWN; i++) {
        struct buffer text = {NULL, 0, 0};
        now_ms = schedule_next(schedule, zone, now_ms);
        if (now_ms == INT64_MAX)
            break;
        zone_print_instant(&text, zone, now_ms);
        json_array_append_new(times, json_stringn(text.data, text.size));
        buffer_free(&text);
    }
    return times;
}

static json_t *schedules_of(const struct workflow *workflow, const char *shop_zone, int64_t now_ms)
{
    json_t *list = json_array();

    for (size_t i = 0; i < workflow->trigger_count; i++) {
        const struct workflow_trigger *trigger = &workflow->triggers[i];
        struct buffer means = {NULL, 0, 0};
        if (trigger->kind != TRIGGER_SCHEDULE)
            continue;
        struct zone *zone = zone_open(trigger->schedule.zone != NULL ? trigger->schedule.zone : shop_zone);
        if (zone == NULL)
            continue;
        schedule_explain(&trigger->schedule, trigger->cron_text, &means);
        json_array_append_new(list, json_pack("{s:s%, s:s?, s:s%, s:o}", "cron", trigger->cron_text.data,
                                              trigger->cron_text.size, "zone", trigger->schedule.zone, "means",
                                              means.size ? means.data : "", means.size, "times",
                                              next_times(&trigger->schedule, zone, now_ms)));
        buffer_free(&means);
        zone_close(&zone);
    }
    return list;
}

/* ---- the report ---- */

static json_t *warnings_of(const struct workflow *workflow)
{
    struct buffer text = {NULL, 0, 0};
    json_t *list = json_array();

    workflow_warn(workflow, &text);
    for (size_t from = 0; from < text.size;) {
        const char *end = memchr(text.data + from, '\n', text.size - from);
        size_t size = end != NULL ? (size_t)(end - text.data) - from : text.size - from;
        if (size > 0)
            json_array_append_new(list, json_stringn(text.data + from, size));
        from += size + 1;
    }
    buffer_free(&text);
    return list;
}

static int64_t wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void list_prompts(const struct workflow *workflow, struct buffer *into)
{
    for (size_t i = 0; workflow->mode != WORKFLOW_OFF && i < workflow->all_count; i++) {
        const char *name = json_string_value(json_object_get(workflow->all[i]->fields, "prompt"));
        if (name != NULL && workflow->all[i]->skill->id == SKILL_GENERATE)
            buffer_printf(into, "%sprompt %s", into->size > 0 ? ", " : "", name);
    }
}

/* What only a purser.yaml and its folders know. */
static json_t *unchecked_of(const struct checked *checked)
{
    struct buffer text = {NULL, 0, 0};

    if (checked->workflow != NULL && checked->config == NULL)
        known_names_list(checked->workflow, &text);
    if (checked->workflow != NULL && !checked->has_prompts)
        list_prompts(checked->workflow, &text);
    json_t *names = json_stringn(text.size > 0 ? text.data : "", text.size);
    buffer_free(&text);
    return names;
}

static json_t *report_of(const struct checked *checked, const char *shop_zone)
{
    const struct text_problem *problem = &checked->problem;

    return json_pack("{s:s, s:b, s:o, s:o, s:o, s:o}", "file", checked->file, "ok", !checked->is_bad, "problem",
                     checked->is_bad
                         ? json_pack("{s:s, s:i, s:i, s:s}", "file", problem->file, "line", (int)problem->line,
                                     "column", (int)problem->column, "text", problem->text)
                         : json_null(),
                     "warnings", checked->workflow != NULL ? warnings_of(checked->workflow) : json_array(), "schedules",
                     checked->workflow != NULL ? schedules_of(checked->workflow, shop_zone, wall_ms()) : json_array(),
                     "unchecked", unchecked_of(checked));
}

static void print_schedules(const json_t *schedules, FILE *out)
{
    json_t *schedule, *moment;
    size_t index, inner;

    json_array_foreach(schedules, index, schedule)
    {
        const char *zone = json_string_value(json_object_get(schedule, "zone"));
        fprintf(out, "  %s (%s): %s\n", json_string_value(json_object_get(schedule, "cron")),
                zone != NULL ? zone : "the shop's zone", json_string_value(json_object_get(schedule, "means")));
        json_array_foreach(json_object_get(schedule, "times"), inner, moment)
            fprintf(out, "    %s\n", json_string_value(moment));
    }
}

static void print_report(const struct checked *checked, const json_t *report, FILE *out)
{
    char text[800];
    json_t *warning;
    size_t index;

    if (checked->is_bad) {
        text_problem_print(&checked->problem, text, sizeof(text));
        fprintf(out, "%s\n", text);
    } else
        fprintf(out, "%s: ok\n", checked->file);
    json_array_foreach(json_object_get(report, "warnings"), index, warning)
        fprintf(out, "  warning: %s\n", json_string_value(warning));
    struct slice unchecked = json_text_at(report, "unchecked");
    if (unchecked.size > 0)
        fprintf(out, "  not looked up without --config: %.*s\n", (int)unchecked.size, unchecked.data);
    print_schedules(json_object_get(report, "schedules"), out);
}

/* ---- the command ---- */

static void check_rings(struct checked *checked, size_t count)
{
    struct workflow **workflows = xcalloc(count + 1, sizeof(struct workflow *));
    struct text_problem problem;
    size_t read = 0;

    for (size_t i = 0; i < count; i++)
        if (checked[i].workflow != NULL)
            workflows[read++] = checked[i].workflow;
    if (!workflows_check_rings(workflows, read, &problem))
        for (size_t i = 0; i < count; i++)
            if (!checked[i].is_bad && strcmp(checked[i].file, problem.file) == 0) {
                checked[i].problem = problem;
                checked[i].is_bad = true;
            }
    free(workflows);
}

static void check_names(struct checked *checked, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t other = 0; other < i; other++) {
            if (checked[i].is_bad || checked[other].workflow == NULL || checked[i].workflow == NULL ||
                strcmp(checked[i].workflow->name, checked[other].workflow->name) != 0)
                continue;
            text_problem_set(&checked[i].problem, checked[i].file, 1, 1, "the workflow \"%s\" is in %.120s already",
                             checked[i].workflow->name, checked[other].file);
            checked[i].is_bad = true;
        }
}

static int report_all(const struct settings *settings, const char *shop_zone, const struct checked *checked,
                      size_t count, FILE *out)
{
    json_t *reports = json_array(), *all = json_pack("{s:o}", "files", reports);
    int exit_code = SESSION_OK;

    for (size_t i = 0; i < count; i++) {
        json_t *report = report_of(&checked[i], shop_zone);
        if (!settings->json)
            print_report(&checked[i], report, out);
        if (checked[i].is_bad)
            exit_code = SESSION_REFUSED;
        json_array_append_new(reports, report);
    }
    if (settings->json)
        offline_print_json(out, all);
    else
        json_decref(all);
    return exit_code;
}

static void read_checked(struct checked *checked, const char *file, const struct yaml_node *root,
                         const char *config_file)
{
    checked->file = file;
    checked->config = root;
    checked->config_file = config_file;
    checked->workflow = workflow_read_file(file, &checked->problem);
    checked->is_bad = checked->workflow == NULL;
    if (!checked->is_bad)
        check_prompts(checked);
    if (!checked->is_bad && root != NULL)
        checked->is_bad = !known_names_check(root, checked->workflow, &checked->problem);
}

int workflow_check(const struct settings *settings, const json_t *arguments, FILE *out, FILE *problems)
{
    const json_t *files = json_object_get(arguments, "files");
    size_t count = json_array_size(files);
    struct yaml_node *root = NULL;
    struct rehearsing_config config;
    struct text_problem problem;
    char text[800];

    if (!rehearsing_read_config(settings, &config, &problem) ||
        (settings->config[0] != '\0' && (root = yaml_read_file(settings->config, &problem)) == NULL)) {
        text_problem_print(&problem, text, sizeof(text));
        return offline_refuse(problems, "%s", text);
    }
    struct checked *checked = xcalloc(count + 1, sizeof(*checked));
    for (size_t i = 0; i < count; i++)
        read_checked(&checked[i], json_string_value(json_array_get(files, i)), root, settings->config);
    check_names(checked, count);
    check_rings(checked, count);
    int exit_code = report_all(settings, config.shop.zone, checked, count, out);
    for (size_t i = 0; i < count; i++)
        workflow_destroy(&checked[i].workflow);
    yaml_node_free(root);
    free(checked);
    return exit_code;
}
