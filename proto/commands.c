// SPDX-License-Identifier: MIT
#include "proto/commands.h"
#include "proto/text/json.h"
#include <stdio.h>

#define ARGUMENT(argument, type, how, text) {#argument, text, ARGUMENT_##type, ARGUMENT_##how},
#define COMMAND(ID, words, actor, list, doc)                                                                           \
    static const struct argument_info arguments_##ID[] = {list{NULL, NULL, ARGUMENT_text, ARGUMENT_OPTIONAL}};
#include "proto/commands.def"
#undef COMMAND
#undef ARGUMENT

const struct command_info command_info[COMMAND_COUNT] = {
#define ARGUMENT(name, kind, need, doc)
#define COMMAND(ID, names, owner, list, text)                                                                          \
    [COMMAND_##ID] = {names, text, (enum actor_index)ACTOR_##owner, arguments_##ID},
#include "proto/commands.def"
#undef COMMAND
#undef ARGUMENT
};

enum command_id command_find(struct slice words)
{
    for (unsigned i = 0; i < COMMAND_COUNT; i++)
        if (slice_is(words, command_info[i].words))
            return (enum command_id)i;
    return COMMAND_COUNT;
}

static const struct argument_info *argument_find(enum command_id command, const char *name)
{
    for (const struct argument_info *argument = command_info[command].arguments; argument->name != NULL; argument++)
        if (slice_equal(slice_of(argument->name), slice_of(name)))
            return argument;
    return NULL;
}

static bool kind_fits(const struct argument_info *argument, const json_t *value)
{
    switch (argument->kind) {
    case ARGUMENT_number:
        return json_is_integer(value) && json_integer_value(value) >= 0;
    case ARGUMENT_flag:
        return json_is_boolean(value);
    case ARGUMENT_text:
    case ARGUMENT_data:
        return json_is_string(value);
    case ARGUMENT_files:
        return json_is_array(value);
    }
    return false;
}

static bool check_object(enum command_id command, json_t *object, char *problem, size_t size)
{
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        const struct argument_info *argument = argument_find(command, key);
        if (argument == NULL || !kind_fits(argument, value)) {
            char name[41];
            snprintf(name, sizeof(name), "%s", key);
            text_end_whole(name);
            snprintf(problem, size, "%s: argument \"%s\" %s", command_info[command].words, name,
                     argument ? "has the wrong type" : "is not known");
            return false;
        }
    }
    for (const struct argument_info *argument = command_info[command].arguments; argument->name != NULL; argument++)
        if (argument->need == ARGUMENT_REQUIRED && json_object_get(object, argument->name) == NULL) {
            snprintf(problem, size, "%s: argument \"%s\" is missing: %s", command_info[command].words, argument->name,
                     argument->doc);
            return false;
        }
    return true;
}

bool command_check(enum command_id command, struct slice arguments_json, char *problem, size_t problem_size)
{
    struct json_problem why;
    json_t *object = json_read(arguments_json, &why);
    bool ok;

    if (!json_is_object(object)) {
        snprintf(problem, problem_size, "%s: arguments must be a JSON object", command_info[command].words);
        json_decref(object);
        return false;
    }
    ok = check_object(command, object, problem, problem_size);
    if (!ok)
        text_end_whole(problem);
    json_decref(object);
    return ok;
}
