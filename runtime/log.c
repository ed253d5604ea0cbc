// SPDX-License-Identifier: MIT
#include "runtime/log.h"
#include <inttypes.h>
#include <time.h>
#include <unistd.h>

/* Set once before threads start, read by all. */
static struct {
    int fd;
    enum log_format format;
    enum log_level level;
} output = {STDERR_FILENO, LOG_FORMAT_TEXT, LOG_INFO};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

bool log_level_from_name(struct slice name, enum log_level *level)
{
    for (unsigned i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++)
        if (slice_is(name, level_names[i])) {
            *level = (enum log_level)i;
            return true;
        }
    return false;
}

static void put_time(struct buffer *into, int64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    char text[32];

    gmtime_r(&seconds, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    buffer_printf(into, "%s.%03dZ", text, (int)(wall_ms % 1000));
}

/* A value in double quotes, JSON escapes; bytes that are no UTF-8 come as \u00XX. Text format leaves simple words bare.
 */
static void put_quoted(struct buffer *into, struct slice text)
{
    bool utf8 = slice_is_utf8(text);

    buffer_text(into, "\"");
    for (size_t i = 0; i < text.size && i < 1024; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c == '"' || c == '\\')
            buffer_printf(into, "\\%c", c);
        else if (c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8))
            buffer_printf(into, "\\u%04x", c);
        else
            buffer_append(into, &text.data[i], 1);
    }
    buffer_text(into, text.size > 1024 ? "...\"" : "\"");
}

static bool is_word(struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
              c == '.' || c == '/' || c == ':' || c == ','))
            return false;
    }
    return text.size > 0 && text.size < 256;
}

static void put_text(struct buffer *into, enum log_format format, struct slice text)
{
    if (format == LOG_FORMAT_TEXT && is_word(text))
        buffer_append(into, text.data, text.size);
    else
        put_quoted(into, text);
}

static void put_value(struct buffer *into, enum log_format format, const struct log_field *field)
{
    switch (field->kind) {
    case LOG_KIND_TEXT:
        put_text(into, format, field->text);
        break;
    case LOG_KIND_U64:
        buffer_printf(into, "%" PRIu64, field->u64);
        break;
    case LOG_KIND_I64:
        buffer_printf(into, "%" PRId64, field->i64);
        break;
    case LOG_KIND_ERROR:
        put_text(into, format, slice_of(error_name((enum error)field->u64)));
        break;
    case LOG_KIND_PERSONAL:
        buffer_text(into, format == LOG_FORMAT_JSON ? "\"[personal]\"" : "[personal]");
        break;
    case LOG_KIND_SECRET:
        buffer_text(into, format == LOG_FORMAT_JSON ? "\"[secret]\"" : "[secret]");
        break;
    }
}

static void put_field(struct buffer *into, enum log_format format, const struct log_field *field)
{
    if (format == LOG_FORMAT_JSON)
        buffer_printf(into, ",\"%s\":", field->key);
    else
        buffer_printf(into, " %s=", field->key);
    put_value(into, format, field);
}

void log_format_line(struct buffer *into, enum log_format format, const struct log_line *line)
{
    size_t start = into->size;
    bool json = format == LOG_FORMAT_JSON;

    buffer_text(into, json ? "{\"time\":\"" : "");
    put_time(into, line->wall_ms);
    buffer_printf(into, json ? "\",\"level\":\"%s\",\"actor\":\"%s\",\"event\":\"%s\"" : " %-5s %s %s",
                  log_level_name(line->level), line->actor, line->event);
    if (line->job)
        put_field(into, format, &(struct log_field)L_U64("job", line->job));
    if (line->run)
        put_field(into, format, &(struct log_field)L_U64("run", line->run));
    for (size_t i = 0; i < line->field_count; i++) {
        size_t before = into->size;
        put_field(into, format, &line->fields[i]);
        if (into->size - start >
            LOG_LINE_MAX - 32) { /* a field that does not fit is left out whole: the line stays valid */
            into->size = before;
            put_field(into, format, &(struct log_field)L_U64("cut", i));
            break;
        }
    }
    buffer_text(into, json ? "}\n" : "\n");
}

void log_setup(int fd, enum log_format format, enum log_level level)
{
    output.fd = fd;
    output.format = format;
    output.level = level;
}

void log_write(const struct log_line *line)
{
    struct buffer text = {NULL, 0, 0};

    if (line->level < output.level)
        return;
    log_format_line(&text, output.format, line);
    /* One write per line keeps lines whole; a log that cannot be written must not stop the work. */
    ssize_t ignored = write(output.fd, text.data, text.size);
    (void)ignored;
    buffer_free(&text);
}
