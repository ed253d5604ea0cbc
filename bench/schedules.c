// SPDX-License-Identifier: MIT
/* Ten thousand schedules in the scheduler, without a disk: what starting, holding and firing them costs.
 * usage: bench-schedules [SCHEDULES] */
#include "bench/measure.h"
#include "tests/support/schedules_world.h"
#include <malloc.h>

enum { DUE_AT_ONCE = 100, TICKS = 20, IDLE_TURNS = 200000 };
static const int64_t minute_ms = 60000;

/* DUE_AT_ONCE of them fire in each minute of a day. */
static void fill(struct bench *bench, size_t count)
{
    char name[32], *cron;

    for (size_t i = 0; i < count; i++) {
        size_t at = i / DUE_AT_ONCE;
        struct buffer text = {NULL, 0, 0};
        snprintf(name, sizeof(name), "w%zu", i);
        buffer_printf(&text, "%zu %zu * * *", at % 60, at / 60 % 24);
        cron = slice_dup(buffer_slice(&text)); /* lives as long as the program */
        add(bench, name, cron, MISSED_SKIP);
        buffer_free(&text);
    }
}

/* Answers reads and commits without counting what the store would take; returns the seconds that the actor took. */
static double serve(struct bench *bench)
{
    double spent = 0;

    for (;;) {
        struct buffer rows = {NULL, 0, 0};
        struct msg_read read;
        struct msg_committed done = {0};
        struct msg_page page = {0};
        struct op ops[512];
        double start;

        if (fake_take_read(bench->fake, &read)) {
            page.ticket = read.ticket;
            put_rows(bench, &read, &rows, &page);
            page.rows = buffer_slice(&rows);
            start = measure_now();
            fake_deliver_page(bench->fake, &page);
        } else if (fake_sent_count(bench->fake, MSG_COMMIT) > 0) {
            size_t count = fake_take_ops(bench->fake, &done.ticket, ops, 512);
            apply(bench, ops, count);
            start = measure_now();
            fake_deliver_committed(bench->fake, &done);
        } else
            return spent;
        spent += measure_now() - start;
        buffer_free(&rows);
    }
}

static double pass_time(struct bench *bench, int64_t for_ms)
{
    double start = measure_now(), spent;

    fake_advance(bench->fake, for_ms);
    spent = measure_now() - start;
    return spent + serve(bench);
}

static size_t memory(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

static void measure_start(struct bench *bench)
{
    schedules_stop(fake_self(bench->fake));
    size_t before = memory();
    double start = measure_now();

    begin(bench);
    double spent = measure_now() - start;
    spent += serve(bench) + pass_time(bench, 1000);
    measure_print("schedules-start", spent * 1e3, "ms");
    measure_print("schedules-memory", (double)(memory() - before) / (double)bench->count, "bytes");
}

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : WORKFLOWS_MAX;
    struct bench *bench = bench_new();
    double spent = 0, start;

    if (count < DUE_AT_ONCE * (TICKS + 1) || count > WORKFLOWS_MAX) {
        fprintf(stderr, "usage: bench-schedules [SCHEDULES], %d to %d\n", DUE_AT_ONCE * (TICKS + 1), WORKFLOWS_MAX);
        return 2;
    }
    bench->fake->wall_ms += 55 * minute_ms; /* 23:55: the first ones are due at midnight */
    fill(bench, count);
    begin(bench);
    serve(bench);
    pass_time(bench, 1000);
    measure_start(bench);
    start = measure_now();
    for (int i = 0; i < IDLE_TURNS; i++)
        schedules_turn(fake_self(bench->fake));
    measure_print("schedules-idle-turn", (measure_now() - start) / IDLE_TURNS * 1e9, "ns");
    pass_time(bench, 5 * minute_ms - 2500);
    for (int i = 0; i < TICKS; i++) {
        size_t before = bench->pushes;
        spent += pass_time(bench, minute_ms);
        if (bench->pushes - before != DUE_AT_ONCE)
            return 1;
    }
    measure_print("schedules-turn-100-due", spent / TICKS * 1e6, "us");
    bench_free(bench);
    return 0;
}
