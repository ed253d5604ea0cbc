// SPDX-License-Identifier: MIT
#include "console/terminal/request.h"
#include "proto/text/yaml.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_BYTES_MAX = 16 << 20 };

static void name_subcommands(const char *word, char *problem, size_t size)
{
    size_t length = strlen(word);
    struct buffer list = {NULL, 0, 0};

    for (unsigned i = 0; i < COMMAND_COUNT; i++)
        if (strncmp(command_info[i].words, word, length) == 0 && command_info[i].words[length] == ' ')
            buffer_printf(&list, "%s%s", list.size ? ", " : "", command_info[i].words);
    if (list.size > 0)
        snprintf(problem, size, "%s what? There is: %.*s", word, (int)list.size, list.data);
    buffer_free(&list);
}

static void name_nearest(const char *one, const char *both, char *problem, size_t size)
{
    const char *known[COMMAND_COUNT + 1] = {NULL};
    const char *nearest, *said = both;

    for (unsigned i = 0; i < COMMAND_COUNT; i++)
        known[i] = command_info[i].words;
    nearest = text_nearest(both, known);
    if (nearest == NULL)
        nearest = text_nearest(said = one, known);
    if (nearest != NULL)
        snprintf(problem, size, "there is no command \"%.40s\"; did you mean \"%s\"?", said, nearest);
    else
        snprintf(problem, size, "there is no command \"%.40s\"; see: purser help", one);
}

enum command_id request_find(const struct words *words, size_t *used, char *problem, size_t size)
{
    const char *one = words->count > 0 ? words->at[0] : "";
    char both[128];
    enum command_id command = COMMAND_COUNT;

    snprintf(both, sizeof(both), "%s %s", one, words->count > 1 ? words->at[1] : "");
    if (words->count > 1) {
        *used = 2;
        command = command_find(slice_of(both));
    }
    if (command == COMMAND_COUNT) {
        *used = 1;
        command = command_find(slice_of(one));
    }
    if (command != COMMAND_COUNT)
        return command;
    problem[0] = '\0';
    if (words->count == 1)
        name_subcommands(one, problem, size);
    if (problem[0] == '\0')
        name_nearest(one, words->count > 1 ? both : one, problem, size);
    return COMMAND_COUNT;
}

static const struct argument_info *find_argument(enum command_id command, struct slice name)
{
    for (const struct argument_info *a = command_info[command].arguments; a->name != NULL; a++)
        if (slice_is(name, a->name))
            return a;
    return NULL;
}

static void unknown_option(enum command_id command, const char *word, char *problem, size_t size)
{
    const char *known[16] = {NULL};
    size_t count = 0;

    for (const struct argument_info *a = command_info[command].arguments; a->name != NULL && count < 15; a++)
        known[count++] = a->name;
    const char *nearest = text_nearest(word + 2, known);
    snprintf(problem, size, "%s has no option %.40s%s%s%s", command_info[command].words, word,
             nearest ? "; did you mean --" : "; see: purser help ", nearest ? nearest : command_info[command].words,
             nearest ? "?" : "");
}

bool request_read_file(const char *path, struct buffer *into, char *problem, size_t size)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rbe");
    char chunk[16384];
    size_t got;

    if (file == NULL) {
        snprintf(problem, size, "%s: %s", path, strerror(errno));
        return false;
    }
    while ((got = fread(chunk, 1, sizeof(chunk), file)) > 0 && into->size <= FILE_BYTES_MAX)
        buffer_append(into, chunk, got);
    bool ok = !ferror(file) && into->size <= FILE_BYTES_MAX;
    if (!ok)
        snprintf(problem, size, "%s: %s", path, ferror(file) ? "cannot be read" : "is larger than 16 MiB");
    if (file != stdin)
        fclose(file);
    return ok;
}

static json_t *read_text(const struct argument_info *argument, const char *text, char *problem, size_t size)
{
    struct buffer data = {NULL, 0, 0};
    json_t *value = NULL;
    bool ok = true;

    if (argument->kind == ARGUMENT_data && text[0] == '@')
        ok = request_read_file(text + 1, &data, problem, size);
    else
        buffer_text(&data, text);
    if (ok) {
        value = json_stringn(data.data != NULL ? data.data : "", data.size);
        if (value == NULL)
            snprintf(problem, size, "%s is not UTF-8 text", argument->name);
    }
    buffer_free(&data);
    return value;
}

static json_t *read_value(const struct argument_info *argument, const char *text, char *problem, size_t size)
{
    char *end;

    if (argument->kind != ARGUMENT_number)
        return read_text(argument, text, problem, size);
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || number < 0) {
        snprintf(problem, size, "%s takes a number, not \"%.40s\"", argument->name, text);
        return NULL;
    }
    return json_integer(number);
}

static bool put_argument(struct request *request, const struct argument_info *argument, const char *text, char *problem,
                         size_t size)
{
    json_t *value = argument->kind == ARGUMENT_flag ? json_true() : read_value(argument, text, problem, size);
    json_t *list = json_object_get(request->arguments, argument->name);

    if (value == NULL)
        return false;
    if (argument->kind == ARGUMENT_files) {
        if (list == NULL)
            json_object_set_new(request->arguments, argument->name, list = json_array());
        json_array_append_new(list, value);
        return true;
    }
    if (list != NULL) {
        snprintf(problem, size, "%s is given twice", argument->name);
        json_decref(value);
        return false;
    }
    json_object_set_new(request->arguments, argument->name, value);
    return true;
}

/* One "--name VALUE", "--name=VALUE" or "--flag"; *at stays on its last word. */
static bool read_option(struct request *request, const struct words *words, size_t *at, char *problem, size_t size)
{
    const char *word = words->at[*at], *equals = strchr(word, '=');
    size_t length = (equals != NULL ? (size_t)(equals - word) : strlen(word)) - 2;
    const struct argument_info *argument = find_argument(request->command, (struct slice){word + 2, length});
    const char *text = equals != NULL ? equals + 1 : NULL;

    if (argument == NULL) {
        unknown_option(request->command, word, problem, size);
        return false;
    }
    if (argument->kind == ARGUMENT_flag && text != NULL) {
        snprintf(problem, size, "--%s takes no value", argument->name);
        return false;
    }
    if (argument->kind != ARGUMENT_flag && text == NULL) {
        if (*at + 1 == words->count) {
            snprintf(problem, size, "--%s needs a value: %s", argument->name, argument->doc);
            return false;
        }
        text = words->at[++*at];
    }
    return put_argument(request, argument, text, problem, size);
}

static bool read_positional(struct request *request, const char *word, char *problem, size_t size)
{
    for (const struct argument_info *a = command_info[request->command].arguments; a->name != NULL; a++)
        if (a->need == ARGUMENT_REQUIRED &&
            (a->kind == ARGUMENT_files || json_object_get(request->arguments, a->name) == NULL))
            return put_argument(request, a, word, problem, size);
    snprintf(problem, size, "%s does not take \"%.40s\"; see: purser help %s", command_info[request->command].words,
             word, command_info[request->command].words);
    return false;
}

static bool all_there(const struct request *request, char *problem, size_t size)
{
    for (const struct argument_info *a = command_info[request->command].arguments; a->name != NULL; a++)
        if (a->need == ARGUMENT_REQUIRED && json_object_get(request->arguments, a->name) == NULL) {
            snprintf(problem, size, "%s needs %s: %s", command_info[request->command].words, a->name, a->doc);
            return false;
        }
    return true;
}

bool request_read(const struct words *words, struct request *request, char *problem, size_t size)
{
    bool options = true, ok = true;
    size_t used = 0;

    *request = (struct request){.command = request_find(words, &used, problem, size)};
    if (request->command == COMMAND_COUNT)
        return false;
    request->arguments = json_object();
    for (size_t i = used; ok && i < words->count; i++) {
        if (options && strcmp(words->at[i], "--") == 0)
            options = false;
        else if (options && strncmp(words->at[i], "--", 2) == 0)
            ok = read_option(request, words, &i, problem, size);
        else
            ok = read_positional(request, words->at[i], problem, size);
    }
    ok = ok && all_there(request, problem, size);
    if (!ok)
        request_free(request);
    return ok;
}

void request_free(struct request *request)
{
    json_decref(request->arguments);
    request->arguments = NULL;
}
