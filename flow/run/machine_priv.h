/* machine_priv - what the files of the machine share. Internal to flow/run. */
// SPDX-License-Identifier: MIT
#pragma once
#include "flow/run/machine.h"

/* One level of for_each around what is being walked. */
struct machine_scope {
    struct machine_scope *outer; /* NULL: the run itself */
    const struct workflow_step *each;
    char suffix[48]; /* of instances: "#3", "#3.0"; "" outside */
    json_t *item;    /* borrowed */
    size_t index;
    json_t *vars; /* made when first asked for; owned by the walk that made the scope */
};

/* What has come for a step that waits; the walk hands it over when it gets there. */
enum arrival_kind { ARRIVAL_DONE, ARRIVAL_ALARM, ARRIVAL_WAKE, ARRIVAL_DECISION };
struct machine_arrival {
    enum arrival_kind kind;
    const char *instance;
    const struct payload_step_done *done;
    const struct payload_decision *decision;
    bool cancel_alarm;
};

/* A step that is being begun or ended. */
struct machine_step {
    const struct workflow_step *definition;
    struct machine_scope *scope;
    char instance[RECORD_INSTANCE_MAX + 1];
    json_t *entry;         /* of the record, borrowed; NULL before it is begun */
    int64_t wait_until_ms; /* set by a local skill that must be begun again then; 0: no */
};

/* What expressions see at that step; borrowed. */
const json_t *machine_vars(struct machine *machine, struct machine_scope *scope);

/* --- facts --- */
/* The fact (borrowed), or NULL: `wanted` is set, and the caller returns at once, whatever it has done so far. Texts
 * are cut at the sizes of struct fact_wanted, so callers bound them before. */
const json_t *machine_fact_value(struct machine *machine, const char *space, struct slice key);
const json_t *machine_fact_list(struct machine *machine, const char *space, struct slice prefix);
const json_t *machine_fact(struct machine *machine, enum fact_kind kind, int64_t from_ms, int64_t to_ms);
/* Writes a key that was read as a fact: EXPECTs the version that was read (or the one this commit wrote), then PUTs or,
 * with `value` NULL, DELETEs; later reads in the same event see it. */
void machine_put_value(struct machine *machine, const char *space, struct slice key, const json_t *value);
/* Once the event is through, or is to be tried again. */
void machine_forget_written(struct machine *machine);

/* --- jobs --- */
uint64_t machine_id(struct machine *machine);
/* A job of queue flow that is due then (0: at once) for this step; under the run's key only when it is due at once:
 * what lies in wait for long must not hold back the run's other events. Returns its id. */
uint64_t machine_put_event(struct machine *machine, const struct machine_step *step, int64_t due_ms,
                           const struct buffer *payload);
/* A job of a worker's queue that no step waits for: a message about the run, say. `skill` as the worker knows it.
 * Returns its id; 0 when the store is to give one, since the event has none left. */
uint64_t machine_put_notice(struct machine *machine, const struct machine_step *step, const char *skill,
                            const char *gate, const json_t *input);
void machine_put_cancel(struct machine *machine, uint64_t job);

/* --- ends --- */
void machine_end(struct machine *machine, struct machine_step *step, const char *state, json_t *result);
/* The step failed: takes its `else`, or is failed. `detail` is for people. */
void machine_fail(struct machine *machine, struct machine_step *step, enum error error, struct slice detail);

/* --- the skills --- */
/* A local step: on OK `result` is set. On an error nothing was appended and `problem` says why. When a fact is missing
 * (is_wanting) whatever it returns is passed over. */
typedef enum error (*machine_local)(struct machine *machine, struct machine_step *step, const json_t *inputs,
                                    json_t **result, char *problem, size_t room);
enum error local_check(struct machine *machine, struct machine_step *step, const json_t *inputs, json_t **result,
                       char *problem, size_t room);
enum error local_remember(struct machine *machine, struct machine_step *step, const json_t *inputs, json_t **result,
                          char *problem, size_t room);
enum error local_variant(struct machine *machine, struct machine_step *step, const json_t *inputs, json_t **result,
                         char *problem, size_t room);
enum error local_measure(struct machine *machine, struct machine_step *step, const json_t *inputs, json_t **result,
                         char *problem, size_t room);
enum error local_figures(struct machine *machine, struct machine_step *step, const json_t *inputs, json_t **result,
                         char *problem, size_t room);
enum error local_booked(struct machine *machine, struct machine_step *step, const json_t *inputs, json_t **result,
                        char *problem, size_t room);
enum error local_event(struct machine *machine, struct machine_step *step, const json_t *inputs, json_t **result,
                       char *problem, size_t room);
/* The function of a LOCAL skill; the others are in local.c. */
machine_local local_of(enum skill_id skill);

/* --- approve.c: a person is asked --- */
/* Begins to wait: the entry's `approval` is set. In shadow the caller never gets here. */
void approve_begin(struct machine *machine, struct machine_step *step, const json_t *inputs);
/* The step waits for that approval: what a wake or a decision does to it. When the approval is decided it ends the step
 * by machine_end(). False when it changed nothing (an old press of a button, a wrong hash, somebody who may not). */
bool approve_wake(struct machine *machine, struct machine_step *step);
bool approve_decide(struct machine *machine, struct machine_step *step, const struct payload_decision *decision);
/* The run is cancelled: nobody is asked any more. */
void approve_cancel(struct machine *machine, struct machine_step *step);
