// SPDX-License-Identifier: MIT
#include "runtime/io/sink.h"
#include <poll.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { ROWS_MAX = 64 };

struct world {
    char folder[64], path[96];
    struct sink *sink;
    unsigned done_count;
    uint64_t ticket, cursor;
    enum error error;
    struct buffer packed[ROWS_MAX];
    struct sink_row rows[ROWS_MAX];
};

static void on_done(void *context, uint64_t ticket, enum error error, uint64_t cursor)
{
    struct world *world = context;

    world->done_count++;
    world->ticket = ticket;
    world->error = error;
    world->cursor = cursor;
}

static void open_sink(struct world *world)
{
    world->sink = sink_open_sqlite(world->path, on_done, world);
}

static int setup(void **state)
{
    struct world *world = xcalloc(1, sizeof(*world));

    snprintf(world->folder, sizeof(world->folder), "%s", "/tmp/purser-sink-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    snprintf(world->path, sizeof(world->path), "%s/rows.db", world->folder);
    open_sink(world);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    char path[112];

    sink_close(&world->sink);
    unlink(world->path);
    snprintf(path, sizeof(path), "%s-wal", world->path);
    unlink(path);
    snprintf(path, sizeof(path), "%s-shm", world->path);
    unlink(path);
    assert_int_equal(rmdir(world->folder), 0);
    for (size_t i = 0; i < ROWS_MAX; i++)
        buffer_free(&world->packed[i]);
    free(world);
    return 0;
}

static void write_batch(struct world *world, const struct sink_row *rows, size_t count)
{
    static uint64_t tickets;
    struct pollfd wait = {sink_fd(world->sink), POLLIN, 0};
    unsigned before = world->done_count;

    sink_write(world->sink, ++tickets, rows, count);
    while (world->done_count == before) {
        assert_int_equal(poll(&wait, 1, 30000), 1);
        sink_turn(world->sink);
    }
    assert_int_equal(world->ticket, tickets);
}

/* A customer whose order count says which version of it this is. */
static void make_row(struct world *world, size_t slot, uint64_t sequence, const char *id, int64_t version)
{
    struct row row = {.table = TABLE_CUSTOMERS};
    const struct table_info *table = &table_info[TABLE_CUSTOMERS];

    for (size_t i = 0; i < table->column_count; i++) {
        struct row_value *value = &row.values[i];
        enum column_type type = table->columns[i].type;
        if (type == COLUMN_key)
            value->text = strcmp(table->columns[i].name, "shop") == 0 ? SLICE("demo") : slice_of(id);
        else if (type == COLUMN_stamp)
            value->number = version;
        else if (type == COLUMN_integer)
            value->number = version * 100;
        else
            value->is_null = true;
    }
    buffer_clear(&world->packed[slot]);
    row_pack(&world->packed[slot], &row);
    world->rows[slot] = (struct sink_row){sequence, buffer_slice(&world->packed[slot])};
}

static int64_t query(struct world *world, const char *sql)
{
    sqlite3 *database;
    sqlite3_stmt *statement;

    assert_int_equal(sqlite3_open(world->path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(database, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(database);
    return value;
}

static void test_empty_batch_reads_cursor(void **state)
{
    struct world *world = *state;

    write_batch(world, NULL, 0);
    assert_int_equal(world->error, ERROR_OK);
    assert_int_equal(world->cursor, 0);
    make_row(world, 0, 7, "1", 1);
    write_batch(world, world->rows, 1);
    write_batch(world, NULL, 0);
    assert_int_equal(world->cursor, 7);
}

static void test_every_table_is_strict(void **state)
{
    struct world *world = *state;

    write_batch(world, NULL, 0);
    assert_int_equal(query(world, "SELECT count(*) FROM pragma_table_list WHERE strict = 1"), TABLE_COUNT + 2);
    assert_int_equal(query(world, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
}

static void test_order_does_not_matter(void **state)
{
    struct world *world = *state;
    static const char *const ids[] = {"a", "b", "c", "d"};
    uint64_t sequence = 0;

    for (unsigned seed = 1; seed <= 20; seed++) {
        size_t order[32];
        unsigned random = seed;
        for (size_t i = 0; i < 32; i++)
            order[i] = i;
        for (size_t i = 31; i > 0; i--) {
            random = random * 1103515245u + 12345u;
            size_t j = (random >> 16) % (i + 1), kept = order[i];
            order[i] = order[j];
            order[j] = kept;
        }
        for (size_t i = 0; i < 32; i++)
            make_row(world, i, ++sequence, ids[order[i] % 4], (int64_t)(seed * 1000 + order[i] / 4));
        write_batch(world, world->rows, 32);
        assert_int_equal(world->error, ERROR_OK);
        assert_int_equal(world->cursor, sequence);
        assert_int_equal(query(world, "SELECT count(*) FROM customers"), 4);
        assert_int_equal(query(world, "SELECT min(updated_at) FROM customers"), seed * 1000 + 7);
        assert_int_equal(query(world, "SELECT max(orders_count) FROM customers"), (seed * 1000 + 7) * 100);
    }
}

static void test_equal_stamp_replaces(void **state)
{
    struct world *world = *state;

    make_row(world, 0, 1, "a", 5);
    write_batch(world, world->rows, 1);
    make_row(world, 0, 2, "a", 5);
    write_batch(world, world->rows, 1);
    make_row(world, 0, 3, "a", 4);
    write_batch(world, world->rows, 1);
    assert_int_equal(world->cursor, 3);
    assert_int_equal(query(world, "SELECT updated_at FROM customers"), 5);
}

static void test_cursor_after_reopening(void **state)
{
    struct world *world = *state;

    for (size_t i = 0; i < 10; i++)
        make_row(world, i, i + 1, "a", (int64_t)(i + 1));
    write_batch(world, world->rows, 6);
    sink_close(&world->sink);
    assert_null(world->sink);
    open_sink(world);
    write_batch(world, NULL, 0);
    assert_int_equal(world->cursor, 6);
    /* What was in already is passed over, even with a newer stamp: the cursor says it is in. */
    make_row(world, 0, 1, "late", 99);
    write_batch(world, world->rows, 10);
    assert_int_equal(world->cursor, 10);
    assert_int_equal(query(world, "SELECT count(*) FROM customers WHERE customer_id = 'late'"), 0);
    assert_int_equal(query(world, "SELECT updated_at FROM customers WHERE customer_id = 'a'"), 10);
    assert_int_equal(query(world, "SELECT sequence FROM purser_cursor"), 10);
}

static void test_rejects_are_kept(void **state)
{
    struct world *world = *state;

    make_row(world, 0, 1, "a", 1);
    world->rows[1] = (struct sink_row){2, SLICE("\x93not a row")};
    world->rows[2] = (struct sink_row){3, {NULL, 0}};
    make_row(world, 3, 4, "b", 1);
    write_batch(world, world->rows, 4);
    assert_int_equal(world->error, ERROR_OK);
    assert_int_equal(world->cursor, 4);
    assert_int_equal(query(world, "SELECT count(*) FROM customers"), 2);
    assert_int_equal(query(world, "SELECT count(*) FROM purser_rejects"), 2);
    assert_int_equal(query(world, "SELECT length(row) FROM purser_rejects WHERE sequence = 2"), 10);
}

static void test_errors(void **state)
{
    struct world *world = *state;
    char good[96];

    sink_close(&world->sink);
    FILE *file = fopen(world->path, "wb");
    assert_non_null(file);
    for (int i = 0; i < 4096; i++)
        fputc('x', file);
    fclose(file);
    open_sink(world);
    make_row(world, 0, 1, "a", 1);
    write_batch(world, world->rows, 1);
    assert_int_equal(world->error, ERROR_CORRUPT);
    /* The file is mended: the same sink goes on without being opened again. */
    unlink(world->path);
    write_batch(world, world->rows, 1);
    assert_int_equal(world->error, ERROR_OK);
    sink_close(&world->sink);

    snprintf(good, sizeof(good), "%s", world->path);
    snprintf(world->path, sizeof(world->path), "%s/none/rows.db", world->folder);
    open_sink(world);
    write_batch(world, world->rows, 1);
    assert_int_equal(world->error, ERROR_IO);
    snprintf(world->path, sizeof(world->path), "%s", good);
}

/* A batch that fails in its middle leaves neither rows nor a cursor. */
static void test_failed_batch_leaves_nothing(void **state)
{
    struct world *world = *state;
    sqlite3 *database;

    make_row(world, 0, 1, "a", 1);
    write_batch(world, world->rows, 1);
    assert_int_equal(sqlite3_open(world->path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database,
                                  "CREATE TRIGGER t BEFORE INSERT ON customers WHEN new.customer_id = 'bad'"
                                  " BEGIN SELECT raise(ABORT, 'no'); END",
                                  NULL, NULL, NULL), SQLITE_OK);
    make_row(world, 0, 2, "b", 1);
    make_row(world, 1, 3, "bad", 1);
    write_batch(world, world->rows, 2);
    assert_int_equal(world->error, ERROR_IO);
    assert_int_equal(query(world, "SELECT count(*) FROM customers"), 1);
    assert_int_equal(sqlite3_exec(database, "DROP TRIGGER t", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(database);
    write_batch(world, world->rows, 2);
    assert_int_equal(world->error, ERROR_OK);
    assert_int_equal(world->cursor, 3);
    assert_int_equal(query(world, "SELECT count(*) FROM customers"), 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_empty_batch_reads_cursor), TEST(test_every_table_is_strict),  TEST(test_order_does_not_matter),
        TEST(test_equal_stamp_replaces),     TEST(test_cursor_after_reopening), TEST(test_rejects_are_kept),
        TEST(test_errors),                   TEST(test_failed_batch_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
