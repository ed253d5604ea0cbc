// SPDX-License-Identifier: MIT
#include "runtime/io/sink.h"
#include "proto/check.h"
#include "runtime/io/helper_thread.h"
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { SINK_MAGIC = 0x53494e4b, BUSY_MS = 5000 };

enum sink_state { SINK_IDLE, SINK_ASKED, SINK_FINISHED };

/* Everything below `database` belongs to the helper thread alone. */
struct sink {
    unsigned magic;
    char *path;
    void (*done)(void *context, uint64_t ticket, enum error error, uint64_t cursor);
    void *context;
    int event;
    pthread_t thread;
    pthread_mutex_t lock; /* of `state` and `stop`; the batch belongs to the thread while ASKED, to the caller else */
    pthread_cond_t changed;
    enum sink_state state;
    bool stop;
    uint64_t ticket, cursor;
    enum error error;
    struct sink_row *rows;
    size_t count;
    struct buffer bytes;
    sqlite3 *database;
    sqlite3_stmt *upserts[TABLE_COUNT];
    sqlite3_stmt *cursor_read, *cursor_write, *reject;
};

static enum error error_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW:
        return ERROR_OK;
    case SQLITE_FULL:
        return ERROR_DISK_FULL;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERROR_CORRUPT;
    default:
        return ERROR_IO;
    }
}

static enum error execute(struct sink *sink, const char *sql)
{
    return error_of(sqlite3_exec(sink->database, sql, NULL, NULL, NULL));
}

static enum error prepare(struct sink *sink, struct slice sql, sqlite3_stmt **statement)
{
    return error_of(
        sqlite3_prepare_v3(sink->database, sql.data, (int)sql.size, SQLITE_PREPARE_PERSISTENT, statement, NULL));
}

static const char *column_sql(enum column_type type)
{
    switch (type) {
    case COLUMN_key:
        return "TEXT NOT NULL";
    case COLUMN_text:
        return "TEXT";
    case COLUMN_stamp:
        return "INTEGER NOT NULL";
    default:
        return "INTEGER";
    }
}

static void append_keys(struct buffer *sql, const struct table_info *table)
{
    const char *comma = "";

    for (size_t i = 0; i < table->column_count; i++)
        if (table->columns[i].type == COLUMN_key) {
            buffer_printf(sql, "%s%s", comma, table->columns[i].name);
            comma = ", ";
        }
}

static enum error create_table(struct sink *sink, const struct table_info *table)
{
    struct buffer sql = {NULL, 0, 0};

    buffer_printf(&sql, "CREATE TABLE IF NOT EXISTS %s (", table->name);
    for (size_t i = 0; i < table->column_count; i++)
        buffer_printf(&sql, "%s %s, ", table->columns[i].name, column_sql(table->columns[i].type));
    buffer_text(&sql, "PRIMARY KEY (");
    append_keys(&sql, table);
    buffer_append(&sql, ")) STRICT, WITHOUT ROWID", sizeof(")) STRICT, WITHOUT ROWID"));
    enum error error = execute(sink, sql.data);
    buffer_free(&sql);
    return error;
}

static enum error prepare_upsert(struct sink *sink, const struct table_info *table, sqlite3_stmt **statement)
{
    const char *stamp = table->columns[table->stamp_index].name;
    const char *comma = "";
    struct buffer sql = {NULL, 0, 0};

    buffer_printf(&sql, "INSERT INTO %s (", table->name);
    for (size_t i = 0; i < table->column_count; i++)
        buffer_printf(&sql, "%s%s", i > 0 ? ", " : "", table->columns[i].name);
    buffer_text(&sql, ") VALUES (?");
    for (size_t i = 1; i < table->column_count; i++)
        buffer_text(&sql, ", ?");
    buffer_text(&sql, ") ON CONFLICT (");
    append_keys(&sql, table);
    buffer_text(&sql, ") DO UPDATE SET ");
    for (size_t i = 0; i < table->column_count; i++)
        if (table->columns[i].type != COLUMN_key) {
            buffer_printf(&sql, "%s%s = excluded.%s", comma, table->columns[i].name, table->columns[i].name);
            comma = ", ";
        }
    buffer_printf(&sql, " WHERE excluded.%s >= %s.%s", stamp, table->name, stamp);
    enum error error = prepare(sink, buffer_slice(&sql), statement);
    buffer_free(&sql);
    return error;
}

static void close_database(struct sink *sink)
{
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        sqlite3_finalize(sink->upserts[i]);
        sink->upserts[i] = NULL;
    }
    sqlite3_finalize(sink->cursor_read);
    sqlite3_finalize(sink->cursor_write);
    sqlite3_finalize(sink->reject);
    sink->cursor_read = sink->cursor_write = sink->reject = NULL;
    sqlite3_close(sink->database);
    sink->database = NULL;
}

static enum error create_tables(struct sink *sink)
{
    enum error error = execute(sink,
        "CREATE TABLE IF NOT EXISTS purser_cursor (id INTEGER PRIMARY KEY CHECK (id = 1), sequence INTEGER NOT NULL)"
        " STRICT; CREATE TABLE IF NOT EXISTS purser_rejects (sequence INTEGER PRIMARY KEY, row BLOB NOT NULL) STRICT");

    for (size_t i = 0; i < TABLE_COUNT && error == ERROR_OK; i++)
        error = create_table(sink, &table_info[i]);
    return error;
}

static enum error prepare_all(struct sink *sink)
{
    enum error error = prepare(sink, SLICE("SELECT sequence FROM purser_cursor"), &sink->cursor_read);

    if (error == ERROR_OK)
        error = prepare(sink, SLICE("INSERT OR REPLACE INTO purser_cursor VALUES (1, ?)"), &sink->cursor_write);
    if (error == ERROR_OK)
        error = prepare(sink, SLICE("INSERT OR REPLACE INTO purser_rejects VALUES (?, ?)"), &sink->reject);
    for (size_t i = 0; i < TABLE_COUNT && error == ERROR_OK; i++)
        error = prepare_upsert(sink, &table_info[i], &sink->upserts[i]);
    return error;
}

static enum error open_database(struct sink *sink)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    /* Made here because SQLite would let everybody read it; its WAL takes over the mode. */
    int file = open(sink->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (file < 0)
        return ERROR_IO;
    close(file);
    enum error error = error_of(sqlite3_open_v2(sink->path, &sink->database, flags, NULL));
    if (error == ERROR_OK)
        error = error_of(sqlite3_busy_timeout(sink->database, BUSY_MS));
    if (error == ERROR_OK)
        error = execute(sink, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF");
    if (error == ERROR_OK)
        error = create_tables(sink);
    if (error == ERROR_OK)
        error = prepare_all(sink);
    if (error != ERROR_OK)
        close_database(sink);
    return error;
}

/* Runs a statement without result rows and makes it ready for the next use, free of borrowed values. */
static enum error run(sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);

    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return code == SQLITE_DONE ? ERROR_OK : error_of(code);
}

static enum error read_cursor(struct sink *sink, uint64_t *cursor)
{
    int code = sqlite3_step(sink->cursor_read);

    *cursor = code == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(sink->cursor_read, 0) : 0;
    sqlite3_reset(sink->cursor_read);
    return error_of(code);
}

static enum error write_reject(struct sink *sink, const struct sink_row *row)
{
    sqlite3_bind_int64(sink->reject, 1, (sqlite3_int64)row->sequence);
    /* A NULL pointer would bind NULL: an empty row is an empty blob. */
    sqlite3_bind_blob64(sink->reject, 2, row->row.size > 0 ? row->row.data : "", row->row.size, SQLITE_STATIC);
    return run(sink->reject);
}

static enum error write_row(struct sink *sink, const struct sink_row *row)
{
    struct row unpacked;

    if (!row_unpack(row->row, &unpacked))
        return write_reject(sink, row);
    const struct table_info *table = &table_info[unpacked.table];
    sqlite3_stmt *statement = sink->upserts[unpacked.table];
    for (size_t i = 0; i < table->column_count; i++) {
        const struct row_value *value = &unpacked.values[i];
        enum column_type type = table->columns[i].type;
        int at = (int)i + 1;
        if (value->is_null)
            sqlite3_bind_null(statement, at);
        else if (type == COLUMN_key || type == COLUMN_text)
            sqlite3_bind_text64(statement, at, value->text.size > 0 ? value->text.data : "", value->text.size,
                                SQLITE_STATIC, SQLITE_UTF8);
        else
            sqlite3_bind_int64(statement, at, value->number);
    }
    return run(statement);
}

static enum error write_rows(struct sink *sink)
{
    uint64_t before, last;
    enum error error = read_cursor(sink, &before);

    last = before;
    for (size_t i = 0; i < sink->count && error == ERROR_OK; i++)
        if (sink->rows[i].sequence > before) {
            error = write_row(sink, &sink->rows[i]);
            if (sink->rows[i].sequence > last)
                last = sink->rows[i].sequence;
        }
    if (error == ERROR_OK && last > before) {
        sqlite3_bind_int64(sink->cursor_write, 1, (sqlite3_int64)last);
        error = run(sink->cursor_write);
    }
    sink->cursor = last;
    return error;
}

static enum error perform(struct sink *sink)
{
    enum error error = sink->database != NULL ? ERROR_OK : open_database(sink);

    sink->cursor = 0;
    if (error != ERROR_OK)
        return error;
    error = sink->count > 0 ? execute(sink, "BEGIN IMMEDIATE") : ERROR_OK;
    if (error == ERROR_OK)
        error = write_rows(sink);
    if (error == ERROR_OK && sink->count > 0)
        error = execute(sink, "COMMIT");
    if (error != ERROR_OK) {
        /* Closing rolls back, and the next batch begins with a fresh look at the file. */
        close_database(sink);
        sink->cursor = 0;
    }
    return error;
}

static void *work(void *argument)
{
    struct sink *sink;

    CAST_OBJ(sink, argument, SINK_MAGIC);
    pthread_mutex_lock(&sink->lock);
    for (;;) {
        while (sink->state != SINK_ASKED && !sink->stop)
            pthread_cond_wait(&sink->changed, &sink->lock);
        if (sink->state != SINK_ASKED)
            break;
        pthread_mutex_unlock(&sink->lock);
        enum error error = perform(sink);
        pthread_mutex_lock(&sink->lock);
        sink->error = error;
        sink->state = SINK_FINISHED;
        CHECK(eventfd_write(sink->event, 1) == 0);
    }
    pthread_mutex_unlock(&sink->lock);
    close_database(sink);
    return NULL;
}

struct sink *sink_open_sqlite(const char *path,
                              void (*done)(void *context, uint64_t ticket, enum error error, uint64_t cursor),
                              void *context)
{
    struct sink *sink = xcalloc(1, sizeof(*sink));

    sink->magic = SINK_MAGIC;
    sink->path = slice_dup(slice_of(path));
    sink->done = done;
    sink->context = context;
    sink->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    CHECK(sink->event >= 0);
    CHECK(pthread_mutex_init(&sink->lock, NULL) == 0);
    CHECK(pthread_cond_init(&sink->changed, NULL) == 0);
    helper_thread_start(&sink->thread, work, sink);
    return sink;
}

void sink_close(struct sink **sink_pointer)
{
    struct sink *sink = *sink_pointer;

    if (sink == NULL)
        return;
    CHECK(sink->magic == SINK_MAGIC);
    pthread_mutex_lock(&sink->lock);
    sink->stop = true;
    pthread_cond_signal(&sink->changed);
    pthread_mutex_unlock(&sink->lock);
    CHECK(pthread_join(sink->thread, NULL) == 0);
    pthread_cond_destroy(&sink->changed);
    pthread_mutex_destroy(&sink->lock);
    close(sink->event);
    buffer_free(&sink->bytes);
    free(sink->rows);
    free(sink->path);
    sink->magic = 0;
    free(sink);
    *sink_pointer = NULL;
}

int sink_fd(const struct sink *sink)
{
    return sink->event;
}

void sink_turn(struct sink *sink)
{
    eventfd_t count;

    eventfd_read(sink->event, &count);
    pthread_mutex_lock(&sink->lock);
    bool finished = sink->state == SINK_FINISHED;
    if (finished)
        sink->state = SINK_IDLE;
    pthread_mutex_unlock(&sink->lock);
    if (finished)
        sink->done(sink->context, sink->ticket, sink->error, sink->cursor);
}

static void copy_rows(struct sink *sink, const struct sink_row *rows, size_t count)
{
    size_t at = 0;

    buffer_clear(&sink->bytes);
    for (size_t i = 0; i < count; i++)
        buffer_append(&sink->bytes, rows[i].row.data, rows[i].row.size);
    sink->rows = xrealloc(sink->rows, count * sizeof(*rows));
    sink->count = count;
    for (size_t i = 0; i < count; i++) {
        CHECK(rows[i].sequence <= INT64_MAX);
        sink->rows[i].sequence = rows[i].sequence;
        sink->rows[i].row = (struct slice){rows[i].row.size > 0 ? sink->bytes.data + at : NULL, rows[i].row.size};
        at += rows[i].row.size;
    }
}

void sink_write(struct sink *sink, uint64_t ticket, const struct sink_row *rows, size_t count)
{
    pthread_mutex_lock(&sink->lock);
    CHECK(sink->state == SINK_IDLE);
    copy_rows(sink, rows, count);
    sink->ticket = ticket;
    sink->state = SINK_ASKED;
    pthread_cond_signal(&sink->changed);
    pthread_mutex_unlock(&sink->lock);
}
