/* commands - the console's commands (commands.def): help, argument check and routing. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/msg.h"

/* Not an actor: the console does these itself, with or without a daemon. */
enum { ACTOR_CONSOLE = ACTOR_COUNT };

enum command_id {
#define ARGUMENT(name, kind, need, doc)
#define COMMAND(ID, words, actor, arguments, doc) COMMAND_##ID,
#include "proto/commands.def"
#undef COMMAND
#undef ARGUMENT
    COMMAND_COUNT
};

enum argument_kind {
    ARGUMENT_text,
    ARGUMENT_number,
    ARGUMENT_flag,
    ARGUMENT_data,
    ARGUMENT_files, /* all words that are left; a JSON list of texts */
};
enum argument_need { ARGUMENT_REQUIRED, ARGUMENT_OPTIONAL, ARGUMENT_FLAG };

struct argument_info {
    const char *name, *doc; /* name NULL ends the list */
    enum argument_kind kind;
    enum argument_need need;
};

struct command_info {
    const char *words, *doc;
    enum actor_index actor; /* or ACTOR_CONSOLE */
    const struct argument_info *arguments;
};
extern const struct command_info command_info[COMMAND_COUNT];

/* The command with exactly these words ("job show"), or COMMAND_COUNT. */
enum command_id command_find(struct slice words);

/* Checks a JSON object of arguments: unknown, missing and mistyped ones are a problem for people in `problem`. */
bool command_check(enum command_id command, struct slice arguments_json, char *problem, size_t problem_size);
