// SPDX-License-Identifier: MIT
#include "actors/common/worker.h"
#include "store/client.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORKER_MAGIC = 0x574f524b, JOBS_MAX = 64, AGAIN_MS = 500, TIMER_SUBSCRIBE = 1000, TIMER_DEADLINE = 1001 };
enum { IN_HAND_MS = 1000, MIDWAY_MS_MAX = 60000 };
static const int64_t DEADLINE_MARGIN_MS = 300;

enum worker_phase {
    PHASE_FREE,
    PHASE_PERMIT, /* the limiter is asked */
    PHASE_WAIT,   /* the limiter said: not yet, and only to this one */
    PHASE_NOTE,   /* the intent is on its way to the disk */
    PHASE_CALL,   /* the call is out */
    PHASE_END,    /* the outcome is on its way to the disk */
};

struct worker_job {
    enum worker_phase phase;
    uint64_t ticket; /* of what is under way; 0 while a commit waits to be sent again */
    uint64_t permit; /* ticket under which the limiter knows the call */
    int64_t wait_until_ms; /* WAIT */
    bool has_called;       /* since its latest note: given back, it would make that call again */
    uint64_t id, fence, attempt, run;
    int64_t created_ms;
    char *gate, *step_name;
    char name[32]; /* the job's stable name for connectors */
    struct buffer payload, state;
    bool is_task, has_permit, has_note;
    bool is_note_new;         /* the note was made in this lease */
    bool is_rebuilt;          /* the store refused the outcome for good, and this is the plainer one */
    struct payload_task task; /* borrows payload */
    const struct worker_skill *skill;
    json_t *inputs;
    struct connector_settings settings;
    struct scratch scratch;
    struct step step;
    int64_t cost_micros; /* of the calls of this lease */
    struct buffer ops;   /* END: what is committed */
    enum outcome_kind outcome;
};

static struct worker *worker_of(void *self)
{
    struct worker *worker;

    CAST_OBJ(worker, self, WORKER_MAGIC);
    return worker;
}

/* ---- the table ---- */

/* Takes the job into the hand: a crash and the lines written from here on are its own. */
static struct worker_job *job_by_ticket(struct worker *worker, uint64_t ticket, enum worker_phase phase)
{
    for (size_t i = 0; i < worker->job_room; i++)
        if (worker->jobs[i].phase == phase && worker->jobs[i].ticket == ticket) {
            actor_hand(worker->actor, worker->jobs[i].id, worker->jobs[i].run);
            return &worker->jobs[i];
        }
    return NULL;
}

static void job_free(struct worker_job *job)
{
    free(job->gate);
    free(job->step_name);
    buffer_free(&job->payload);
    buffer_free(&job->state);
    buffer_free(&job->ops);
    json_decref(job->inputs);
    step_fini(&job->step);
    scratch_free(&job->scratch);
    *job = (struct worker_job){.phase = PHASE_FREE};
}

static void job_forget(struct worker *worker, struct worker_job *job)
{
    actor_timer(worker->actor, (uint64_t)(job - worker->jobs) + 1, -1);
    job_free(job);
}

static struct connector_job job_view(const struct worker_job *job)
{
    return (struct connector_job){.id = slice_of(job->name),
                                  .created_ms = job->created_ms,
                                  .inputs = job->inputs,
                                  .state = buffer_slice(&job->state),
                                  .mark = job->step.mark};
}

/* ---- ends ---- */

static void report(struct worker *worker, struct worker_job *job, enum error outcome, const struct usage *usage)
{
    struct msg_usage msg = {.gate = slice_of(job->gate), .outcome = outcome, .ticket = job->permit, .used = -1};

    if (!job->has_permit)
        return;
    job->has_permit = false;
    if (usage != NULL && usage->limited)
        msg.outcome = ERROR_LIMITED;
    else if (usage != NULL && usage->overloaded && error_class(outcome) != RETRY_TRANSIENT)
        msg.outcome = ERROR_FAILED;
    if (usage != NULL && usage->retry_after_ms > 0)
        msg.retry_after_ms = usage->retry_after_ms;
    msg.day_quota = usage != NULL && usage->day_quota;
    if (usage != NULL) {
        msg.percent_used = usage->percent_used;
        msg.bucket_used = usage->bucket_used;
        msg.bucket_size = usage->bucket_size;
        msg.bucket_milli_per_s = usage->bucket_milli_per_s;
        msg.used = usage->used > 0 ? usage->used : -1;
    } else if (job->phase != PHASE_CALL)
        msg.used = 0; /* nothing was sent */
    /* A report that gets lost makes the limiter count the call as under way for longer: never too little. */
    if (send_usage(worker->actor, ACTOR_LIMITER, &msg) != ERROR_OK)
        ACTOR_LOG(worker->actor, LOG_WARN, "usage-not-reported", L_TEXT("gate", msg.gate));
}

static void job_release(struct worker *worker, struct worker_job *job)
{
    struct msg_release msg = {.job = job->id, .fence = job->fence};

    report(worker, job, ERROR_SHUTDOWN, NULL);
    if (send_release(worker->actor, ACTOR_STORE, &msg) != ERROR_OK) {
        /* The inbox of the store is full; the lease stays in our hand until there is room. */
        job->phase = PHASE_END;
        job->ticket = 0;
        buffer_clear(&job->ops);
        actor_timer(worker->actor, (uint64_t)(job - worker->jobs) + 1, actor_now(worker->actor) + AGAIN_MS);
        return;
    }
    job_forget(worker, job);
}

/* Sends the outcome, or arranges for it to be sent again. */
static void job_commit(struct worker *worker, struct worker_job *job)
{
    uint64_t ticket = actor_ticket(worker->actor);

    job->phase = PHASE_END;
    if (store_commit(worker->actor, ticket, &job->ops) == ERROR_OK) {
        job->ticket = ticket;
        return;
    }
    job->ticket = 0;
    actor_timer(worker->actor, (uint64_t)(job - worker->jobs) + 1, actor_now(worker->actor) + AGAIN_MS);
}

static void log_end(struct worker *worker, const struct worker_job *job, const struct outcome *outcome)
{
    static const char *const events[] = {[OUTCOME_DONE] = "step-done",
                                         [OUTCOME_FAILED] = "step-failed",
                                         [OUTCOME_RETRY] = "step-again",
                                         [OUTCOME_PARK] = "step-parked",
                                         [OUTCOME_DOUBT] = "step-doubted"};
    bool needs_person = outcome->kind == OUTCOME_DOUBT || error_class(outcome->error) == RETRY_HUMAN;
    enum log_level level = outcome->kind == OUTCOME_DONE                     ? LOG_DEBUG
                           : needs_person || outcome->kind == OUTCOME_FAILED ? LOG_WARN
                                                                             : LOG_INFO;

    ACTOR_LOG(worker->actor, level, events[outcome->kind], L_ERROR(outcome->error), L_STR("step", job->step_name),
              L_U64("attempt", job->attempt));
}

/* What an unknown one noted stays as it is. */
static struct slice kept_of(const struct worker_job *job)
{
    bool goes_on = job->step.kind == STEP_RETRY || job->step.kind == STEP_REFUSED;

    return goes_on ? job->step.state : (struct slice){NULL, 0};
}

static struct outcome_job outcome_view(struct worker *worker, const struct worker_job *job)
{
    const char *currency = actor_config(worker->actor)->price_currency;

    return (struct outcome_job){.id = job->id,
                                .fence = job->fence,
                                .run = job->run,
                                .attempt = job->attempt,
                                .step = slice_of(job->step_name),
                                .has_note = job->has_note,
                                .is_note_new = job->is_note_new,
                                .kept = kept_of(job),
                                .task = job->is_task ? &job->task : NULL,
                                .now_ms = actor_wall(worker->actor),
                                .random = actor_random(worker->actor),
                                .offline_in_a_row = worker->offline_in_a_row,
                                .cost_micros = job->cost_micros,
                                .currency = job->cost_micros != 0 && currency != NULL ? slice_of(currency)
                                                                                      : (struct slice){NULL, 0}};
}

/* The note is made before an effect: with one, a good end says that the effect happened. */
static bool has_effect(const struct worker_job *job)
{
    return job->has_note && job->step.kind == STEP_DONE;
}

static void outcome_commit(struct worker *worker, struct worker_job *job, const struct outcome *outcome,
                           struct slice result, struct slice detail)
{
    struct outcome_job view = outcome_view(worker, job);

    log_end(worker, job, outcome);
    job->outcome = outcome->kind;
    buffer_clear(&job->ops);
    outcome_put(&job->ops, &view, outcome, result, detail);
    job_commit(worker, job);
}

/* A result that no run can keep is no result, but what was done stays done. */
static void bound_result(struct worker *worker, struct worker_job *job, struct buffer *result)
{
    size_t bytes = result->size;

    if (bytes <= OUTCOME_RESULT_MAX)
        return;
    ACTOR_LOG(worker->actor, LOG_WARN, "result-too-large", L_STR("step", job->step_name), L_U64("bytes", bytes));
    buffer_clear(result);
    if (has_effect(job)) {
        buffer_text(result, "{}");
        return;
    }
    step_fini(&job->step);
    step_start(&job->scratch, &job->step);
    step_fail(&job->scratch, &job->step, ERROR_TOO_LARGE, "the result has %zu bytes and %d are kept", bytes,
              OUTCOME_RESULT_MAX);
}

/* The step has ended one way or another: says so in one commit. */
static void job_end(struct worker *worker, struct worker_job *job)
{
    struct buffer result = {NULL, 0, 0};

    if (job->step.kind == STEP_DONE) {
        if (job->skill->done != NULL)
            job->skill->done(worker->actor, job->inputs, job->step.result);
        json_write(&result, job->step.result);
        bound_result(worker, job, &result);
    }
    if (job->step.kind == STEP_RETRY && job->step.error == ERROR_OFFLINE)
        worker->offline_in_a_row++;
    else if (job->step.kind == STEP_DONE)
        worker->offline_in_a_row = 0;
    struct outcome_job view = outcome_view(worker, job);
    struct outcome outcome = outcome_of(&view, &job->step);
    outcome_commit(worker, job, &outcome, buffer_slice(&result), job->step.detail);
    buffer_free(&result);
}

/* The store will never take this outcome. Once a plainer one is tried; after that, and when only a person could say
 * what happened, the job is given back as it is. */
static void outcome_refused(struct worker *worker, struct worker_job *job, enum error error)
{
    struct outcome plain = {OUTCOME_FAILED, error, 0, true};

    if (job->is_rebuilt || job->outcome == OUTCOME_DOUBT) {
        job_release(worker, job);
        return;
    }
    job->is_rebuilt = true;
    if (has_effect(job))
        plain = (struct outcome){OUTCOME_DONE, ERROR_OK, 0, false};
    outcome_commit(worker, job, &plain, SLICE("{}"), SLICE("the store did not take the step's outcome"));
}

static void job_fail(struct worker *worker, struct worker_job *job, enum error error, const char *text)
{
    step_fini(&job->step);
    step_start(&job->scratch, &job->step);
    step_fail(&job->scratch, &job->step, error, "%s", text);
    job_end(worker, job);
}

/* ---- the way out ---- */

/* What a probe was to find out is still open, whichever lease noted it; a request that was not sent had no effect. */
static void job_not_sent(struct worker *worker, struct worker_job *job, enum error error, const char *text)
{
    bool is_probe = job->step.kind == STEP_PROBE;

    step_fini(&job->step);
    step_start(&job->scratch, &job->step);
    step_fail(&job->scratch, &job->step, error, "%s", text);
    if (is_probe)
        job->step.state = buffer_slice(&job->state);
    job_end(worker, job);
}

static void job_call(struct worker *worker, struct worker_job *job)
{
    uint64_t ticket = actor_ticket(worker->actor);

    if (actor_request(worker->actor, ticket, &job->step.call) != ERROR_OK) {
        report(worker, job, ERROR_SHUTDOWN, NULL);
        job_not_sent(worker, job, ERROR_FULL, "too many calls are out");
        return;
    }
    job->phase = PHASE_CALL;
    job->ticket = ticket;
}

static void job_note(struct worker *worker, struct worker_job *job)
{
    struct buffer ops = {NULL, 0, 0};
    uint64_t ticket = actor_ticket(worker->actor);

    op_put_note(&ops, &(struct op_note){.job = job->id, .fence = job->fence, .state = job->step.state});
    enum error error = store_commit(worker->actor, ticket, &ops);
    buffer_free(&ops);
    if (error != ERROR_OK) {
        job_release(worker, job);
        return;
    }
    job->phase = PHASE_NOTE;
    job->ticket = ticket;
}

static void job_go(struct worker *worker, struct worker_job *job)
{
    if (job->step.needs_note && job->step.kind == STEP_REQUEST)
        job_note(worker, job);
    else
        job_call(worker, job);
}

static void job_ask(struct worker *worker, struct worker_job *job)
{
    struct msg_permit_ask ask = {.ticket = actor_ticket(worker->actor),
                                 .gate = slice_of(job->gate),
                                 .cost = job->step.limit_cost > 0 ? (uint64_t)job->step.limit_cost : 1,
                                 .key = slice_of(job->step.limit_key),
                                 .class_name = slice_of(job->step.limit_class != NULL ? job->step.limit_class : "")};

    if (ask.gate.size == 0) {
        job_go(worker, job);
        return;
    }
    if (send_permit_ask(worker->actor, ACTOR_LIMITER, &ask) != ERROR_OK) {
        job_release(worker, job);
        return;
    }
    job->phase = PHASE_PERMIT;
    job->ticket = job->permit = ask.ticket;
}

/* The gate stands open for others, so that giving the job back would only bring it here again at once. A short wait is
 * spent in hand; before a longer one is left to the store some time passes too, whatever its clock says. */
static void job_wait(struct worker *worker, struct worker_job *job, int64_t until_ms)
{
    int64_t now = actor_now(worker->actor), rest = now + IN_HAND_MS;

    job->phase = PHASE_WAIT;
    job->ticket = 0;
    job->wait_until_ms = until_ms;
    if (job->has_called && until_ms - now <= MIDWAY_MS_MAX)
        rest = until_ms;
    actor_timer(worker->actor, (uint64_t)(job - worker->jobs) + 1, until_ms < rest ? until_ms : rest);
}

/* What this lease has noted stays noted: the calls before this one were made. */
static void job_waited(struct worker *worker, struct worker_job *job)
{
    int64_t wait = job->wait_until_ms - actor_now(worker->actor);
    struct outcome outcome = {OUTCOME_PARK, ERROR_LIMITED, actor_wall(worker->actor) + wait, false};

    if (wait <= 0) {
        job_ask(worker, job);
        return;
    }
    job->is_note_new = false;
    outcome_commit(worker, job, &outcome, (struct slice){NULL, 0}, SLICE("a limit of its own"));
}

/* The connector has spoken. What it learned before a probe is kept even if the probe has to wait for its permit; the
 * intent of an effect is noted only when the effect may follow at once. */
static void job_follow(struct worker *worker, struct worker_job *job)
{
    if (job->step.kind == STEP_PROBE && job->step.needs_note)
        job_note(worker, job);
    else if (job->step.kind == STEP_REQUEST || job->step.kind == STEP_PROBE)
        job_ask(worker, job);
    else
        job_end(worker, job);
}

/* ---- a new job ---- */

static const struct worker_skill *skill_find(const struct worker_kind *kind, struct slice name)
{
    for (const struct worker_skill *skill = kind->skills; skill->name != NULL; skill++)
        if (slice_is(name, skill->name))
            return skill;
    return NULL;
}

static void job_begin(struct worker *worker, struct worker_job *job)
{
    struct payload payload;
    struct json_problem problem;

    if (!payload_take(buffer_slice(&job->payload), &payload) || payload.id != PAYLOAD_TASK) {
        job_fail(worker, job, ERROR_MALFORMED, "the payload is no task");
        return;
    }
    job->task = payload.task;
    job->is_task = true;
    job->skill = skill_find(worker->kind, job->task.skill);
    if (job->skill == NULL || !slice_is(job->task.mode, "live")) {
        job_fail(worker, job, job->skill == NULL ? ERROR_UNSUPPORTED : ERROR_INVALID,
                 job->skill == NULL ? "no such skill in this queue" : "only live steps are worked off");
        return;
    }
    json_t *input = json_read(job->task.input, &problem);
    step_start(&job->scratch, &job->step);
    if (!json_is_object(input))
        step_fail(&job->scratch, &job->step, ERROR_MALFORMED, "the input is no JSON object");
    else
        job->inputs =
            job->skill->prepare(actor_config(worker->actor), input, &job->settings, &job->scratch, &job->step);
    json_decref(input);
    if (job->inputs == NULL) {
        job_end(worker, job);
        return;
    }
    if (job->task.timeout_ms > 0 && job->task.timeout_ms < INT32_MAX)
        job->settings.timeout_ms = (uint32_t)job->task.timeout_ms;
    struct connector_job view = job_view(job);
    job->skill->connector->begin(&view, &job->settings, actor_wall(worker->actor), &job->scratch, &job->step);
    job_follow(worker, job);
}

static void on_job(void *self, const struct msg_job *msg)
{
    struct worker *worker = worker_of(self);
    struct worker_job *job = NULL;

    for (size_t i = 0; i < worker->job_room && job == NULL; i++)
        if (worker->jobs[i].phase == PHASE_FREE)
            job = &worker->jobs[i];
    /* Past the window a lease may still be on its way from before the window changed. */
    if (job == NULL || worker->is_quiescing) {
        if (send_release(worker->actor, ACTOR_STORE, &(struct msg_release){msg->id, msg->fence}) != ERROR_OK)
            actor_log(worker->actor, LOG_WARN, "release-not-sent", NULL, 0);
        return;
    }
    *job = (struct worker_job){.phase = PHASE_PERMIT,
                               .id = msg->id,
                               .fence = msg->fence,
                               .attempt = msg->attempt,
                               .run = msg->run,
                               .created_ms = msg->created_ms,
                               .gate = slice_dup(msg->gate),
                               .step_name = slice_dup(msg->step),
                               .has_note = msg->state.size > 0};
    snprintf(job->name, sizeof(job->name), "job-%llu", (unsigned long long)msg->id);
    buffer_append(&job->payload, msg->payload.data, msg->payload.size);
    buffer_append(&job->state, msg->state.data, msg->state.size);
    job_begin(worker, job);
}

/* ---- answers ---- */

static void on_permit(void *self, const struct msg_permit *msg)
{
    struct worker *worker = worker_of(self);
    struct worker_job *job = job_by_ticket(worker, msg->ticket, PHASE_PERMIT);

    if (job == NULL) {
        /* Given back meanwhile. The limiter learns of a permit without a call by its own time-out. */
        return;
    }
    job->has_permit = msg->error == ERROR_OK;
    if (worker->is_quiescing)
        job_release(worker, job);
    else if (msg->error == ERROR_OK)
        job_go(worker, job);
    else if (msg->error == ERROR_INVALID)
        job_not_sent(worker, job, ERROR_INVALID,
                     "no limit is configured for this gate, or none lets so large a call out");
    else if (msg->narrow || (job->has_called && msg->retry_ms - actor_now(worker->actor) <= MIDWAY_MS_MAX))
        job_wait(worker, job, msg->retry_ms);
    else
        job_release(worker, job);
}

static void note_committed(struct worker *worker, struct worker_job *job, enum error error)
{
    if (error == ERROR_OK) {
        buffer_clear(&job->state);
        buffer_append(&job->state, job->step.state.data, job->step.state.size);
        job->has_note = true;
        job->is_note_new = true;
        job->has_called = false;
        if (job->step.kind == STEP_PROBE)
            job_ask(worker, job);
        else
            job_call(worker, job);
    } else if (error == ERROR_FENCED) {
        actor_log(worker->actor, LOG_WARN, "lease-lost", NULL, 0);
        report(worker, job, ERROR_SHUTDOWN, NULL);
        job_forget(worker, job);
    } else
        job_release(worker, job); /* nothing was sent */
}

static void on_committed(void *self, const struct msg_committed *msg)
{
    struct worker *worker = worker_of(self);
    struct worker_job *job = job_by_ticket(worker, msg->ticket, PHASE_NOTE);

    if (job != NULL) {
        note_committed(worker, job, msg->error);
        return;
    }
    job = job_by_ticket(worker, msg->ticket, PHASE_END);
    if (job == NULL)
        return;
    if (msg->error == ERROR_OK) {
        job_forget(worker, job);
    } else if (msg->error == ERROR_FENCED || msg->error == ERROR_NOT_FOUND) {
        actor_log(worker->actor, LOG_WARN, "lease-lost", NULL, 0);
        job_forget(worker, job);
    } else {
        ACTOR_LOG(worker->actor, LOG_WARN, "outcome-not-written", L_ERROR(msg->error));
        if (error_class(msg->error) == RETRY_PERMANENT) {
            outcome_refused(worker, job, msg->error);
            return;
        }
        job->ticket = 0;
        actor_timer(worker->actor, (uint64_t)(job - worker->jobs) + 1, actor_now(worker->actor) + AGAIN_MS);
    }
}

void worker_on_answer(void *self, uint64_t ticket, const struct answer *answer)
{
    struct worker *worker = worker_of(self);
    struct worker_job *job = job_by_ticket(worker, ticket, PHASE_CALL);
    struct usage usage = {.retry_after_ms = -1};
    int64_t wall = actor_wall(worker->actor);

    if (job == NULL)
        return; /* given back at the end */
    job->has_called = true;
    struct connector_job view = job_view(job);
    step_fini(&job->step);
    job->skill->connector->answer(&view, &job->settings, answer, wall, &job->scratch, &job->step);
    /* Nothing was sent, so what follows at once (a token is fetched) goes by the same permit: else each permit that
     * comes free would be spent on finding out again. */
    if (answer->error == ERROR_NO_SECRET && job->step.kind == STEP_REQUEST) {
        job_go(worker, job);
        return;
    }
    job->skill->connector->usage(&job->settings, answer, wall, &usage);
    enum error outcome = job->step.kind == STEP_DONE || job->step.kind == STEP_REQUEST || job->step.kind == STEP_PROBE
                             ? ERROR_OK
                             : job->step.error;
    if (job->skill->used != NULL)
        job->cost_micros += job->skill->used(worker->actor, &job->settings, job->inputs, &usage);
    report(worker, job, outcome, &usage);
    job_follow(worker, job);
}

/* ---- life ---- */

static void subscribe(struct worker *worker)
{
    uint64_t window = worker->is_quiescing ? 0 : worker->job_room;

    if (store_subscribe_to(worker->actor, slice_of(worker->kind->queue), window) != ERROR_OK)
        actor_timer(worker->actor, TIMER_SUBSCRIBE, actor_now(worker->actor) + AGAIN_MS);
}

static void on_quiesce(void *self, const struct msg_quiesce *msg)
{
    struct worker *worker = worker_of(self);

    worker->is_quiescing = true;
    subscribe(worker);
    actor_timer(worker->actor, TIMER_DEADLINE, msg->deadline_ms - DEADLINE_MARGIN_MS);
    for (size_t i = 0; i < worker->job_room; i++)
        if (worker->jobs[i].phase == PHASE_PERMIT || worker->jobs[i].phase == PHASE_WAIT)
            job_release(worker, &worker->jobs[i]);
}

/* Calls that are still out are given back with the note they have: who takes them next probes, or asks. */
static void give_back(struct worker *worker)
{
    for (size_t i = 0; i < worker->job_room; i++)
        if (worker->jobs[i].phase == PHASE_CALL || worker->jobs[i].phase == PHASE_NOTE)
            job_release(worker, &worker->jobs[i]);
}

void worker_on_timer(void *self, uint64_t timer)
{
    struct worker *worker = worker_of(self);

    if (timer == TIMER_SUBSCRIBE) {
        subscribe(worker);
        return;
    }
    if (timer == TIMER_DEADLINE) {
        give_back(worker);
        return;
    }
    CHECK(timer >= 1 && timer <= worker->job_room);
    struct worker_job *job = &worker->jobs[timer - 1];
    if (job->phase == PHASE_WAIT) {
        actor_hand(worker->actor, job->id, job->run);
        job_waited(worker, job);
    }
    if (job->phase != PHASE_END || job->ticket != 0)
        return;
    if (job->ops.size > 0)
        job_commit(worker, job);
    else
        job_release(worker, job);
}

enum error worker_start(struct worker *worker, struct actor *actor, const struct worker_kind *kind)
{
    int64_t window = kind->window(actor_config(actor));

    *worker = (struct worker){.magic = WORKER_MAGIC, .actor = actor, .kind = kind};
    worker->job_room = window < 1 ? 1 : window > JOBS_MAX ? JOBS_MAX : (size_t)window;
    worker->jobs = xcalloc(worker->job_room, sizeof(worker->jobs[0]));
    subscribe(worker);
    return ERROR_OK;
}

void worker_stop(void *self)
{
    struct worker *worker = worker_of(self);

    for (size_t i = 0; i < worker->job_room; i++)
        job_free(&worker->jobs[i]);
    free(worker->jobs);
}

/* Workers read nothing and have no commands: a page or a command here is a bug of ours. */
static void on_page(void *self, const struct msg_page *msg)
{
    (void)self;
    (void)msg;
    CHECK(false);
}

static void on_command(void *self, const struct msg_command *msg)
{
    struct worker *worker = worker_of(self);

    CHECK(send_command_done(worker->actor, ACTOR_SUPERVISOR,
                            &(struct msg_command_done){.ticket = msg->ticket,
                                                       .error = ERROR_UNSUPPORTED,
                                                       .body = SLICE("{\"message\":\"no such command here\"}")}) ==
          ERROR_OK);
}

const union msg_handler worker_handlers[MSG_COUNT] = {
    [MSG_QUIESCE].quiesce = on_quiesce,
    [MSG_COMMAND].command = on_command,
    [MSG_COMMITTED].committed = on_committed,
    [MSG_PAGE].page = on_page,
    [MSG_JOB].job = on_job,
    [MSG_PERMIT].permit = on_permit,
};
