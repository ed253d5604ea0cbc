// SPDX-License-Identifier: MIT
#include "flow/run/machine_walk.h"
#include "proto/check.h"
#include <stdio.h>
#include <string.h>

enum { VALUE_BYTES_MAX = 16 * 1024, KEY_ROOM = 420 };
static const int64_t AMOUNT_MAX = INT64_C(1000000000000000); /* so that no hour of a book runs over */

static json_int_t integer_or(const json_t *inputs, const char *name, json_int_t otherwise)
{
    const json_t *value = json_object_get(inputs, name);

    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

/* The stored value of a fact, owned by the caller; NULL when there is none. */
static json_t *value_of(const json_t *fact)
{
    struct json_problem problem;
    struct slice text = json_text_at(fact, "value");

    return text.size > 0 ? json_read(text, &problem) : NULL;
}

/* ---- save ---- */

static enum error local_save(struct machine *machine, struct machine_step *step, const json_t *inputs, json_t **result,
                             char *problem, size_t room)
{
    struct slice shop = json_text_at(inputs, "shop");
    size_t rows = 0, rows_max = MACHINE_OPS_MAX - machine->op_count;

    (void)step;
    if (shop.size == 0)
        shop = json_text_at(machine->run->record, "trigger.shop");
    if (shop.size == 0) {
        snprintf(problem, room, "save: the trigger has no shop; give one with shop:");
        return ERROR_INVALID;
    }
    const struct machine_save save = {
        json_text_at(inputs, "target"), shop, json_object_get(inputs, "from"), rows_max};
    enum error error = machine->hooks->save(&save, machine->ops, &rows, problem, room);
    if (error == ERROR_TOO_LARGE && machine->steps_begun > 1) /* the next commit has more room */
        machine->is_starved = machine->is_full = true;
    if (error != ERROR_OK)
        return error;
    machine->op_count += rows;
    *result = json_pack("{s:I}", "rows", (json_int_t)rows);
    return ERROR_OK;
}

/* ---- count ---- */

static void put_book(struct machine *machine, struct slice book, struct slice currency, int64_t at_ms, int64_t amount)
{
    if (amount == 0)
        return;
    op_put_book(machine->ops, &(struct op_book){.book = book, .currency = currency, .at_ms = at_ms, .amount = amount});
    machine->op_count++;
}

/* The book holds the newest amount of the key, whatever the order in which amounts come: of two that are equally new
 * the larger one stands. */
static enum error count_instead(struct machine *machine, const json_t *inputs, const struct op_book *op, char *problem,
                                size_t room)
{
    struct slice key = json_text_at(inputs, "instead");
    json_int_t as_of = integer_or(inputs, "as_of", INT64_MIN);
    char name[KEY_ROOM];

    if (as_of == INT64_MIN || json_text_at(inputs, "once").size > 0) {
        snprintf(problem, room, "count: instead needs as_of, and cannot go with once");
        return ERROR_INVALID;
    }
    snprintf(name, sizeof(name), "%.*s/%.*s", (int)op->book.size, op->book.data, (int)key.size, key.data);
    const json_t *fact = machine_fact_value(machine, "booked", slice_of(name));
    if (fact == NULL)
        return ERROR_OK;
    json_t *old = value_of(fact);
    json_int_t old_as_of = json_integer_value(json_object_get(old, "as_of"));
    json_int_t old_amount = json_integer_value(json_object_get(old, "amount"));
    if (old == NULL || as_of > old_as_of || (as_of == old_as_of && op->amount > old_amount)) {
        struct slice old_currency = json_text_at(old, "currency");
        json_int_t old_at = json_integer_value(json_object_get(old, "at"));
        bool is_same_place = old != NULL && old_at == op->at_ms && slice_equal(old_currency, op->currency);
        if (!is_same_place)
            put_book(machine, op->book, old_currency, old_at, -old_amount);
        put_book(machine, op->book, op->currency, op->at_ms, is_same_place ? op->amount - old_amount : op->amount);
        json_t *booked = json_pack("{s:I, s:s%, s:I, s:I}", "amount", (json_int_t)op->amount, "currency",
                                   op->currency.size ? op->currency.data : "", op->currency.size, "as_of", as_of, "at",
                                   (json_int_t)op->at_ms);
        machine_put_value(machine, "booked", slice_of(name), booked);
        json_decref(booked);
    }
    json_decref(old);
    return ERROR_OK;
}

/* A count that was taken before skips its booking; the claim and the booking are one commit, so neither stands alone.
 */
static void count_once(struct machine *machine, struct slice once, const struct op_book *op)
{
    struct buffer key = {NULL, 0, 0};

    buffer_printf(&key, "count/%.*s/", (int)op->book.size, op->book.size ? op->book.data : "");
    buffer_append(&key, once.data, once.size);
    op_put_claim(machine->ops, &(struct op_claim){.key = buffer_slice(&key), .until_ms = INT64_MAX, .skip = 1});
    op_put_book(machine->ops, op);
    machine->op_count += 2;
    buffer_free(&key);
}

static enum error local_count(struct machine *machine, struct machine_step *step, const json_t *inputs, json_t **result,
                              char *problem, size_t room)
{
    struct slice once = json_text_at(inputs, "once");
    struct op_book op = {.book = json_text_at(inputs, "book"),
                         .currency = json_text_at(inputs, "currency"),
                         .at_ms = integer_or(inputs, "at", machine->now_ms),
                         .amount = integer_or(inputs, "amount", 1)};
    enum error error = ERROR_OK;

    (void)step;
    if (op.currency.size != 0 && op.currency.size != 3) {
        snprintf(problem, room, "count: a currency has three letters, as EUR has");
        return ERROR_INVALID;
    }
    if (op.amount > AMOUNT_MAX || op.amount < -AMOUNT_MAX) {
        snprintf(problem, room, "count: an amount lies between -10^15 and 10^15");
        return ERROR_INVALID;
    }
    if (json_text_at(inputs, "instead").size > 0)
        error = count_instead(machine, inputs, &op, problem, room);
    else if (once.size > 0)
        count_once(machine, once, &op);
    else
        put_book(machine, op.book, op.currency, op.at_ms, op.amount);
    if (error != ERROR_OK)
        return error;
    *result = json_pack("{s:s%, s:s%, s:I}", "book", op.book.data, op.book.size, "currency",
                        op.currency.size ? op.currency.data : "", op.currency.size, "amount", (json_int_t)op.amount);
    return ERROR_OK;
}

/* ---- kept values ---- */

static enum error local_get(struct machine *machine, struct machine_step *step, const json_t *inputs, json_t **result,
                            char *problem, size_t room)
{
    const json_t *fact = machine_fact_value(machine, "value", json_text_at(inputs, "key"));
    json_t *missing = json_object_get(inputs, "missing");

    (void)step, (void)problem, (void)room;
    *result = fact != NULL ? value_of(fact) : NULL;
    if (*result == NULL)
        *result = missing != NULL ? json_incref(missing) : json_null();
    return ERROR_OK;
}

static enum error local_put(struct machine *machine, struct machine_step *step, const json_t *inputs, json_t **result,
                            char *problem, size_t room)
{
    struct slice key = json_text_at(inputs, "key");
    const json_t *value = json_object_get(inputs, "value");
    struct buffer text = {NULL, 0, 0};

    (void)step;
    json_write(&text, value != NULL ? value : json_null());
    size_t size = text.size;
    buffer_free(&text);
    if (size > VALUE_BYTES_MAX) {
        snprintf(problem, room, "put: the value has %zu bytes of JSON, and %d may be kept under a key", size,
                 VALUE_BYTES_MAX);
        return ERROR_TOO_LARGE;
    }
    machine_put_value(machine, "value", key, value);
    *result = json_null();
    return ERROR_OK;
}

/* ---- throttle ---- */

/* The moments that still lie in the span, oldest first; owned by the caller. */
static json_t *recent_times(const json_t *fact, int64_t after_ms)
{
    json_t *value = value_of(fact), *times = json_array(), *time;
    size_t index;

    json_array_foreach(json_object_get(value, "times"), index, time)
    {
        if (json_integer_value(time) > after_ms)
            json_array_append(times, time);
    }
    json_decref(value);
    return times;
}

static void end_here(struct machine *machine, struct slice text)
{
    machine_withdraw(machine, "done");
    machine->run->state = RUN_DONE;
    json_object_set_new(machine->run->record, "ended_ms", json_integer(machine->now_ms));
    if (text.size > 0)
        json_object_set_new(machine->run->record, "ended_by", json_stringn(text.data, text.size));
}

static enum error local_throttle(struct machine *machine, struct machine_step *step, const json_t *inputs,
                                 json_t **result, char *problem, size_t room)
{
    struct slice key = json_text_at(inputs, "key"), then = json_text_at(inputs, "then");
    size_t limit = (size_t)integer_or(inputs, "limit", 1);
    int64_t per_ms = integer_or(inputs, "per", 1000);
    const json_t *fact = machine_fact_value(machine, "throttle", key);

    (void)problem, (void)room;
    if (fact == NULL)
        return ERROR_OK;
    json_t *times = recent_times(fact, machine->now_ms - per_ms);
    size_t used = json_array_size(times);
    bool passes = used < limit;
    if (passes) {
        json_array_append_new(times, json_integer(machine->now_ms));
        json_t *value = json_pack("{s:O, s:I}", "times", times, "per", (json_int_t)per_ms);
        machine_put_value(machine, "throttle", key, value);
        json_decref(value);
    } else if (slice_is(then, "wait"))
        step->wait_until_ms = json_integer_value(json_array_get(times, used - limit)) + per_ms + 1;
    json_decref(times);
    if (step->wait_until_ms > 0)
        return ERROR_OK;
    *result = json_pack("{s:b, s:I}", "passed", passes, "left", (json_int_t)(passes ? limit - used - 1 : 0));
    if (!passes && slice_is(then, "end"))
        end_here(machine, SLICE("throttled"));
    return ERROR_OK;
}

/* ---- end and log ---- */

static enum error local_end(struct machine *machine, struct machine_step *step, const json_t *inputs, json_t **result,
                            char *problem, size_t room)
{
    (void)step, (void)problem, (void)room;
    end_here(machine, json_text_at(inputs, "text"));
    *result = json_null();
    return ERROR_OK;
}

static enum error local_log(struct machine *machine, struct machine_step *step, const json_t *inputs, json_t **result,
                            char *problem, size_t room)
{
    (void)machine, (void)step, (void)problem, (void)room;
    *result = json_deep_copy(inputs);
    return ERROR_OK;
}

machine_local local_of(enum skill_id skill)
{
    static const machine_local locals[SKILLS_COUNT] = {
        [SKILL_SAVE] = local_save,       [SKILL_COUNT] = local_count,       [SKILL_GET] = local_get,
        [SKILL_PUT] = local_put,         [SKILL_THROTTLE] = local_throttle, [SKILL_END] = local_end,
        [SKILL_CHECK] = local_check,     [SKILL_REMEMBER] = local_remember, [SKILL_VARIANT] = local_variant,
        [SKILL_MEASURE] = local_measure, [SKILL_FIGURES] = local_figures,   [SKILL_LOG] = local_log,
        [SKILL_BOOKED] = local_booked,   [SKILL_EVENT] = local_event,
    };

    CHECK(skills[skill].place == PLACE_LOCAL && locals[skill] != NULL);
    return locals[skill];
}
