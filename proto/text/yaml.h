/* yaml - the one home of libyaml: a document as a tree of nodes that know their line and column.
 * A deliberate subset: one document, no anchors, aliases, tags or merge keys, no duplicate keys, depth <= 32,
 * file <= 1 MiB, nodes <= 100,000. Scalars stay text; quoted ones are marked (so that "no" in quotes is text). */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/slice.h"

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node {
    enum yaml_kind kind;
    unsigned line, column; /* 1-based */
    char *text;            /* scalar: NUL-terminated UTF-8; NULL otherwise */
    size_t size;           /* scalar: bytes of text */
    bool quoted;           /* scalar: written in quotes or as a block */
    char *key;             /* inside a map: the key; NULL otherwise */
    unsigned key_line, key_column;
    struct yaml_node *child; /* first entry of a list or map, in file order */
    struct yaml_node *next;  /* next entry of the parent */
    size_t count;            /* entries of a list or map */
};

/* A finding for people: "file:line:column: what is wrong; what would be right". */
struct text_problem {
    char file[256];
    unsigned line, column;
    char text[400];
};

void text_problem_set(struct text_problem *problem, const char *file, unsigned line, unsigned column,
                      const char *format, ...) __attribute__((format(printf, 5, 6)));
/* "file:line:column: text", or "file: text" for a whole file (line 0), into `into` (at least 700 bytes are enough). */
void text_problem_print(const struct text_problem *problem, char *into, size_t size);

/* Parses `text`; `file` is only a name for problems. NULL on a problem. An unquoted {{ ... }} that YAML takes for a
 * map is reported as such, with "put quotes around it". The caller frees the tree with yaml_node_free(). */
struct yaml_node *yaml_read(const char *file, struct slice text, struct text_problem *problem);
/* The same for a file on disk; a missing or unreadable file is a problem at 0:0. */
struct yaml_node *yaml_read_file(const char *path, struct text_problem *problem);
/* Not called yaml_free: libyaml exports a function of that name and would call ours in its place. */
void yaml_node_free(struct yaml_node *node);

/* The entry of a map with that key, or NULL. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);

/* Fails with a problem that names the unknown key and the nearest known one ("did you mean ...?") when `map` has a key
 * outside `known` (NULL-terminated). */
bool yaml_only(const char *file, const struct yaml_node *map, const char *const known[], struct text_problem *problem);

/* The candidate (NULL-terminated list) closest to `word` by edit distance <= 3, or NULL. */
const char *text_nearest(const char *word, const char *const candidates[]);
