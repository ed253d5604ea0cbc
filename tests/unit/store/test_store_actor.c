// SPDX-License-Identifier: MIT
/* The STORE actor in a world of its own: frames go in, frames come out. */
#include "proto/text/json.h"
#include "store/store_actor.h"
#include "tests/unit/store/fixture.h"

enum { FRAMES_MAX = 64, TIMERS = 3 };

struct frame {
    enum actor_index dest;
    enum msg_id id;
    struct buffer bytes;
};

struct world_fixture {
    struct actor actor; /* first: worlds find themselves by it */
    struct fixture *f;
    struct metrics metrics;
    struct store_resource resource;
    struct frame frames[FRAMES_MAX];
    size_t frame_count;
    int64_t now, timers[TIMERS];
    bool job_inbox_full;
};

static int64_t world_now(const struct actor *actor)
{
    return ((const struct world_fixture *)actor)->now;
}

static bool world_trusted(const struct actor *actor)
{
    (void)actor;
    return true;
}

static void world_timer(struct actor *actor, uint64_t timer, int64_t at_ms)
{
    ((struct world_fixture *)actor)->timers[timer] = at_ms;
}

static enum error world_send(struct actor *actor, enum actor_index dest, enum msg_id id, struct slice bytes)
{
    struct world_fixture *w = (struct world_fixture *)actor;

    if (id == MSG_JOB && w->job_inbox_full)
        return ERROR_FULL;
    assert_true(w->frame_count < FRAMES_MAX);
    struct frame *frame = &w->frames[w->frame_count++];
    *frame = (struct frame){dest, id, {NULL, 0, 0}};
    buffer_append(&frame->bytes, bytes.data, bytes.size);
    return ERROR_OK;
}

static void world_log(struct actor *actor, enum log_level level, const char *event, const struct log_field *fields,
                      size_t count)
{
    (void)actor;
    (void)level;
    (void)event;
    (void)fields;
    (void)count;
}

static const struct world world = {.now = world_now,
                                   .wall = world_now,
                                   .wall_trusted = world_trusted,
                                   .timer = world_timer,
                                   .send = world_send,
                                   .log = world_log};

static void forget_frames(struct world_fixture *w)
{
    while (w->frame_count > 0)
        buffer_free(&w->frames[--w->frame_count].bytes);
}

static void begin_life(struct world_fixture *w)
{
    w->actor.life++;
    w->actor.self = xcalloc(1, store_actor_spec.state_size);
    assert_int_equal(store_actor_spec.start(w->actor.self, &w->actor), ERROR_OK);
}

static void end_life(struct world_fixture *w)
{
    store_actor_spec.stop(w->actor.self);
    free(w->actor.self);
}

static int setup(void **state)
{
    struct world_fixture *w = xcalloc(1, sizeof(*w));

    w->f = fixture_new(&kv_memory_ops, BOUND_BYTES);
    w->now = NOW;
    w->resource =
        (struct store_resource){.magic = STORE_RESOURCE_MAGIC, .kv = &kv_memory_ops, .kv_argument = w->f->disk};
    w->actor = (struct actor){.magic = ACTOR_MAGIC,
                              .world = &world,
                              .spec = &store_actor_spec,
                              .metrics = &w->metrics,
                              .resource = &w->resource};
    actor_spec_check(&store_actor_spec);
    begin_life(w);
    *state = w;
    return 0;
}

static int end(void **state)
{
    struct world_fixture *w = *state;

    end_life(w);
    forget_frames(w);
    fixture_destroy(w->f);
    free(w);
    return 0;
}

#define TELL(w, from, name, ...)                                                                                       \
    do {                                                                                                               \
        struct buffer told = {NULL, 0, 0};                                                                             \
        msg_pack_##name(&told, &(struct msg_##name){__VA_ARGS__});                                                     \
        actor_deliver(&(w)->actor, from, buffer_slice(&told));                                                         \
        buffer_free(&told);                                                                                            \
    } while (0)

static void turn(struct world_fixture *w)
{
    forget_frames(w);
    store_actor_spec.turn_end(w->actor.self);
}

/* The nth frame of a kind, as a wire behind its message id; counts must fit. */
static struct wire sent(struct world_fixture *w, enum msg_id id, enum actor_index dest, size_t nth)
{
    for (size_t i = 0; i < w->frame_count; i++)
        if (w->frames[i].id == id && w->frames[i].dest == dest && nth-- == 0) {
            struct wire wire = wire_over(buffer_slice(&w->frames[i].bytes));
            wire_take_array(&wire);
            wire_take_u64(&wire);
            return wire;
        }
    fail_msg("no frame %s", msg_info[id].name);
    return wire_over((struct slice){NULL, 0});
}

static void send_push(struct world_fixture *w, uint64_t ticket, const char *queue)
{
    struct buffer ops = {NULL, 0, 0};

    op_put_push(&ops, &(struct op_push){.queue = slice_of(queue), .payload = SLICE("hello")});
    TELL(w, ACTOR_INGRESS, commit, .ticket = ticket, .ops = buffer_slice(&ops));
    buffer_free(&ops);
}

static void commits_of_a_turn_are_one_group(void **state)
{
    struct world_fixture *w = *state;
    uint64_t commits = kv_memory_disk_commits(w->f->disk);

    TELL(w, ACTOR_PUBLISHER, reset, .life = 3);
    TELL(w, ACTOR_PUBLISHER, subscribe, .queue = SLICE("q"), .window = 2);
    for (uint64_t i = 1; i <= 3; i++)
        send_push(w, i, "q");
    TELL(w, ACTOR_WATCHDOG, read, .ticket = 4, .what = READ_STORE, .limit = 1);
    assert_int_equal(w->frame_count, 0);
    turn(w);
    assert_int_equal(kv_memory_disk_commits(w->f->disk), commits + 1);
    for (size_t i = 0; i < 3; i++) {
        struct wire wire = sent(w, MSG_COMMITTED, ACTOR_INGRESS, i);
        assert_int_equal(wire_take_u64(&wire), i + 1);
        assert_int_equal(wire_take_u64(&wire), ERROR_OK);
    }
    struct wire page = sent(w, MSG_PAGE, ACTOR_WATCHDOG, 0);
    assert_int_equal(wire_take_u64(&page), 4);
    struct wire job = sent(w, MSG_JOB, ACTOR_PUBLISHER, 1);
    assert_int_equal(wire_take_u64(&job), 3); /* the receiver's life */
    assert_int_equal(w->frame_count, 6);
    assert_int_equal(atomic_load(&w->metrics.slots[METRIC_JOBS_LEASED][0]), 2);
}

static void a_full_inbox_is_tried_again(void **state)
{
    struct world_fixture *w = *state;

    TELL(w, ACTOR_PUBLISHER, reset, .life = 1);
    TELL(w, ACTOR_PUBLISHER, subscribe, .queue = SLICE("q"), .window = 2);
    send_push(w, 1, "q");
    w->job_inbox_full = true;
    turn(w);
    assert_true(w->timers[1] > w->now && w->timers[1] <= w->now + 1000);
    w->job_inbox_full = false;
    turn(w);
    sent(w, MSG_JOB, ACTOR_PUBLISHER, 0);
    TELL(w, ACTOR_SUPERVISOR, quiesce, .deadline_ms = 0);
    turn(w);
    assert_int_equal(w->frame_count, 0);
    TELL(w, ACTOR_PUBLISHER, reset, .life = 2);
    turn(w);
    sent(w, MSG_QUIET, ACTOR_SUPERVISOR, 0);
    turn(w);
    assert_int_equal(w->frame_count, 0);
}

static json_t *command(struct world_fixture *w, enum command_id id, const char *arguments, enum error expected)
{
    struct json_problem problem;

    TELL(w, ACTOR_SUPERVISOR, command, .ticket = 9, .command = id, .arguments = slice_of(arguments));
    struct frame early = w->frame_count ? w->frames[w->frame_count - 1] : (struct frame){.id = MSG_COUNT};
    if (early.id != MSG_COMMAND_DONE)
        turn(w);
    for (int i = 0; w->frame_count == 0 && i < 100; i++)
        store_actor_spec.on_timer(w->actor.self, 2);
    struct wire wire = sent(w, MSG_COMMAND_DONE, ACTOR_SUPERVISOR, 0);
    assert_int_equal(wire_take_u64(&wire), 9);
    assert_int_equal(wire_take_u64(&wire), expected);
    json_t *body = json_read(wire_take_text(&wire), &problem);
    assert_non_null(body);
    forget_frames(w);
    return body;
}

static void commands_answer_json(void **state)
{
    struct world_fixture *w = *state;
    char arguments[64];

    send_push(w, 1, "q");
    turn(w);
    struct wire wire = sent(w, MSG_COMMITTED, ACTOR_INGRESS, 0);
    for (int i = 0; i < 3; i++)
        wire_take_u64(&wire);
    snprintf(arguments, sizeof(arguments), "{\"id\": %llu}", (unsigned long long)wire_take_u64(&wire));
    forget_frames(w);
    json_t *body = command(w, COMMAND_JOBS, "{\"state\": \"ready\"}", ERROR_OK);
    assert_int_equal(json_array_size(json_object_get(body, "jobs")), 1);
    json_decref(body);
    json_decref(command(w, COMMAND_JOBS, "{\"state\": \"sleepy\"}", ERROR_INVALID));
    body = command(w, COMMAND_JOB_SHOW, arguments, ERROR_OK);
    assert_int_equal(json_integer_value(json_object_get(body, "payload_bytes")), 5);
    assert_null(json_object_get(body, "payload"));
    json_decref(body);
    json_decref(command(w, COMMAND_JOB_REVIVE, arguments, ERROR_INVALID));
    json_decref(command(w, COMMAND_JOB_CANCEL, arguments, ERROR_UNSUPPORTED));
    json_decref(command(w, COMMAND_JOB_SHOW, "{\"id\": 999999}", ERROR_NOT_FOUND));
    json_decref(command(w, COMMAND_BOOKS, "{}", ERROR_OK));
    body = command(w, COMMAND_STORE_CHECK, "{}", ERROR_OK);
    assert_true(json_is_true(json_object_get(body, "clean")));
    json_decref(body);
}

/* A rare state in a long queue: the store goes on between the pages. */
static void a_long_list_takes_several_turns(void **state)
{
    struct world_fixture *w = *state;
    struct buffer ops = {NULL, 0, 0};

    for (unsigned i = 0; i < 12000; i++) {
        op_put_push(&ops, &(struct op_push){.queue = SLICE("q"), .due_ms = i == 11999 ? w->now + 1000 : 0});
        if (i % 100 < 99)
            continue;
        TELL(w, ACTOR_INGRESS, commit, .ticket = i, .ops = buffer_slice(&ops));
        buffer_clear(&ops);
        turn(w);
    }
    buffer_free(&ops);
    forget_frames(w);
    TELL(w, ACTOR_SUPERVISOR, command, .ticket = 9, .command = COMMAND_JOBS,
         .arguments = slice_of("{\"state\": \"waiting\"}"));
    assert_int_equal(w->frame_count, 0);
    assert_int_equal(w->timers[2], w->now);
    send_push(w, 1, "other");
    turn(w);
    sent(w, MSG_COMMITTED, ACTOR_INGRESS, 0);
    forget_frames(w);
    for (int i = 0; w->frame_count == 0 && i < 20; i++)
        store_actor_spec.on_timer(w->actor.self, 2);
    struct wire wire = sent(w, MSG_COMMAND_DONE, ACTOR_SUPERVISOR, 0);
    assert_int_equal(wire_take_u64(&wire), 9);
    assert_int_equal(wire_take_u64(&wire), ERROR_OK);
    struct json_problem problem;
    json_t *body = json_read(wire_take_text(&wire), &problem);
    assert_int_equal(json_array_size(json_object_get(body, "jobs")), 1);
    assert_true(json_is_false(json_object_get(body, "more")));
    json_decref(body);
    json_decref(command(w, COMMAND_JOBS, "{\"limit\": 5}", ERROR_OK));
    TELL(w, ACTOR_SUPERVISOR, command, .ticket = 9, .command = COMMAND_JOBS,
         .arguments = slice_of("{\"state\": \"waiting\"}"));
}

static void what_ran_in_a_crash_is_charged_once(void **state)
{
    struct world_fixture *w = *state;
    char arguments[64];

    send_push(w, 1, "q");
    turn(w);
    struct wire wire = sent(w, MSG_COMMITTED, ACTOR_INGRESS, 0);
    for (int i = 0; i < 3; i++)
        wire_take_u64(&wire);
    uint64_t id = wire_take_u64(&wire);
    snprintf(arguments, sizeof(arguments), "{\"id\": %llu}", (unsigned long long)id);
    end_life(w);
    w->resource.previous_exit = STORE_EXIT_CRASH;
    w->resource.running[0] = id;
    w->resource.running_count = 1;
    begin_life(w);
    end_life(w);
    begin_life(w);
    forget_frames(w);
    json_t *body = command(w, COMMAND_JOB_SHOW, arguments, ERROR_OK);
    assert_int_equal(json_integer_value(json_object_get(body, "crashes")), 1);
    json_decref(body);
}

/* A pipe keeps the order of what was sent: the commit came first, while its lease was good. */
static void a_reset_does_not_overtake_a_commit(void **state)
{
    struct world_fixture *w = *state;
    struct buffer ops = {NULL, 0, 0};

    TELL(w, ACTOR_PUBLISHER, reset, .life = 1);
    TELL(w, ACTOR_PUBLISHER, subscribe, .queue = SLICE("q"), .window = 1);
    send_push(w, 1, "q");
    turn(w);
    struct wire job = sent(w, MSG_JOB, ACTOR_PUBLISHER, 0);
    wire_take_u64(&job);
    uint64_t id = wire_take_u64(&job), fence = wire_take_u64(&job);
    op_put_finish(&ops, &(struct op_finish){.job = id, .fence = fence});
    TELL(w, ACTOR_PUBLISHER, commit, .ticket = 7, .ops = buffer_slice(&ops));
    forget_frames(w);
    TELL(w, ACTOR_PUBLISHER, reset, .life = 2); /* it failed behind its commit while the disk was syncing */
    buffer_free(&ops);
    TELL(w, ACTOR_PUBLISHER, subscribe, .queue = SLICE("q"), .window = 1);
    struct wire committed = sent(w, MSG_COMMITTED, ACTOR_PUBLISHER, 0);
    assert_int_equal(wire_take_u64(&committed), 7);
    assert_int_equal(wire_take_u64(&committed), ERROR_OK);
    turn(w);
    for (size_t i = 0; i < w->frame_count; i++)
        assert_int_not_equal(w->frames[i].id, MSG_JOB); /* the effect would be done a second time */
}

/* The same of a release: the commit before it had the lease. */
static void a_release_does_not_overtake_a_commit(void **state)
{
    struct world_fixture *w = *state;
    struct buffer ops = {NULL, 0, 0};

    TELL(w, ACTOR_PUBLISHER, reset, .life = 1);
    TELL(w, ACTOR_PUBLISHER, subscribe, .queue = SLICE("q"), .window = 1);
    send_push(w, 1, "q");
    turn(w);
    struct wire job = sent(w, MSG_JOB, ACTOR_PUBLISHER, 0);
    wire_take_u64(&job);
    uint64_t id = wire_take_u64(&job), fence = wire_take_u64(&job);
    op_put_retry(&ops, &(struct op_retry){.job = id, .fence = fence, .due_ms = 0, .error = ERROR_FAILED});
    TELL(w, ACTOR_PUBLISHER, commit, .ticket = 7, .ops = buffer_slice(&ops));
    TELL(w, ACTOR_PUBLISHER, release, .job = id, .fence = fence);
    buffer_free(&ops);
    turn(w);
    struct wire committed = sent(w, MSG_COMMITTED, ACTOR_PUBLISHER, 0);
    assert_int_equal(wire_take_u64(&committed), 7);
    assert_int_equal(wire_take_u64(&committed), ERROR_OK);
    job = sent(w, MSG_JOB, ACTOR_PUBLISHER, 0);
    wire_take_u64(&job);
    assert_int_equal(wire_take_u64(&job), id);
    uint64_t next = wire_take_u64(&job);
    assert_int_not_equal(next, fence);
    TELL(w, ACTOR_PUBLISHER, release, .job = id, .fence = next);
    turn(w);
    sent(w, MSG_JOB, ACTOR_PUBLISHER, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(commits_of_a_turn_are_one_group, setup, end),
        cmocka_unit_test_setup_teardown(a_full_inbox_is_tried_again, setup, end),
        cmocka_unit_test_setup_teardown(commands_answer_json, setup, end),
        cmocka_unit_test_setup_teardown(a_reset_does_not_overtake_a_commit, setup, end),
        cmocka_unit_test_setup_teardown(a_release_does_not_overtake_a_commit, setup, end),
        cmocka_unit_test_setup_teardown(a_long_list_takes_several_turns, setup, end),
        cmocka_unit_test_setup_teardown(what_ran_in_a_crash_is_charged_once, setup, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
