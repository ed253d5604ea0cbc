// SPDX-License-Identifier: MIT
/* What flow/run/local_experiment.c keeps in space "experiment": NAME/at comes first, then NAME/sum/..., then the units,
 * which are many and are passed over. */
#include "actors/scheduler/ask.h"
#include "flow/experiment.h"
#include <stdio.h>
#include <string.h>

enum { PAGE_ROWS = 200, EXPERIMENTS_MAX = 200, LOOKS_MAX = 1000, KEY_ROOM = 300 };

static void read_from(struct scheduler *scheduler, struct ask *ask, struct slice from,
                      void (*on_page)(struct scheduler *, struct ask *, const struct msg_page *))
{
    ask_read(
        scheduler, ask,
        &(struct msg_read){.what = READ_SPACE_SCAN, .space = SLICE("experiment"), .from = from, .limit = PAGE_ROWS},
        on_page);
}

/* The name before the first slash, and what follows it. False for a key that is none of ours. */
static bool key_split(struct slice key, struct slice *name, struct slice *rest)
{
    const char *slash = key.size > 0 ? memchr(key.data, '/', key.size) : NULL;

    if (slash == NULL)
        return false;
    *name = (struct slice){key.data, (size_t)(slash - key.data)};
    *rest = (struct slice){slash + 1, key.size - name->size - 1};
    return true;
}

static bool begins_with(struct slice text, const char *prefix)
{
    size_t size = strlen(prefix);

    return text.size >= size && memcmp(text.data, prefix, size) == 0;
}

/* ---- experiments ---- */

static void list_take(json_t *list, struct slice name, struct slice value)
{
    struct json_problem problem;
    json_t *head = json_read(value, &problem), *variants = json_object_get(head, "variants");
    json_int_t units = 0;

    for (void *at = json_object_iter(variants); at != NULL; at = json_object_iter_next(variants, at))
        units += json_integer_value(json_object_iter_value(at));
    json_array_append_new(list, json_pack("{s:s%, s:I, s:O?, s:I}", "experiment", name.data, name.size, "units", units,
                                          "variants", variants, "at_ms",
                                          (json_int_t)json_integer_value(json_object_get(head, "at_ms"))));
    json_decref(head);
}

static void list_on_page(struct scheduler *scheduler, struct ask *ask, const struct msg_page *page)
{
    struct wire wire = wire_over(page->rows);
    struct record_space_entry entry;
    struct slice name, rest;
    json_t *list = json_object_get(ask->state, "experiments");
    json_int_t looks = json_integer_value(json_object_get(ask->state, "looks")) + 1;
    char next[KEY_ROOM] = "";

    for (uint64_t i = 0; i < page->count && next[0] == '\0' && record_take_space_entry(&wire, &entry); i++) {
        if (!key_split(entry.key, &name, &rest))
            continue;
        if (slice_is(rest, "at"))
            list_take(list, name, entry.value);
        /* Behind the slash comes the zero: the next experiment, wherever its units end. */
        else if (begins_with(rest, "unit/"))
            snprintf(next, sizeof(next), "%.*s/unit0", (int)(name.size > EXPERIMENT_NAME_MAX ? 0 : name.size),
                     name.data);
    }
    bool is_bounded = json_array_size(list) >= EXPERIMENTS_MAX || looks >= LOOKS_MAX;
    if (is_bounded || (next[0] == '\0' && page->next.size == 0)) {
        ask_done(scheduler, ask, json_pack("{s:O, s:b}", "experiments", list, "complete", !is_bounded));
        return;
    }
    json_object_set_new(ask->state, "looks", json_integer(looks));
    read_from(scheduler, ask, next[0] != '\0' ? slice_of(next) : page->next, list_on_page);
}

void ask_experiments(struct scheduler *scheduler, struct ask *ask)
{
    ask->state = json_pack("{s:[], s:i}", "experiments", "looks", 0);
    read_from(scheduler, ask, SLICE(""), list_on_page);
}

/* ---- experiment show ---- */

/* "VARIANT/METRIC" with its sum, into {METRIC: {VARIANT: sum}}. */
static void sums_take(json_t *metrics, struct slice rest, struct slice value, struct slice only)
{
    struct json_problem problem;
    struct slice variant, metric;
    char name[EXPERIMENT_NAME_MAX + 1], of[EXPERIMENT_NAME_MAX + 1];
    json_t *sums, *sum;

    if (!key_split(rest, &variant, &metric) || (only.size > 0 && !slice_equal(only, metric)))
        return;
    snprintf(name, sizeof(name), "%.*s", (int)metric.size, metric.data);
    snprintf(of, sizeof(of), "%.*s", (int)variant.size, variant.data);
    sums = json_object_get(metrics, name);
    if (sums == NULL) {
        sums = json_object();
        json_object_set_new(metrics, name, sums);
    }
    sum = json_read(value, &problem);
    if (sum != NULL)
        json_object_set_new(sums, of, sum);
}

static void show_end(struct scheduler *scheduler, struct ask *ask)
{
    json_t *metrics = json_object_get(ask->state, "metrics"), *head = json_object_get(ask->state, "head");
    struct slice name = ask_text(ask, "name");

    if (head == NULL && json_object_size(metrics) == 0) {
        ask_refuse(scheduler, ask, ERROR_NOT_FOUND, "no experiment \"%.*s\" has begun; see: purser experiments",
                   (int)name.size, name.size ? name.data : "");
        return;
    }
    ask_done(scheduler, ask,
             json_pack("{s:s%, s:f, s:i, s:O?, s:o}", "experiment", name.data, name.size, "alpha", EXPERIMENT_ALPHA,
                       "least", EXPERIMENT_LEAST, "units", json_object_get(head, "variants"), "metrics",
                       experiment_report(metrics)));
}

static void show_on_page(struct scheduler *scheduler, struct ask *ask, const struct msg_page *page)
{
    struct wire wire = wire_over(page->rows);
    struct record_space_entry entry;
    struct slice name, rest;
    json_int_t looks = json_integer_value(json_object_get(ask->state, "looks")) + 1;
    bool is_past = false;

    for (uint64_t i = 0; i < page->count && !is_past && record_take_space_entry(&wire, &entry); i++) {
        struct json_problem problem;
        if (!key_split(entry.key, &name, &rest) || !slice_equal(name, ask_text(ask, "name")) ||
            begins_with(rest, "unit/"))
            is_past = true;
        else if (slice_is(rest, "at"))
            json_object_set_new(ask->state, "head", json_read(entry.value, &problem));
        else if (begins_with(rest, "sum/"))
            sums_take(json_object_get(ask->state, "metrics"), (struct slice){rest.data + 4, rest.size - 4}, entry.value,
                      ask_text(ask, "metric"));
    }
    if (is_past || page->next.size == 0 || looks >= LOOKS_MAX) {
        show_end(scheduler, ask);
        return;
    }
    json_object_set_new(ask->state, "looks", json_integer(looks));
    read_from(scheduler, ask, page->next, show_on_page);
}

void ask_experiment_show(struct scheduler *scheduler, struct ask *ask)
{
    struct slice name = ask_text(ask, "name");
    char from[KEY_ROOM];

    if (!experiment_name_fits(name)) {
        ask_refuse(scheduler, ask, ERROR_INVALID, "that is no experiment's name; see: purser experiments");
        return;
    }
    ask->state = json_pack("{s:{}, s:i}", "metrics", "looks", 0);
    snprintf(from, sizeof(from), "%.*s/", (int)name.size, name.data);
    read_from(scheduler, ask, slice_of(from), show_on_page);
}
