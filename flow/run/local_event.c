// SPDX-License-Identifier: MIT
#include "flow/run/machine_walk.h"
#include <stdio.h>
#include <string.h>

enum { KEY_ROOM = 420, PRIORITY = 4, BODY_BYTES_MAX = 256 * 1024 };

/* ---- booked ---- */

enum error local_booked(struct machine *machine, struct machine_step *step, const json_t *inputs, json_t **result,
                        char *problem, size_t room)
{
    struct slice book = json_text_at(inputs, "book"), key = json_text_at(inputs, "key");
    struct json_problem why;
    char name[KEY_ROOM];

    (void)step, (void)problem, (void)room;
    snprintf(name, sizeof(name), "%.*s/%.*s", (int)book.size, book.data, (int)key.size, key.data);
    const json_t *fact = machine_fact_value(machine, "booked", slice_of(name));
    struct slice text = json_text_at(fact, "value");
    json_t *value = text.size > 0 ? json_read(text, &why) : NULL;
    *result = value != NULL ? value : json_null();
    return ERROR_OK;
}

/* ---- event ---- */

/* A run that an event began, or one that such a run called or is followed by, could go round in a circle for ever. */
static bool may_tell(const struct machine *machine)
{
    static const char *const kinds[] = {"schedule", "slot", "manual", "queue", "message"};
    struct slice kind = json_text_at(machine->run->record, "trigger.kind");

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (slice_is(kind, kinds[i]))
            return true;
    return false;
}

static void push(struct machine *machine, const json_t *inputs, struct slice body)
{
    struct slice hook = json_text_at(inputs, "hook"), shop = json_text_at(inputs, "shop");
    struct buffer payload = {NULL, 0, 0};

    payload_put_hook(&payload, &(struct payload_hook){.hook = hook,
                                                      .topic = json_text_at(inputs, "topic"),
                                                      .shop = shop.size > 0 ? shop : hook,
                                                      .received_ms = machine->now_ms,
                                                      .content_type = SLICE("application/json"),
                                                      .body = body});
    op_put_push(machine->ops, &(struct op_push){.queue = SLICE("flow"),
                                                .priority = PRIORITY,
                                                .content_type = SLICE(PAYLOAD_CONTENT_TYPE),
                                                .payload = buffer_slice(&payload)});
    machine->op_count++;
    buffer_free(&payload);
}

enum error local_event(struct machine *machine, struct machine_step *step, const json_t *inputs, json_t **result,
                       char *problem, size_t room)
{
    struct buffer body = {NULL, 0, 0};
    enum error error = ERROR_OK;

    (void)step;
    json_write(&body, json_object_get(inputs, "body"));
    if (!may_tell(machine)) {
        snprintf(problem, room, "event: only a run that began by time, hand, message or a queue may tell an event");
        error = ERROR_INVALID;
    } else if (body.size > BODY_BYTES_MAX) {
        snprintf(problem, room, "event: the body has %zu bytes of JSON, and %d may be told", body.size, BODY_BYTES_MAX);
        error = ERROR_TOO_LARGE;
    } else {
        push(machine, inputs, buffer_slice(&body));
        *result = json_pack("{s:b}", "told", 1);
    }
    buffer_free(&body);
    return error;
}
