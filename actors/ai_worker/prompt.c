// SPDX-License-Identifier: MIT
#include "actors/ai_worker/prompt.h"
#include <stdio.h>
#include <string.h>

enum { PATH_MAX_BYTES = 200, TOKENS_DEFAULT = 1024 };

/* Zero-width and direction marks: U+200B-200F, 202A-202E, 2060-2069, FEFF. */
static bool is_hidden(const unsigned char *at, size_t left)
{
    if (left < 3)
        return false;
    if (at[0] == 0xef)
        return at[1] == 0xbb && at[2] == 0xbf;
    if (at[0] != 0xe2)
        return false;
    return (at[1] == 0x80 && ((at[2] >= 0x8b && at[2] <= 0x8f) || (at[2] >= 0xaa && at[2] <= 0xae))) ||
           (at[1] == 0x81 && at[2] >= 0xa0 && at[2] <= 0xa9);
}

static void put_clean(struct buffer *into, struct slice text)
{
    const unsigned char *bytes = (const unsigned char *)text.data;

    text.size = text.size > PROMPT_VALUE_MAX ? PROMPT_VALUE_MAX : text.size;
    while (text.size > 0 && !slice_is_utf8(text))
        text.size--;
    for (size_t at = 0; at < text.size; at++) {
        if (is_hidden(bytes + at, text.size - at))
            at += 2;
        else
            buffer_append(into, bytes[at] < 0x20 || bytes[at] == 0x7f ? " " : text.data + at, 1);
    }
}

static void put_value(struct buffer *into, const json_t *value)
{
    struct buffer text = {NULL, 0, 0};

    if (json_is_string(value))
        buffer_append(&text, json_string_value(value), json_string_length(value));
    else if (value != NULL && !json_is_null(value))
        json_write(&text, value);
    put_clean(into, buffer_slice(&text));
    buffer_free(&text);
}

static struct slice trim(const char *data, size_t size)
{
    while (size > 0 && (data[0] == ' ' || data[0] == '\t')) {
        data++;
        size--;
    }
    while (size > 0 && (data[size - 1] == ' ' || data[size - 1] == '\t'))
        size--;
    return (struct slice){data, size};
}

void prompt_fill(struct buffer *into, struct slice text, const json_t *vars)
{
    while (text.size > 0) {
        const char *open = memmem(text.data, text.size, "{{", 2);
        size_t before = open != NULL ? (size_t)(open - text.data) : text.size;
        const char *close = open != NULL ? memmem(open, text.size - before, "}}", 2) : NULL;
        char path[PATH_MAX_BYTES];

        if (close == NULL) {
            buffer_append(into, text.data, text.size);
            return;
        }
        buffer_append(into, text.data, before);
        struct slice name = trim(open + 2, (size_t)(close - open - 2));
        if (name.size > 0 && name.size < sizeof(path)) {
            memcpy(path, name.data, name.size);
            path[name.size] = '\0';
            put_value(into, json_at(vars, path));
        }
        text.size -= (size_t)(close + 2 - text.data);
        text.data = close + 2;
    }
}

static size_t characters(struct slice text)
{
    size_t count = 0;

    for (size_t i = 0; i < text.size; i++)
        count += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    return count;
}

/* The schema of the step wins over the one of the prompt file. */
static json_t *schema_of(const struct prompt *prompt, const json_t *input)
{
    json_t *own = json_object_get(input, "schema");
    struct json_problem problem;

    if (json_is_object(own))
        return json_incref(own);
    return prompt->answer != NULL ? json_read(slice_of(prompt->answer), &problem) : NULL;
}

static json_int_t tokens_of(const struct prompt *prompt, const json_t *input)
{
    const json_t *own = json_object_get(input, "max_tokens");
    json_int_t most = prompt->output_tokens_max > 0 ? prompt->output_tokens_max : TOKENS_DEFAULT;
    json_int_t wanted = json_is_integer(own) ? json_integer_value(own) : most;

    return wanted < most ? wanted : most;
}

static json_t *inputs_pack(const struct prompt *prompt, const json_t *input, struct slice text)
{
    json_t *inputs = json_pack("{s:s%, s:I}", "prompt", text.size ? text.data : "", text.size, "max_tokens",
                               tokens_of(prompt, input));
    json_t *schema = schema_of(prompt, input), *heat = json_object_get(input, "temperature");
    struct slice model = json_text_at(input, "model");

    if (prompt->system != NULL && prompt->system[0] != '\0')
        json_object_set_new(inputs, "system", json_string(prompt->system));
    if (schema != NULL)
        json_object_set_new(inputs, "schema", schema);
    if (json_is_number(heat))
        json_object_set(inputs, "temperature", heat);
    if (model.size > 0)
        json_object_set_new(inputs, "model", json_stringn(model.data, model.size));
    else if (prompt->model != NULL)
        json_object_set_new(inputs, "model", json_string(prompt->model));
    return inputs;
}

json_t *prompt_inputs(const struct config *config, const json_t *input, enum error *error, char problem[200])
{
    struct slice name = json_text_at(input, "prompt");
    const struct prompt *prompt = config_prompt(config, name);
    struct buffer text = {NULL, 0, 0};
    json_t *inputs = NULL;

    *error = ERROR_INVALID;
    if (prompt == NULL) {
        snprintf(problem, 200, "there is no prompt %.*s", name.size > 64 ? 64 : (int)name.size,
                 name.size ? name.data : "");
        return NULL;
    }
    prompt_fill(&text, slice_of(prompt->text), json_object_get(input, "vars"));
    size_t count = characters(buffer_slice(&text));
    if (prompt->input_chars_max > 0 && count > (size_t)prompt->input_chars_max) {
        *error = ERROR_TOO_LARGE;
        snprintf(problem, 200, "prompt %s is %zu characters long, at most %lld are allowed", prompt->name, count,
                 (long long)prompt->input_chars_max);
    } else {
        inputs = inputs_pack(prompt, input, buffer_slice(&text));
        *error = ERROR_OK;
    }
    buffer_free(&text);
    return inputs;
}
