/* rehearse_priv - what the files of the rehearsal share. Internal to flow/run. */
// SPDX-License-Identifier: MIT
#pragma once
#include "flow/run/rehearse_world.h"

struct play {
    const struct rehearsal_given *given;
    struct rehearsal *rehearsal;
    struct text_problem *problem;
    struct world world;
    uint64_t ids;
    json_t *used;    /* {key of answers: how often}: lists are gone through */
    json_t *decided; /* {instance: approval}: approvals that were answered */
};

/* A step that wants an answer from outside. */
struct play_question {
    const struct workflow_step *step;
    char instance[RECORD_INSTANCE_MAX + 1];
    uint64_t job;
    const json_t *input;
};

enum play_outcome { PLAY_RESULT, PLAY_ERROR, PLAY_SILENCE, PLAY_PROBLEM };

struct play_answer {
    enum play_outcome outcome;
    json_t *result; /* RESULT: owned by whom it is given to */
    enum error error;
    struct slice text; /* ERROR: borrowed from the answers */
};

/* Every answer belongs to a step and has a known shape. */
bool play_check_answers(struct play *play);
/* What comes back: said, usual, or invented. PROBLEM: play->problem is set. */
struct play_answer play_answer(struct play *play, const struct play_question *question);
/* Queues the decisions on an approval that has begun to wait. False with play->problem. */
bool play_decide(struct play *play, const struct play_question *question);
