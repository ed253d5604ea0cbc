// SPDX-License-Identifier: MIT
#include "console/terminal/rehearsing.h"
#include "connectors/shopify/save.h"
#include "proto/check.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 1024 };

/* The rows of a Shopify order, the one target there is. */
static enum error save(const struct machine_save *save, struct buffer *ops, size_t *rows, char *problem, size_t room)
{
    struct shopify_problem why;

    CHECK(slice_is(save->target, "orders"));
    enum error error = shopify_save(save->shop, save->from, save->rows_max, ops, rows, &why);
    if (error != ERROR_OK)
        snprintf(problem, room, "save: %s%s%s", why.field, why.field[0] != '\0' ? ": " : "", why.text);
    return error;
}

const struct machine_hooks rehearsing_hooks = {.save = save};
const struct run_shop rehearsing_shop = {.name = "example.myshopify.com", .zone = "UTC", .currency = "EUR"};

static void take(const struct yaml_node *root, const char *key, const char *standard, char *into, size_t size)
{
    const struct yaml_node *node = yaml_get(root, key);

    snprintf(into, size, "%s", node != NULL && node->kind == YAML_SCALAR && node->size > 0 ? node->text : standard);
    text_end_whole(into);
}

bool rehearsing_read_config(const struct settings *settings, struct rehearsing_config *config,
                            struct text_problem *problem)
{
    struct yaml_node *root;

    config->shop = rehearsing_shop;
    if (settings->config[0] == '\0')
        return true;
    root = yaml_read_file(settings->config, problem);
    if (root == NULL)
        return false;
    take(root, "shop_name", "My shop", config->name, sizeof(config->name));
    take(root, "shop_zone", "UTC", config->zone, sizeof(config->zone));
    take(root, "shop_currency", "EUR", config->currency, sizeof(config->currency));
    config->shop = (struct run_shop){.name = config->name, .zone = config->zone, .currency = config->currency};
    yaml_node_free(root);
    return true;
}

static bool fail(const struct workflow *workflow, const struct workflow_fixture *fixture, const char *why,
                 struct text_problem *problem)
{
    text_problem_set(problem, workflow->file, fixture->line, 0, "%s: body_file %.100s: %s", fixture->name,
                     fixture->body_file, why);
    return false;
}

static bool read_file(const char *path, struct buffer *into)
{
    FILE *file = fopen(path, "rbe");
    char chunk[16384];
    size_t got;

    if (file == NULL)
        return false;
    while ((got = fread(chunk, 1, sizeof(chunk), file)) > 0 && into->size <= JSON_BYTES_MAX)
        buffer_append(into, chunk, got);
    bool good = !ferror(file);
    fclose(file);
    return good;
}

bool rehearsing_read_body(const struct workflow *workflow, const struct workflow_fixture *fixture, json_t **body,
                          struct text_problem *problem)
{
    const char *slash = strrchr(workflow->file, '/');
    int folder = slash != NULL ? (int)(slash - workflow->file) + 1 : 0;
    struct buffer text = {NULL, 0, 0};
    struct json_problem json;
    char path[PATH_BYTES], why[300];

    *body = NULL;
    if (fixture->body_file == NULL)
        return true;
    if (fixture->body_file[0] == '/')
        return fail(workflow, fixture, "must be relative to the folder of the workflow file", problem);
    if (snprintf(path, sizeof(path), "%.*s%s", folder, workflow->file, fixture->body_file) >= (int)sizeof(path))
        return fail(workflow, fixture, "the path is too long", problem);
    if (!read_file(path, &text)) {
        buffer_free(&text);
        return fail(workflow, fixture, strerror(errno), problem);
    }
    *body = json_read(buffer_slice(&text), &json);
    buffer_free(&text);
    if (*body != NULL)
        return true;
    snprintf(why, sizeof(why), "line %u, column %u: %s", json.line, json.column, json.text);
    return fail(workflow, fixture, why, problem);
}

static void tell(const struct workflow_fixture *fixture, const struct text_problem *problem, struct buffer *into)
{
    char text[800];

    text_problem_print(problem, text, sizeof(text));
    buffer_printf(into, "%s (in the rehearsal of line %u)\n", text, fixture->line);
}

bool rehearsing_run(const struct workflow *workflow, const struct workflow_fixture *fixture,
                    struct expression_engine *engine, struct buffer *into)
{
    struct rehearsal rehearsal;
    struct text_problem problem;
    json_t *body = NULL;

    if (!rehearsing_read_body(workflow, fixture, &body, &problem)) {
        tell(fixture, &problem, into);
        return false;
    }
    json_t *trigger = rehearsal_trigger(workflow, fixture, body, &rehearsing_shop);
    struct rehearsal_given given = {.workflow = workflow,
                                    .trigger = trigger,
                                    .answers = fixture->answers,
                                    .store = fixture->store,
                                    .now_ms = fixture->now_ms,
                                    .engine = engine,
                                    .shop = &rehearsing_shop,
                                    .hooks = &rehearsing_hooks};
    bool good = rehearse(&given, &rehearsal, &problem);
    if (good) {
        good = rehearsal_check(workflow, fixture, &rehearsal, into);
        rehearsal_fini(&rehearsal);
    } else
        tell(fixture, &problem, into);
    json_decref(trigger);
    json_decref(body);
    return good;
}
