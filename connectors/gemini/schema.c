// SPDX-License-Identifier: MIT
#include "connectors/gemini/schema.h"
#include <stdio.h>
#include <string.h>

/* What a schema may say, and of which JSON type the value is: s text, n number, b boolean, a list of text, o schemas by
 * name, x one schema, y list of schemas, t a type name, m an integer that Gemini wants as text or number. */
static const struct keyword {
    const char *name;
    char shape;
} keywords[] = {
    {"type", 't'},      {"description", 's'}, {"title", 's'},
    {"format", 's'},    {"nullable", 'b'},    {"enum", 'a'},
    {"required", 'a'},  {"properties", 'o'},  {"items", 'x'},
    {"minItems", 'm'},  {"maxItems", 'm'},    {"minimum", 'n'},
    {"maximum", 'n'},   {"pattern", 's'},     {"minLength", 'm'},
    {"maxLength", 'm'}, {"anyOf", 'y'},       {"propertyOrdering", 'a'},
};

static const char *const type_names[] = {"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT"};

static json_t *translate(const json_t *schema, unsigned depth, char *problem, size_t room);

static json_t *type_translate(const json_t *value)
{
    for (size_t i = 0; json_is_string(value) && i < sizeof(type_names) / sizeof(type_names[0]); i++)
        if (strcasecmp(json_string_value(value), type_names[i]) == 0)
            return json_string(type_names[i]);
    return NULL;
}

static bool is_text_list(const json_t *value)
{
    if (!json_is_array(value))
        return false;
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!json_is_string(json_array_get(value, i)))
            return false;
    return true;
}

static json_t *properties_translate(const json_t *value, unsigned depth, char *problem, size_t room)
{
    json_t *copy = json_object();

    for (void *at = json_object_iter((json_t *)(uintptr_t)value); json_is_object(value) && at != NULL;
         at = json_object_iter_next((json_t *)(uintptr_t)value, at)) {
        json_t *inner = translate(json_object_iter_value(at), depth + 1, problem, room);
        if (inner == NULL) {
            json_decref(copy);
            return NULL;
        }
        json_object_set_new(copy, json_object_iter_key(at), inner);
    }
    return copy;
}

static json_t *choices_translate(const json_t *value, unsigned depth, char *problem, size_t room)
{
    json_t *copy = json_array();

    for (size_t i = 0; i < json_array_size(value); i++) {
        json_t *inner = translate(json_array_get(value, i), depth + 1, problem, room);
        if (inner == NULL) {
            json_decref(copy);
            return NULL;
        }
        json_array_append_new(copy, inner);
    }
    return copy;
}

/* NULL when the value does not have the keyword's shape. */
static json_t *value_translate(char shape, const json_t *value, unsigned depth, char *problem, size_t room)
{
    switch (shape) {
    case 't':
        return type_translate(value);
    case 's':
        return json_is_string(value) ? json_deep_copy(value) : NULL;
    case 'n':
        return json_is_number(value) ? json_deep_copy(value) : NULL;
    case 'b':
        return json_is_boolean(value) ? json_deep_copy(value) : NULL;
    case 'm':
        return json_is_integer(value) && json_integer_value(value) >= 0 ? json_deep_copy(value) : NULL;
    case 'a':
        return is_text_list(value) ? json_deep_copy(value) : NULL;
    case 'o':
        return json_is_object(value) ? properties_translate(value, depth, problem, room) : NULL;
    case 'x':
        return translate(value, depth + 1, problem, room);
    default:
        return json_is_array(value) ? choices_translate(value, depth, problem, room) : NULL;
    }
}

static const struct keyword *keyword_find(const char *name)
{
    for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
        if (strcmp(name, keywords[i].name) == 0)
            return &keywords[i];
    return NULL;
}

static json_t *translate(const json_t *schema, unsigned depth, char *problem, size_t room)
{
    if (!json_is_object(schema) || depth > SCHEMA_DEPTH_MAX) {
        snprintf(problem, room, json_is_object(schema) ? "schema is nested too deep" : "a schema is an object");
        return NULL;
    }
    json_t *copy = json_object();
    json_t *source = (json_t *)(uintptr_t)schema; /* jansson's iterators take no const */
    for (void *at = json_object_iter(source); at != NULL; at = json_object_iter_next(source, at)) {
        const struct keyword *keyword = keyword_find(json_object_iter_key(at));
        json_t *value = NULL;

        problem[0] = '\0';
        if (keyword != NULL)
            value = value_translate(keyword->shape, json_object_iter_value(at), depth, problem, room);
        if (value == NULL) {
            if (problem[0] == '\0')
                snprintf(problem, room,
                         keyword ? "schema: value of \"%.60s\" does not fit" : "schema: unknown \"%.60s\"",
                         json_object_iter_key(at));
            json_decref(copy);
            return NULL;
        }
        json_object_set_new(copy, keyword->name, value);
    }
    if (json_object_get(copy, "type") == NULL && json_object_get(copy, "anyOf") == NULL) {
        snprintf(problem, room, "schema: \"type\" is missing");
        json_decref(copy);
        return NULL;
    }
    return copy;
}

json_t *schema_translate(const json_t *schema, char *problem, size_t room)
{
    return translate(schema, 0, problem, room);
}

static bool type_accepts(const char *type, const json_t *value)
{
    switch (type[0]) {
    case 'S':
        return json_is_string(value);
    case 'N':
        return json_is_number(value);
    case 'I':
        return json_is_integer(value);
    case 'B':
        return json_is_boolean(value);
    case 'A':
        return json_is_array(value);
    default:
        return json_is_object(value);
    }
}

static bool in_enum(const json_t *allowed, const json_t *value)
{
    if (allowed == NULL || !json_is_string(value))
        return true;
    for (size_t i = 0; i < json_array_size(allowed); i++)
        if (json_equal(json_array_get(allowed, i), value))
            return true;
    return false;
}

static bool accepts(const json_t *schema, const json_t *value, const char *place, char *problem, size_t room);

static bool object_accepts(const json_t *schema, const json_t *value, char *problem, size_t room)
{
    const json_t *required = json_object_get(schema, "required");
    json_t *properties = json_object_get(schema, "properties");

    for (size_t i = 0; i < json_array_size(required); i++) {
        const char *name = json_string_value(json_array_get(required, i));
        if (json_object_get(value, name) == NULL) {
            snprintf(problem, room, "\"%.60s\" is missing", name);
            return false;
        }
    }
    for (void *at = json_object_iter(properties); at != NULL; at = json_object_iter_next(properties, at)) {
        const json_t *inner = json_object_get(value, json_object_iter_key(at));
        if (inner != NULL && !accepts(json_object_iter_value(at), inner, json_object_iter_key(at), problem, room))
            return false;
    }
    return true;
}

static bool list_accepts(const json_t *schema, const json_t *value, const char *place, char *problem, size_t room)
{
    const json_t *items = json_object_get(schema, "items");
    const json_t *least = json_object_get(schema, "minItems"), *most = json_object_get(schema, "maxItems");
    json_int_t count = (json_int_t)json_array_size(value);

    if ((least && count < json_integer_value(least)) || (most && count > json_integer_value(most))) {
        snprintf(problem, room, "\"%.60s\" has %lld entries", place, (long long)count);
        return false;
    }
    for (size_t i = 0; items != NULL && i < json_array_size(value); i++)
        if (!accepts(items, json_array_get(value, i), place, problem, room))
            return false;
    return true;
}

/* The schema is a translated one, so its depth is bounded, and the recursion follows the schema. */
static bool accepts(const json_t *schema, const json_t *value, const char *place, char *problem, size_t room)
{
    const char *type = json_string_value(json_object_get(schema, "type"));

    if (type == NULL || (json_is_null(value) && json_is_true(json_object_get(schema, "nullable"))))
        return true;
    if (!type_accepts(type, value)) {
        snprintf(problem, room, "\"%.60s\" is no %s", place, type);
        return false;
    }
    if (!in_enum(json_object_get(schema, "enum"), value)) {
        snprintf(problem, room, "\"%.60s\" is none of its allowed values", place);
        return false;
    }
    if (json_is_object(value))
        return object_accepts(schema, value, problem, room);
    return !json_is_array(value) || list_accepts(schema, value, place, problem, room);
}

bool schema_accepts(const json_t *schema, const json_t *value, char *problem, size_t room)
{
    return accepts(schema, value, "answer", problem, room);
}
