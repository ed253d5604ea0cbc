/* rehearsing - what the console gives to a rehearsal: the files' workflows, a shop, and what stands in libraries that
 * flow does not know. */
// SPDX-License-Identifier: MIT
#pragma once
#include "console/terminal/settings.h"
#include "flow/run/rehearse.h"
#include "flow/zone.h"

/* `save` as the daemon does it. */
extern const struct machine_hooks rehearsing_hooks;
/* Of no shop in particular: example.myshopify.com, UTC, EUR. Rehearsals have it wherever they are run. */
extern const struct run_shop rehearsing_shop;

/* The shop of a purser.yaml. */
struct rehearsing_config {
    struct run_shop shop; /* points to the texts below, or is rehearsing_shop */
    char name[128], zone[ZONE_NAME_MAX], currency[8];
};
/* What --config says; without it rehearsing_shop. False with the problem when the file cannot be read. `config` must
 * stay where it is. */
bool rehearsing_read_config(const struct settings *settings, struct rehearsing_config *config,
                            struct text_problem *problem);

/* The fixture's body_file, or *body NULL when it names none. False with the problem at the fixture's line. */
bool rehearsing_read_body(const struct workflow *workflow, const struct workflow_fixture *fixture, json_t **body,
                          struct text_problem *problem);
/* Plays one fixture and compares. False with lines for people in `into`. */
bool rehearsing_run(const struct workflow *workflow, const struct workflow_fixture *fixture,
                    struct expression_engine *engine, struct buffer *into);
