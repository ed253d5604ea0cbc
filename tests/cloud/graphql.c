// SPDX-License-Identifier: MIT
#include "tests/cloud/graphql.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 12, MUTATION_COST = 10 };

struct parser {
    const char *at, *end;
    const json_t *variables;
    json_t *declared;
    char *problem;
};

static void skip(struct parser *parser)
{
    while (parser->at < parser->end && (isspace((unsigned char)*parser->at) || *parser->at == ','))
        parser->at++;
}

static void wrong(struct parser *parser, const char *what)
{
    if (parser->problem[0] == '\0')
        snprintf(parser->problem, 200, "Parse error: %s", what);
    parser->at = parser->end;
}

static bool take(struct parser *parser, char c)
{
    skip(parser);
    if (parser->at == parser->end || *parser->at != c)
        return false;
    parser->at++;
    return true;
}

static void need(struct parser *parser, char c)
{
    char what[32];

    snprintf(what, sizeof(what), "expected %c", c);
    if (!take(parser, c))
        wrong(parser, what);
}

static struct slice take_name(struct parser *parser)
{
    const char *start;

    skip(parser);
    start = parser->at;
    while (parser->at < parser->end && (isalnum((unsigned char)*parser->at) || *parser->at == '_'))
        parser->at++;
    return (struct slice){start, (size_t)(parser->at - start)};
}

static void set(json_t *object, struct slice name, json_t *value)
{
    char *key = slice_dup(name);

    json_object_set_new(object, key, value);
    free(key);
}

/* ---- values ---- */

static json_t *value_of(struct parser *parser, int depth);

static json_t *variable(struct parser *parser)
{
    struct slice name = take_name(parser);
    char *key = slice_dup(name);
    json_t *value = json_object_get(parser->variables, key);

    if (json_object_get(parser->declared, key) == NULL)
        wrong(parser, "a variable that is not declared");
    free(key);
    return value != NULL ? json_deep_copy(value) : json_null();
}

static json_t *text(struct parser *parser)
{
    const char *start = parser->at;
    struct json_problem problem;

    while (parser->at < parser->end && *parser->at != '"')
        parser->at += *parser->at == '\\' && parser->at + 1 < parser->end ? 2 : 1;
    if (parser->at >= parser->end) {
        wrong(parser, "a text without an end");
        return json_null();
    }
    parser->at++;
    json_t *value = json_read((struct slice){start - 1, (size_t)(parser->at - start) + 1}, &problem);
    return value != NULL ? value : json_null();
}

static json_t *list(struct parser *parser, int depth)
{
    json_t *values = json_array();

    while (parser->at < parser->end && !take(parser, ']'))
        json_array_append_new(values, value_of(parser, depth + 1));
    return values;
}

static json_t *object(struct parser *parser, char end, int depth)
{
    json_t *values = json_object();

    while (parser->at < parser->end && !take(parser, end)) {
        struct slice name = take_name(parser);
        if (name.size == 0)
            wrong(parser, "expected a name");
        need(parser, ':');
        set(values, name, value_of(parser, depth + 1));
    }
    return values;
}

static json_t *value_of(struct parser *parser, int depth)
{
    struct json_problem problem;

    if (depth > DEPTH_MAX)
        wrong(parser, "too deep");
    if (take(parser, '$'))
        return variable(parser);
    if (take(parser, '"'))
        return text(parser);
    if (take(parser, '['))
        return list(parser, depth);
    if (take(parser, '{'))
        return object(parser, '}', depth);
    bool minus = take(parser, '-');
    struct slice word = take_name(parser);
    if (word.size == 0)
        wrong(parser, "expected a value");
    json_t *value = word.size > 0 ? json_read(word, &problem) : NULL;
    if (value != NULL && minus)
        json_integer_set(value, -json_integer_value(value));
    return value != NULL ? value : json_stringn(word.size ? word.data : "", word.size);
}

/* ---- fields ---- */

static json_t *fields_of(struct parser *parser, int depth)
{
    json_t *fields = json_array();

    if (depth > DEPTH_MAX)
        wrong(parser, "too deep");
    while (parser->at < parser->end && !take(parser, '}')) {
        struct slice alias = take_name(parser), name = alias;
        json_t *field = json_object();
        if (alias.size == 0)
            wrong(parser, "expected a field");
        if (take(parser, ':'))
            name = take_name(parser);
        set(field, SLICE("alias"), json_stringn(alias.size ? alias.data : "", alias.size));
        set(field, SLICE("name"), json_stringn(name.size ? name.data : "", name.size));
        set(field, SLICE("args"), take(parser, '(') ? object(parser, ')', depth) : json_object());
        if (take(parser, '{'))
            set(field, SLICE("fields"), fields_of(parser, depth + 1));
        json_array_append_new(fields, field);
    }
    if (json_array_size(fields) == 0)
        wrong(parser, "nothing is selected");
    return fields;
}

static void declarations(struct parser *parser)
{
    while (parser->at < parser->end && !take(parser, ')')) {
        need(parser, '$');
        struct slice name = take_name(parser);
        need(parser, ':');
        set(parser->declared, name, json_true());
        while (take(parser, '[') || take(parser, ']') || take(parser, '!') || take_name(parser).size > 0)
            ;
        if (take(parser, '='))
            json_decref(value_of(parser, 0));
    }
}

json_t *graphql_parse(struct slice query, const json_t *variables, char problem[200])
{
    struct parser parser = {query.data, query.data + query.size, variables, json_object(), problem};
    json_t *operation = json_object();

    problem[0] = '\0';
    struct slice word = take_name(&parser);
    json_object_set_new(operation, "mutation", json_boolean(slice_is(word, "mutation")));
    take_name(&parser);
    if (take(&parser, '('))
        declarations(&parser);
    need(&parser, '{');
    json_object_set_new(operation, "fields", fields_of(&parser, 0));
    skip(&parser);
    if (parser.at != parser.end)
        wrong(&parser, "something stands behind the operation");
    /* Whatever ends early leaves a brace open. */
    long open = 0;
    for (size_t i = 0; i < query.size; i++)
        open += (query.data[i] == '{') - (query.data[i] == '}');
    if (open != 0)
        wrong(&parser, "a brace is open");
    json_decref(parser.declared);
    if (problem[0] == '\0')
        return operation;
    json_decref(operation);
    return NULL;
}

/* ---- what is asked for ---- */

static json_t *cut_object(const json_t *value, const json_t *asked, char problem[200])
{
    json_t *cut = json_object(), *field;
    size_t index;

    json_array_foreach(asked, index, field)
    {
        const char *name = json_string_value(json_object_get(field, "name"));
        const json_t *found = json_object_get(value, name);
        if (found == NULL && problem[0] == '\0')
            snprintf(problem, 200, "Field '%.60s' doesn't exist here", name);
        json_object_set_new(cut, json_string_value(json_object_get(field, "alias")),
                            graphql_cut(found, json_object_get(field, "fields"), problem));
    }
    return cut;
}

/* The depth is that of the query, which is bounded. */
json_t *graphql_cut(const json_t *value, const json_t *asked, char problem[200])
{
    if (json_is_array(value) && asked != NULL) {
        json_t *list_cut = json_array();
        for (size_t i = 0; i < json_array_size(value); i++)
            json_array_append_new(list_cut, graphql_cut(json_array_get(value, i), asked, problem));
        return list_cut;
    }
    if (value == NULL || json_is_null(value))
        return json_null();
    if (json_is_object(value) != (asked != NULL) && problem[0] == '\0')
        snprintf(problem, 200, "%s",
                 asked != NULL ? "Selections can't be made on scalars" : "Field must have selections");
    return json_is_object(value) ? cut_object(value, asked, problem) : json_deep_copy(value);
}

static double fields_cost(const json_t *fields, double times)
{
    double cost = 0;
    json_t *field;
    size_t index;

    json_array_foreach(fields, index, field)
    {
        const json_t *first = json_at(field, "args.first"), *inner = json_object_get(field, "fields");
        if (inner == NULL)
            continue;
        double inside = times * (json_is_integer(first) ? (double)json_integer_value(first) : 1);
        bool wraps =
            json_is_integer(first) || strcmp(json_string_value(json_object_get(field, "name")), "pageInfo") == 0;
        cost += (wraps ? 0 : times) + fields_cost(inner, inside);
    }
    return cost;
}

double graphql_cost(const json_t *operation)
{
    const json_t *fields = json_object_get(operation, "fields");

    if (json_is_true(json_object_get(operation, "mutation")))
        return MUTATION_COST * (double)json_array_size(fields);
    return fields_cost(fields, 1);
}
