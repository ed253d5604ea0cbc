/* store_actor_priv - shared by the files of the store actor. */
// SPDX-License-Identifier: MIT
#pragma once
#include "store/check.h"
#include "store/store_actor.h"

enum { STORE_CHECKS_MAX = 4, STORE_LISTINGS_MAX = 4 };
enum { STORE_TIMER_DELIVER = 1, STORE_TIMER_STEP = 2 };

struct store_listing;

/* A commit, read, command or release that waits for the end of the turn. */
struct store_ask {
    enum msg_id message;
    enum actor_index asker;
    uint64_t ticket; /* RELEASE: its fence, and the job is read.id */
    struct buffer bytes; /* COMMIT: its operations; a command that commits: the same */
    struct msg_read read;
    size_t space_size; /* READ: bytes are space, then from */
};

struct store_actor {
    struct actor *actor;
    struct store *store;
    struct store_ask *asks;
    size_t ask_count, ask_capacity;
    struct store_commit *commits; /* scratch of a group */
    size_t commit_capacity;
    struct store_page page;
    struct store_stats told; /* as last counted into the metrics */
    uint64_t lives[ACTOR_COUNT];
    uint64_t outbox_last;
    bool quiescing, quiet_told, unusable_told;
    struct {
        struct store_check *check;
        uint64_t ticket;
    } checks[STORE_CHECKS_MAX];
    struct store_listing *listings[STORE_LISTINGS_MAX]; /* NULL: none */
};

struct store_ask *store_actor_ask(struct store_actor *self, enum msg_id message, uint64_t ticket);
/* store_commands.c */
void store_on_command(void *self, const struct msg_command *msg);
void store_command_committed(struct store_actor *self, const struct store_ask *ask, const struct store_commit *commit);
/* One slice of each check under way; true when one is left. */
bool store_step_checks(struct store_actor *self);
void store_end_checks(struct store_actor *self);
/* One page of each list under way; true when one is left. */
bool store_step_listings(struct store_actor *self);
void store_end_listings(struct store_actor *self);
