// SPDX-License-Identifier: MIT
/* Producers over TCP against a running daemon, one libpurser handle a thread, one request under way each.
 * usage: bench-producers ENDPOINT QUEUE THREADS BATCH SECONDS */
#include "bench/measure.h"
#include "proto/client/purser.h"
#include <pthread.h>
#include <unistd.h>

enum { THREADS_MAX = 64, BATCH_MAX = 256, TIMES_MAX = 200000 };

struct producer {
    pthread_t thread;
    const char *endpoint, *queue;
    size_t batch;
    double seconds, *times;
    size_t count;
    unsigned number;
};

static void *produce(void *argument)
{
    struct producer *producer = argument;
    static const char payload[512] = "{\"bench\":\"a payload of five hundred bytes and a few more\",\"pad\":\"";
    char body[512];
    struct purser_job jobs[BATCH_MAX];
    struct purser_answer answer;
    struct purser *purser = purser_connect(producer->endpoint, NULL, &answer);

    memset(body, 'x', sizeof(body));
    memcpy(body, payload, strlen(payload));
    body[510] = '"';
    body[511] = '}';
    for (size_t i = 0; i < producer->batch; i++)
        jobs[i] = (struct purser_job){.payload = {body, sizeof(body)}};
    if (purser == NULL) {
        fprintf(stderr, "bench-producers: %s\n", answer.message);
        exit(1);
    }
    double start = measure_now(), now = start;
    while (now - start < producer->seconds && producer->count < TIMES_MAX) {
        enum purser_outcome outcome;
        double before = now;
        if (producer->batch == 1)
            outcome = purser_push(purser,
                                  &(struct purser_push){.queue = slice_of(producer->queue),
                                                        .content_type = SLICE("application/json"),
                                                        .job = jobs[0],
                                                        .priority = PURSER_PRIORITY_USUAL},
                                  &answer);
        else
            outcome = purser_push_many(purser, slice_of(producer->queue), SLICE("application/json"), jobs,
                                       producer->batch, &answer);
        now = measure_now();
        if (outcome == PURSER_FULL) {
            usleep(1000);
        } else if (outcome != PURSER_ACCEPTED) {
            fprintf(stderr, "bench-producers: %s\n", answer.message);
            exit(1);
        } else {
            producer->times[producer->count++] = now - before;
        }
    }
    purser_close(&purser);
    return NULL;
}

int main(int argc, char **argv)
{
    static struct producer producers[THREADS_MAX];
    double *all = NULL;
    size_t count = 0;
    char name[64];

    if (argc != 6) {
        fprintf(stderr, "usage: bench-producers ENDPOINT QUEUE THREADS BATCH SECONDS\n");
        return 2;
    }
    size_t threads = strtoul(argv[3], NULL, 10), batch = strtoul(argv[4], NULL, 10);
    if (threads < 1 || threads > THREADS_MAX || batch < 1 || batch > BATCH_MAX)
        return 2;
    double start = measure_now();
    for (size_t i = 0; i < threads; i++) {
        producers[i] = (struct producer){.endpoint = argv[1],
                                         .queue = argv[2],
                                         .batch = batch,
                                         .seconds = strtod(argv[5], NULL),
                                         .number = (unsigned)i};
        producers[i].times = xcalloc(TIMES_MAX, sizeof(double));
        if (pthread_create(&producers[i].thread, NULL, produce, &producers[i]) != 0)
            return 1;
    }
    for (size_t i = 0; i < threads; i++) {
        pthread_join(producers[i].thread, NULL);
        all = xrealloc(all, (count + producers[i].count + 1) * sizeof(double));
        memcpy(all + count, producers[i].times, producers[i].count * sizeof(double));
        count += producers[i].count;
        free(producers[i].times);
    }
    double took = measure_now() - start;
    snprintf(name, sizeof(name), "tcp-push-%zu-batch-%zu", threads, batch);
    measure_print(name, (double)(count * batch) / took, "jobs/s");
    snprintf(name, sizeof(name), "tcp-push-%zu-batch-%zu-p50", threads, batch);
    measure_print(name, measure_percentile(all, count, 50) * 1e6, "us");
    snprintf(name, sizeof(name), "tcp-push-%zu-batch-%zu-p99", threads, batch);
    measure_print(name, measure_percentile(all, count, 99) * 1e6, "us");
    free(all);
    return 0;
}
