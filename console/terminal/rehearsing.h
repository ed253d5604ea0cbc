/* rehearsing - what the console gives to a rehearsal: the files' workflows, a shop, and what stands in libraries that
 * flow does not know. */
// SPDX-License-Identifier: MIT
#pragma once
#include "flow/run/rehearse.h"

/* `save` as the daemon does it. */
extern const struct machine_hooks rehearsing_hooks;
/* Of no shop in particular: example.myshopify.com, UTC, EUR. */
extern const struct run_shop rehearsing_shop;

/* The fixture's body_file, or *body NULL when it names none. False with the problem at the fixture's line. */
bool rehearsing_read_body(const struct workflow *workflow, const struct workflow_fixture *fixture, json_t **body,
                          struct text_problem *problem);
/* Plays one fixture and compares. False with lines for people in `into`. */
bool rehearsing_run(const struct workflow *workflow, const struct workflow_fixture *fixture,
                    struct expression_engine *engine, struct buffer *into);
