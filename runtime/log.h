/* log - structured lines: time, level, actor, event, job, run, then fields; key=value or JSON, one line, bounded.
 * Personal data and secrets have field types of their own and are never printed, whatever the level. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/errors.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

enum log_kind { LOG_KIND_TEXT, LOG_KIND_U64, LOG_KIND_I64, LOG_KIND_ERROR, LOG_KIND_PERSONAL, LOG_KIND_SECRET };

struct log_field {
    const char *key;
    enum log_kind kind;
    struct slice text; /* TEXT */
    uint64_t u64;
    int64_t i64;
};

#define L_TEXT(name, slice_value)                                                                                      \
    {                                                                                                                  \
        .key = (name), .kind = LOG_KIND_TEXT, .text = (slice_value)                                                    \
    }
#define L_STR(name, c_string)                                                                                          \
    {                                                                                                                  \
        .key = (name), .kind = LOG_KIND_TEXT, .text = slice_of(c_string)                                               \
    }
#define L_U64(name, value)                                                                                             \
    {                                                                                                                  \
        .key = (name), .kind = LOG_KIND_U64, .u64 = (value)                                                            \
    }
#define L_I64(name, value)                                                                                             \
    {                                                                                                                  \
        .key = (name), .kind = LOG_KIND_I64, .i64 = (value)                                                            \
    }
#define L_ERROR(value)                                                                                                 \
    {                                                                                                                  \
        .key = "error", .kind = LOG_KIND_ERROR, .u64 = (value)                                                         \
    }
/* Only the fact that there is one is printed: name=[personal], name=[secret]. */
#define L_PERSONAL(name)                                                                                               \
    {                                                                                                                  \
        .key = (name), .kind = LOG_KIND_PERSONAL                                                                       \
    }
#define L_SECRET(name)                                                                                                 \
    {                                                                                                                  \
        .key = (name), .kind = LOG_KIND_SECRET                                                                         \
    }

struct log_line {
    int64_t wall_ms;
    enum log_level level;
    const char *actor, *event;
    uint64_t job, run; /* 0: left out */
    const struct log_field *fields;
    size_t field_count;
};

enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

enum { LOG_LINE_MAX = 4096 };

/* One line with its newline into `into` (cut at LOG_LINE_MAX). Control characters are escaped: no log injection. */
void log_format_line(struct buffer *into, enum log_format format, const struct log_line *line);

/* Where lines of this process go; set once before threads start. Lines below `level` are dropped. */
void log_setup(int fd, enum log_format format, enum log_level level);
void log_write(const struct log_line *line);
const char *log_level_name(enum log_level level);
bool log_level_from_name(struct slice name, enum log_level *level);
