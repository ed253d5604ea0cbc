// SPDX-License-Identifier: MIT
#include "flow/run/machine_priv.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { BOOKS_MAX = 100, HOURS_MAX = 200, ROWS_MAX = 200, FAILED_MAX = 20, WORKFLOWS_MAX = 200, RUNS_MAX = 1000 };
static const int64_t DAY_MS = 86400000, MINUTE_MS = 60000;

struct span {
    int64_t from_ms, to_ms;
};

/* Whole minutes, so that the moment at which the store is asked again does not make another question of it. */
static struct span span_of(const struct machine *machine, const json_t *inputs)
{
    const json_t *from = json_object_get(inputs, "from"), *to = json_object_get(inputs, "to");
    struct span span;

    span.to_ms = json_is_integer(to) ? json_integer_value(to) : machine->now_ms;
    span.from_ms = json_is_integer(from) ? json_integer_value(from) : span.to_ms - DAY_MS;
    span.to_ms += (MINUTE_MS - span.to_ms % MINUTE_MS) % MINUTE_MS;
    span.from_ms -= span.from_ms % MINUTE_MS;
    return span;
}

static int64_t added(int64_t sum, int64_t more)
{
    return __builtin_add_overflow(sum, more, &sum) ? (more > 0 ? INT64_MAX : INT64_MIN) : sum;
}

static void add_at(json_t *object, const char *name, int64_t more)
{
    json_object_set_new(object, name, json_integer(added(json_integer_value(json_object_get(object, name)), more)));
}

/* The member of that name, made as an object when it is not there; NULL when there are `most` of them already. */
static json_t *member(json_t *object, const char *name, size_t most)
{
    json_t *found = json_object_get(object, name);

    if (found != NULL || json_object_size(object) >= most)
        return found;
    found = json_object();
    json_object_set_new(object, name, found);
    return found;
}

static void set_span(json_t *figures, struct span span)
{
    json_object_set_new(figures, "from", json_integer(span.from_ms));
    json_object_set_new(figures, "to", json_integer(span.to_ms));
}

/* {books: {BOOK: {CURRENCY: {amount, entries}}}, hours: [...], complete}; a book without a currency has it as "". */
static json_t *books_figures(const json_t *rows)
{
    json_t *books = json_object(), *hours = json_array();
    bool complete = true;

    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i),
               *book = member(books, json_string_value(json_at(row, "book")), BOOKS_MAX);
        json_t *sums = book != NULL ? member(book, json_string_value(json_at(row, "currency")), BOOKS_MAX) : NULL;
        if (sums != NULL) {
            add_at(sums, "amount", json_integer_value(json_at(row, "amount")));
            add_at(sums, "entries", json_integer_value(json_at(row, "entries")));
        }
        if (json_array_size(hours) < HOURS_MAX)
            json_array_append(hours, row);
        complete = complete && sums != NULL && i < HOURS_MAX;
    }
    return json_pack("{s:o, s:o, s:b}", "books", books, "hours", hours, "complete", complete);
}

static json_t *rows_figures(const char *name, const json_t *rows)
{
    json_t *list = json_array();

    for (size_t i = 0; i < json_array_size(rows) && i < ROWS_MAX; i++)
        json_array_append(list, json_array_get(rows, i));
    return json_pack("{s:o, s:b}", name, list, "complete", json_array_size(rows) <= ROWS_MAX);
}

/* [{gate, used, limit, held_ms, at_ms}] as the limiter last wrote it down; a gate that was never used is not there. */
static json_t *limits_figures(const json_t *rows)
{
    json_t *gates = json_array();

    for (size_t i = 0; i < json_array_size(rows) && i < ROWS_MAX; i++) {
        const json_t *row = json_array_get(rows, i);
        struct json_problem problem;
        json_t *gate = json_read(json_text_at(row, "value"), &problem);
        if (json_is_object(gate)) {
            json_object_set(gate, "gate", json_object_get(row, "key"));
            json_array_append(gates, gate);
        }
        json_decref(gate);
    }
    return json_pack("{s:o, s:b}", "limits", gates, "complete", json_array_size(rows) <= ROWS_MAX);
}

/* {total, workflows: {NAME: {STATE: runs}}, failed: [newest runs that failed], complete} */
static json_t *runs_figures(const json_t *rows)
{
    json_t *workflows = json_object(), *failed = json_array();
    size_t count = json_array_size(rows);
    bool complete = count < RUNS_MAX;

    for (size_t i = 0; i < count; i++) {
        const json_t *row = json_array_get(rows, i);
        const char *state = json_string_value(json_at(row, "state"));
        json_t *states = member(workflows, json_string_value(json_at(row, "workflow")), WORKFLOWS_MAX);
        if (states != NULL)
            add_at(states, state, 1);
        complete = complete && states != NULL;
        if (strcmp(state, "failed") == 0 && json_array_size(failed) < FAILED_MAX)
            json_array_append(failed, json_object_get(row, "run"));
    }
    return json_pack("{s:I, s:o, s:o, s:b}", "total", (json_int_t)count, "workflows", workflows, "failed", failed,
                     "complete", complete);
}

enum error local_figures(struct machine *machine, struct machine_step *step, const json_t *inputs, json_t **result,
                         char *problem, size_t room)
{
    struct slice of = json_text_at(inputs, "of");
    struct span span = span_of(machine, inputs);
    bool is_books = slice_is(of, "books"), is_runs = slice_is(of, "runs"), is_queues = slice_is(of, "queues");
    const json_t *rows;

    (void)step;
    if ((is_books || is_runs) && span.from_ms >= span.to_ms) {
        snprintf(problem, room, "figures: from must lie before to");
        return ERROR_INVALID;
    }
    if (is_books || is_runs)
        rows = machine_fact(machine, is_books ? FACT_BOOKS : FACT_RUNS, span.from_ms, span.to_ms);
    else
        rows = is_queues ? machine_fact(machine, FACT_QUEUES, 0, 0) : machine_fact_list(machine, "gate", SLICE(""));
    if (rows == NULL)
        return ERROR_OK;
    *result = is_books    ? books_figures(rows)
              : is_runs   ? runs_figures(rows)
              : is_queues ? rows_figures("queues", rows)
                          : limits_figures(rows);
    if (is_books || is_runs)
        set_span(*result, span);
    json_object_set_new(*result, "of", json_stringn(of.data, of.size));
    return ERROR_OK;
}
