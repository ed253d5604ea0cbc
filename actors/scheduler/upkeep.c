// SPDX-License-Identifier: MIT
#include "actors/common/step_event.h"
#include "actors/scheduler/state.h"
#include <stdio.h>
#include <string.h>

enum { PAGE_ROWS = 100, FIRST_MS = 5000, TURN_MS = 600000, KEEP_MS = 3600000, DAY_MS = 86400000 };
static const int64_t BOOKED_KEEP_MS = INT64_C(400) * DAY_MS;

/* ---- what is done with a page ---- */

/* A job that the store itself put aside, because it ended the process twice, has no worker to tell its run. The claim
 * keeps it from being told anew at each turn. An event of queue flow is left to the owner: told again, it would be
 * handled again, and that is what ended the process. */
static uint64_t tell_poisoned(struct scheduler *scheduler, const struct msg_page *msg, struct buffer *ops)
{
    struct wire wire = wire_over(msg->rows);
    struct record_job_view job;
    uint64_t count = 0;
    char key[40];

    for (uint64_t i = 0; i < msg->count && record_take_job_view(&wire, &job); i++) {
        if (job.error != ERROR_POISON || job.run == 0 || slice_is(job.queue, "flow"))
            continue;
        snprintf(key, sizeof(key), "poison/%llu", (unsigned long long)job.id);
        op_put_claim(ops, &(struct op_claim){.key = slice_of(key),
                                             .until_ms = actor_wall(scheduler->actor) + scheduler->config->run_keep_ms,
                                             .skip = 1});
        step_event_put(ops, &(struct payload_step_done){.run = job.run,
                                                        .step = job.step,
                                                        .job = job.id,
                                                        .error = ERROR_POISON,
                                                        .result = SLICE("null"),
                                                        .detail = slice_of(error_doc(ERROR_POISON))});
        count++;
    }
    return count;
}

/* When a job died is not kept, but not before it was made and last due. */
static uint64_t cancel_dead(struct scheduler *scheduler, const struct msg_page *msg, struct buffer *ops)
{
    struct wire wire = wire_over(msg->rows);
    struct record_job_view job;
    int64_t before_ms = actor_wall(scheduler->actor) - scheduler->config->run_keep_ms;
    uint64_t count = 0;

    for (uint64_t i = 0; i < msg->count && record_take_job_view(&wire, &job); i++)
        if (job.state == JOB_DEAD && job.created_ms < before_ms && job.due_ms < before_ms) {
            op_put_cancel(ops, &(struct op_cancel){job.id});
            count++;
        }
    return count;
}

static uint64_t forget_runs(struct scheduler *scheduler, const struct msg_page *msg, struct buffer *ops)
{
    struct wire wire = wire_over(msg->rows);
    struct record_run_entry run;
    int64_t before_ms = actor_wall(scheduler->actor) - scheduler->config->run_keep_ms;
    uint64_t count = 0;

    for (uint64_t i = 0; i < msg->count && record_take_run_entry(&wire, &run); i++)
        if (run.state != RUN_OPEN && run.changed_ms < before_ms) {
            op_put_forget_run(ops, &(struct op_forget_run){run.run});
            count++;
        }
    return count;
}

/* Those that a walk before looked at are passed over: most were reduced then. */
static uint64_t reduce_runs(struct scheduler *scheduler, const struct msg_page *msg, struct buffer *ops)
{
    struct upkeep *upkeep = &scheduler->upkeep;
    struct wire wire = wire_over(msg->rows);
    struct record_run_entry run;
    int64_t before_ms = actor_wall(scheduler->actor) - scheduler->config->replay_keep_ms;

    (void)ops;
    for (uint64_t i = 0; i < msg->count && record_take_run_entry(&wire, &run); i++)
        if (run.state != RUN_OPEN && run.changed_ms < before_ms && run.changed_ms >= upkeep->reduced_until_ms)
            buffer_append(&upkeep->reduce, &run.run, sizeof(run.run));
    if (upkeep->at.size == 0) /* later pages look at a little more */
        upkeep->until_ms = before_ms;
    return 0;
}

static uint64_t forget_approvals(struct scheduler *scheduler, const struct msg_page *msg, struct buffer *ops)
{
    struct wire wire = wire_over(msg->rows);
    struct record_space_entry entry;
    struct json_problem problem;
    int64_t before_ms = actor_wall(scheduler->actor) - scheduler->config->run_keep_ms;
    uint64_t count = 0;

    for (uint64_t i = 0; i < msg->count && record_take_space_entry(&wire, &entry); i++) {
        json_t *approval = json_read(entry.value, &problem);
        json_int_t decided_ms = json_integer_value(json_object_get(approval, "decided_ms"));
        if (decided_ms > 0 && decided_ms < before_ms && !slice_is(json_text_at(approval, "state"), "open")) {
            op_put_delete(ops, &(struct op_delete){SLICE("approval"), entry.key});
            count++;
        }
        json_decref(approval);
    }
    return count;
}

/* WORKFLOW/INDEX */
static bool is_overlap_of(const struct workflow *workflow, struct slice key)
{
    char name[WORKFLOW_NAME_MAX + 24];

    for (size_t i = 0; i < workflow->trigger_count; i++) {
        snprintf(name, sizeof(name), "%s/%zu", workflow->name, i);
        if (slice_is(key, name))
            return workflow->triggers[i].overlap != OVERLAP_ALLOW;
    }
    return false;
}

static uint64_t forget_overlaps(struct scheduler *scheduler, const struct msg_page *msg, struct buffer *ops)
{
    struct wire wire = wire_over(msg->rows);
    struct record_space_entry entry;
    uint64_t count = 0;

    for (uint64_t i = 0; i < msg->count && record_take_space_entry(&wire, &entry); i++) {
        bool is_known = false;
        for (size_t w = 0; w < scheduler->workflow_count && !is_known; w++)
            is_known = is_overlap_of(scheduler->workflows[w], entry.key);
        if (is_known)
            continue;
        op_put_expect(ops, &(struct op_expect){SLICE("overlap"), entry.key, entry.version});
        op_put_delete(ops, &(struct op_delete){SLICE("overlap"), entry.key});
        count++;
    }
    return count;
}

/* Removes the rows of the page's space that say they are not needed any more. A row that has changed since it was read
 * stays. */
static uint64_t forget_rows(const struct msg_page *msg, const char *space, int64_t now_ms,
                            bool (*is_spent)(struct slice key, const json_t *value, int64_t now_ms), struct buffer *ops)
{
    struct wire wire = wire_over(msg->rows);
    struct record_space_entry entry;
    struct json_problem problem;
    uint64_t count = 0;

    for (uint64_t i = 0; i < msg->count && record_take_space_entry(&wire, &entry); i++) {
        json_t *value = json_read(entry.value, &problem);
        if (value != NULL && is_spent(entry.key, value, now_ms)) {
            op_put_expect(ops, &(struct op_expect){slice_of(space), entry.key, entry.version});
            op_put_delete(ops, &(struct op_delete){slice_of(space), entry.key});
            count++;
        }
        json_decref(value);
    }
    return count;
}

static int64_t whole(const json_t *value, const char *name)
{
    return json_integer_value(json_object_get(value, name));
}

static bool is_throttle_spent(struct slice key, const json_t *value, int64_t now_ms)
{
    const json_t *times = json_object_get(value, "times");
    int64_t per_ms = whole(value, "per"), newest_ms = INT64_MIN;

    (void)key;
    for (size_t i = 0; i < json_array_size(times); i++)
        if (json_integer_value(json_array_get(times, i)) > newest_ms)
            newest_ms = json_integer_value(json_array_get(times, i));
    return per_ms > 0 && per_ms < now_ms && newest_ms < now_ms - per_ms;
}

static bool is_booking_spent(struct slice key, const json_t *value, int64_t now_ms)
{
    int64_t before_ms = now_ms - BOOKED_KEEP_MS;

    (void)key;
    return json_is_integer(json_object_get(value, "as_of")) && whole(value, "as_of") < before_ms &&
           whole(value, "at") < before_ms;
}

/* NAME/unit/HASH; what an experiment knows of itself and its sums stay. */
static bool is_unit_spent(struct slice key, const json_t *value, int64_t now_ms)
{
    return memmem(key.data, key.size, "/unit/", 6) != NULL && whole(value, "at_ms") > 0 &&
           whole(value, "at_ms") < now_ms - BOOKED_KEEP_MS;
}

static uint64_t forget_throttles(struct scheduler *scheduler, const struct msg_page *msg, struct buffer *ops)
{
    return forget_rows(msg, "throttle", actor_wall(scheduler->actor), is_throttle_spent, ops);
}

static uint64_t forget_bookings(struct scheduler *scheduler, const struct msg_page *msg, struct buffer *ops)
{
    return forget_rows(msg, "booked", actor_wall(scheduler->actor), is_booking_spent, ops);
}

static uint64_t forget_units(struct scheduler *scheduler, const struct msg_page *msg, struct buffer *ops)
{
    return forget_rows(msg, "experiment", actor_wall(scheduler->actor), is_unit_spent, ops);
}

static const struct walk {
    enum read_kind what;
    const char *space; /* of READ_SPACE_SCAN, else "" */
    uint64_t states;   /* bit set, of READ_JOBS */
    int64_t every_ms;  /* and once at start */
    bool is_about_age; /* so it waits for a clock that is trusted */
    const char *event; /* logged when the walk changed something */
    /* Packs what is to be done; returns on how many rows. */
    uint64_t (*visit)(struct scheduler *scheduler, const struct msg_page *msg, struct buffer *ops);
} walks[WALKS] = {
    {READ_JOBS, "", 1u << JOB_DEAD, TURN_MS, false, "poison-told", tell_poisoned},
    {READ_JOBS, "", 1u << JOB_DEAD, KEEP_MS, true, "dead-jobs-removed", cancel_dead},
    {READ_RUNS, "", 0, KEEP_MS, true, "runs-forgotten", forget_runs},
    {READ_RUNS, "", 0, KEEP_MS, true, "runs-reduced", reduce_runs},
    {READ_SPACE_SCAN, "approval", 0, KEEP_MS, true, "approvals-forgotten", forget_approvals},
    {READ_SPACE_SCAN, "overlap", 0, KEEP_MS, false, "overlaps-forgotten", forget_overlaps},
    {READ_SPACE_SCAN, "throttle", 0, DAY_MS, true, "throttles-forgotten", forget_throttles},
    {READ_SPACE_SCAN, "booked", 0, DAY_MS, true, "bookings-forgotten", forget_bookings},
    {READ_SPACE_SCAN, "experiment", 0, DAY_MS, true, "units-forgotten", forget_units},
};

/* ---- the walks ---- */

static void wait_for(struct scheduler *scheduler, int64_t for_ms)
{
    actor_timer(scheduler->actor, TIMER_UPKEEP, actor_now(scheduler->actor) + for_ms);
}

static void ask_page(struct scheduler *scheduler)
{
    struct upkeep *upkeep = &scheduler->upkeep;
    struct msg_read read = {.ticket = actor_ticket(scheduler->actor),
                            .what = walks[upkeep->walk].what,
                            .space = slice_of(walks[upkeep->walk].space),
                            .from = buffer_slice(&upkeep->at),
                            .id = walks[upkeep->walk].states,
                            .limit = PAGE_ROWS};

    if (store_read(scheduler->actor, &read) == ERROR_OK)
        upkeep->ticket = read.ticket;
    else
        wait_for(scheduler, AGAIN_MS);
}

static bool is_due(const struct scheduler *scheduler, size_t walk)
{
    return scheduler->upkeep.due_ms[walk] <= actor_now(scheduler->actor) &&
           (!walks[walk].is_about_age || actor_wall_trusted(scheduler->actor));
}

/* Begins the next walk that is due, from this one on. */
static void begin_from(struct scheduler *scheduler, size_t walk)
{
    struct upkeep *upkeep = &scheduler->upkeep;

    while (walk < WALKS && !is_due(scheduler, walk))
        walk++;
    upkeep->walk = walk;
    upkeep->changed = 0;
    buffer_clear(&upkeep->at);
    if (walk == WALKS)
        wait_for(scheduler, TURN_MS);
    else
        ask_page(scheduler);
}

static void reduce_next(struct scheduler *scheduler)
{
    struct upkeep *upkeep = &scheduler->upkeep;
    struct msg_read read = {.ticket = actor_ticket(scheduler->actor), .what = READ_RUN, .limit = 1};

    memcpy(&read.id, upkeep->reduce.data + upkeep->reduce.size - sizeof(read.id), sizeof(read.id));
    upkeep->is_reducing = store_read(scheduler->actor, &read) == ERROR_OK;
    if (upkeep->is_reducing)
        upkeep->ticket = read.ticket;
    else
        wait_for(scheduler, AGAIN_MS);
}

static void end_walk(struct scheduler *scheduler)
{
    struct upkeep *upkeep = &scheduler->upkeep;

    if (upkeep->changed > 0)
        ACTOR_LOG(scheduler->actor, LOG_INFO, walks[upkeep->walk].event, L_U64("count", upkeep->changed));
    upkeep->due_ms[upkeep->walk] = actor_now(scheduler->actor) + walks[upkeep->walk].every_ms;
    begin_from(scheduler, upkeep->walk + 1);
}

static void turn_page(struct scheduler *scheduler)
{
    struct upkeep *upkeep = &scheduler->upkeep;

    if (scheduler->is_quiescing)
        return;
    if (upkeep->reduce.size > 0) {
        reduce_next(scheduler);
        return;
    }
    if (upkeep->next.size == 0) {
        upkeep->reduced_until_ms = upkeep->until_ms;
        end_walk(scheduler);
        return;
    }
    buffer_clear(&upkeep->at);
    buffer_append(&upkeep->at, upkeep->next.data, upkeep->next.size);
    ask_page(scheduler);
}

void upkeep_turn(struct scheduler *scheduler)
{
    if (scheduler->upkeep.walk == WALKS)
        begin_from(scheduler, 0);
    else if (scheduler->upkeep.ticket == 0 && scheduler->upkeep.reduce.size > 0)
        reduce_next(scheduler);
    else if (scheduler->upkeep.ticket == 0)
        ask_page(scheduler);
}

/* One run of the list: written without what would let it be repeated. */
static void reduce_on_page(struct scheduler *scheduler, const struct msg_page *msg)
{
    struct upkeep *upkeep = &scheduler->upkeep;
    struct wire wire = wire_over(msg->rows);
    struct buffer ops = {NULL, 0, 0}, record = {NULL, 0, 0};
    struct record_run_entry entry;
    struct run run;
    uint64_t ticket = actor_ticket(scheduler->actor);

    upkeep->reduce.size -= sizeof(uint64_t);
    if (msg->error != ERROR_OK || !record_take_run_entry(&wire, &entry) || !run_read(&run, entry.record)) {
        turn_page(scheduler);
        return;
    }
    if (run_reduce(&run)) {
        json_write(&record, run.record);
        op_put_run(&ops, &(struct op_run){.run = entry.run,
                                          .version = entry.version,
                                          .workflow = entry.workflow,
                                          .state = entry.state,
                                          .record = buffer_slice(&record)});
    }
    upkeep->asked = 1;
    if (ops.size == 0)
        turn_page(scheduler);
    else if (store_commit(scheduler->actor, ticket, &ops) == ERROR_OK)
        upkeep->ticket = ticket;
    else {
        upkeep->reduce.size += sizeof(uint64_t); /* the same run again */
        wait_for(scheduler, AGAIN_MS);
    }
    run_fini(&run);
    buffer_free(&record);
    buffer_free(&ops);
}

/* A page with nothing to do costs no commit. */
bool upkeep_on_page(struct scheduler *scheduler, const struct msg_page *msg)
{
    struct upkeep *upkeep = &scheduler->upkeep;
    struct buffer ops = {NULL, 0, 0};
    uint64_t ticket;

    if (upkeep->ticket != msg->ticket)
        return false;
    upkeep->ticket = 0;
    if (upkeep->is_reducing) {
        upkeep->is_reducing = false;
        reduce_on_page(scheduler, msg);
        return true;
    }
    buffer_clear(&upkeep->next);
    if (msg->error != ERROR_OK) {
        upkeep->until_ms = upkeep->reduced_until_ms;
        ACTOR_LOG(scheduler->actor, LOG_WARN, "upkeep-unreadable", L_ERROR(msg->error));
    } else {
        buffer_append(&upkeep->next, msg->next.data, msg->next.size);
        upkeep->asked = walks[upkeep->walk].visit(scheduler, msg, &ops);
    }
    ticket = actor_ticket(scheduler->actor);
    if (ops.size == 0)
        turn_page(scheduler);
    else if (store_commit(scheduler->actor, ticket, &ops) == ERROR_OK)
        upkeep->ticket = ticket;
    else
        wait_for(scheduler, AGAIN_MS); /* the same page again */
    buffer_free(&ops);
    return true;
}

/* What was refused, say because a job was revived meanwhile, is seen again by the next walk. */
bool upkeep_on_committed(struct scheduler *scheduler, const struct msg_committed *msg)
{
    struct upkeep *upkeep = &scheduler->upkeep;

    if (upkeep->ticket != msg->ticket)
        return false;
    upkeep->ticket = 0;
    if (msg->error == ERROR_OK)
        upkeep->changed += upkeep->asked - msg->skipped;
    else
        ACTOR_LOG(scheduler->actor, LOG_WARN, "upkeep-refused", L_ERROR(msg->error));
    turn_page(scheduler);
    return true;
}

/* Not at once: what the start itself needs comes first. */
void upkeep_start(struct scheduler *scheduler)
{
    scheduler->upkeep.walk = WALKS;
    scheduler->upkeep.reduced_until_ms = scheduler->upkeep.until_ms = INT64_MIN;
    wait_for(scheduler, FIRST_MS);
}

void upkeep_stop(struct scheduler *scheduler)
{
    buffer_free(&scheduler->upkeep.at);
    buffer_free(&scheduler->upkeep.next);
    buffer_free(&scheduler->upkeep.reduce);
}
