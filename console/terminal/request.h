/* request - words of a person made into a command of commands.def with its arguments as JSON. */
// SPDX-License-Identifier: MIT
#pragma once
#include "console/terminal/words.h"
#include "proto/commands.h"
#include "proto/text/json.h"

struct request {
    enum command_id command;
    json_t *arguments; /* owned */
};

/* Reads "job show 12", "push flow @order.json --key k": required arguments in their order, the others as --name VALUE
 * or --name=VALUE; after "--" nothing is an option. An argument of kind data that starts with '@' is read from that
 * file; one of kind files takes all words that are left.
 * False with a sentence for people in `problem`, which names what is near to an unknown word. */
bool request_read(const struct words *words, struct request *request, char *problem, size_t size);
void request_free(struct request *request);

/* The command that the first words name, and how many words that were; COMMAND_COUNT with a sentence in `problem`. */
enum command_id request_find(const struct words *words, size_t *used, char *problem, size_t size);

/* A file of at most 16 MiB; "-" is standard input. False with a sentence in `problem`; the caller frees `into`. */
bool request_read_file(const char *path, struct buffer *into, char *problem, size_t size);
