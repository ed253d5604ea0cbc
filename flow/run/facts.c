// SPDX-License-Identifier: MIT
#include "flow/run/machine_priv.h"
#include "proto/check.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { FACTS_RESERVE = 2 };

/* One event reads so much and no more; what needs further facts is begun by the next. */
static const json_t *want(struct machine *machine, const struct fact_wanted *wanted)
{
    if (json_object_size(machine->facts) >= MACHINE_FACTS_MAX - FACTS_RESERVE) {
        machine->is_starved = machine->is_full = true;
        return NULL;
    }
    machine->is_wanting = true;
    machine->wanted = *wanted;
    return NULL;
}

static struct fact_wanted wanted_at(enum fact_kind kind, const char *space, struct slice key)
{
    struct fact_wanted wanted = {.kind = kind};

    CHECK(strlen(space) < sizeof(wanted.space) && key.size < sizeof(wanted.key) &&
          (key.size == 0 || memchr(key.data, '\0', key.size) == NULL));
    snprintf(wanted.space, sizeof(wanted.space), "%s", space);
    snprintf(wanted.key, sizeof(wanted.key), "%.*s", (int)key.size, key.size ? key.data : "");
    snprintf(wanted.name, sizeof(wanted.name), "%s/%s/%s", kind == FACT_LIST ? "list" : "value", wanted.space,
             wanted.key);
    return wanted;
}

const json_t *machine_fact_value(struct machine *machine, const char *space, struct slice key)
{
    struct fact_wanted wanted = wanted_at(FACT_VALUE, space, key);
    const json_t *fact = json_object_get(machine->written, wanted.name);

    if (fact == NULL)
        fact = json_object_get(machine->facts, wanted.name);
    return fact != NULL ? fact : want(machine, &wanted);
}

const json_t *machine_fact_list(struct machine *machine, const char *space, struct slice prefix)
{
    struct fact_wanted wanted = wanted_at(FACT_LIST, space, prefix);
    const json_t *fact = json_object_get(machine->facts, wanted.name);

    return fact != NULL ? fact : want(machine, &wanted);
}

const json_t *machine_fact(struct machine *machine, enum fact_kind kind, int64_t from_ms, int64_t to_ms)
{
    static const char *const names[] = {[FACT_BOOKS] = "books", [FACT_QUEUES] = "queues", [FACT_RUNS] = "runs"};
    struct fact_wanted wanted = {.kind = kind, .from_ms = from_ms, .to_ms = to_ms};

    CHECK(kind == FACT_BOOKS || kind == FACT_QUEUES || kind == FACT_RUNS);
    snprintf(wanted.name, sizeof(wanted.name), "%s/%" PRId64 "/%" PRId64, names[kind], from_ms, to_ms);
    const json_t *fact = json_object_get(machine->facts, wanted.name);
    return fact != NULL ? fact : want(machine, &wanted);
}

static void expect(struct machine *machine, const struct fact_wanted *wanted)
{
    const json_t *fact = json_object_get(machine->facts, wanted->name);

    if (fact == NULL || json_object_get(machine->written, wanted->name) != NULL)
        return;
    op_put_expect(machine->ops,
                  &(struct op_expect){.space = slice_of(wanted->space),
                                      .key = slice_of(wanted->key),
                                      .version = (uint64_t)json_integer_value(json_object_get(fact, "version"))});
    machine->op_count++;
}

void machine_forget_written(struct machine *machine)
{
    json_decref(machine->written);
    machine->written = NULL;
}

void machine_put_value(struct machine *machine, const char *space, struct slice key, const json_t *value)
{
    struct fact_wanted wanted = wanted_at(FACT_VALUE, space, key);
    struct buffer text = {NULL, 0, 0};

    expect(machine, &wanted);
    if (machine->written == NULL)
        machine->written = json_object();
    if (value == NULL) {
        op_put_delete(machine->ops, &(struct op_delete){.space = slice_of(space), .key = key});
        json_object_set_new(machine->written, wanted.name, json_pack("{s:i}", "version", 0));
    } else {
        json_write(&text, value);
        op_put_put(machine->ops, &(struct op_put){.space = slice_of(space), .key = key, .value = buffer_slice(&text)});
        json_object_set_new(machine->written, wanted.name,
                            json_pack("{s:i, s:s%}", "version", 1, "value", text.data, text.size));
    }
    machine->op_count++;
    buffer_free(&text);
}
