// SPDX-License-Identifier: MIT
#include "daemon/start.h"
#include "actors/scheduler/scheduler.h"
#include "actors/watchdog/watchdog.h"
#include "config/secrets.h"
#include "config/vault.h"
#include "config/workflows.h"
#include "daemon/wiring.h"
#include "runtime/clock.h"
#include "runtime/engine.h"
#include "runtime/panic.h"
#include "store/hand.h"
#include "store/kv_lmdb.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PATH_BYTES_MAX = 4200,
    LOCK_TRIES = 20,
    LOCK_PAUSE_US = 100000,
    PAYLOAD_WRAP_BYTES = 64 << 10, /* our own payloads wrap a body of payload_bytes_max in a few fields */
};

/* Everything one engine process stands on; lives until it ends. */
struct life {
    struct config *config;
    struct kv_lmdb_options lmdb;
    struct store_resource store;
    struct hand *hand;
    struct watchdog_resource watchdog;
    struct vault vault; /* of the publisher */
    struct engine_options options;
    char store_path[PATH_BYTES_MAX], hand_path[PATH_BYTES_MAX], clock_path[PATH_BYTES_MAX], panic_path[PATH_BYTES_MAX];
};

/* What each thread has in hand, for the panic record: one writer, the thread that may crash. */
static _Thread_local uint64_t job_in_hand;

static uint64_t crash_job(void)
{
    return job_in_hand;
}

static void note_hand(void *context, enum actor_index actor, uint64_t job, uint64_t run)
{
    job_in_hand = job;
    hand_set(context, actor, job ? HAND_RUNNING : HAND_EMPTY, job, run);
}

static bool make_folder(const char *path)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return true;
    fprintf(stderr, "purserd: data_dir %s: %s\n", path, strerror(errno));
    return false;
}

/* Held until the process ends. Before anything in the folder is touched: another daemon may be working there. An engine
 * whose guardian was killed takes a moment to follow it, and is waited for. */
static bool lock_folder(const char *path)
{
    char name[PATH_BYTES_MAX];

    snprintf(name, sizeof(name), "%s/lock", path);
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    bool held = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
    for (int i = 0; fd >= 0 && !held && errno == EWOULDBLOCK && i < LOCK_TRIES; i++) {
        usleep(LOCK_PAUSE_US);
        held = flock(fd, LOCK_EX | LOCK_NB) == 0;
    }
    if (!held)
        fprintf(stderr, "purserd: data_dir %s: %s\n", path,
                errno == EWOULDBLOCK ? "another purserd works there" : strerror(errno));
    return held;
}

static void set_paths(struct life *life)
{
    const char *data = life->config->data_dir;

    snprintf(life->store_path, PATH_BYTES_MAX, "%s/store", data);
    snprintf(life->hand_path, PATH_BYTES_MAX, "%s/hand", data);
    snprintf(life->clock_path, PATH_BYTES_MAX, "%s/clock", data);
    snprintf(life->panic_path, PATH_BYTES_MAX, "%s/panic", data);
}

/* Secrets must not land in a core file or in another process of the same user. */
static void close_memory(void)
{
    const struct rlimit none = {0, 0};

    setrlimit(RLIMIT_CORE, &none);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    prctl(PR_SET_DUMPABLE, 0);
#endif
}

static enum store_exit store_exit_of(enum engine_exit last)
{
    switch (last) {
    case EXIT_CRASH:
        return STORE_EXIT_CRASH;
    case EXIT_HANG:
        return STORE_EXIT_HANG;
    case EXIT_FIRST:
    case EXIT_CLEAN:
        return STORE_EXIT_CLEAN;
    case EXIT_KILLED:
    case EXIT_FAILED:
        break;
    }
    return STORE_EXIT_OTHER;
}

static void wire_store(struct life *life, const struct engine_start *start)
{
    const struct config *config = life->config;
    struct hand_slot previous[HAND_SLOTS_MAX];
    size_t count = hand_read_previous(life->hand_path, previous);
    const enum store_exit how = store_exit_of(start->last_exit);
    const bool crashed = how == STORE_EXIT_CRASH || how == STORE_EXIT_HANG;

    life->lmdb =
        (struct kv_lmdb_options){.directory = life->store_path, .bound_bytes = (uint64_t)config->store_bytes_max};
    life->store = (struct store_resource){
        .magic = STORE_RESOURCE_MAGIC,
        .kv = &kv_lmdb_ops,
        .kv_argument = &life->lmdb,
        .options = {.box = (uint64_t)config->box,
                    .fill_percent = (unsigned)config->store_fill_percent_max,
                    .disk_reserve_bytes = (uint64_t)config->store_disk_reserve_bytes,
                    .payload_bytes_max = (size_t)config->payload_bytes_max + PAYLOAD_WRAP_BYTES},
        .previous_exit = how,
        .deliver_nothing = start->safe_mode,
    };
    for (size_t i = 0; i < count; i++)
        if (previous[i].state == HAND_RUNNING && (crashed || previous[i].uncharged))
            life->store.running[life->store.running_count++] = previous[i].job;
    if (life->store.running_count > 0 && !crashed)
        life->store.previous_exit = STORE_EXIT_CRASH; /* that before the last: the start between did not charge it */
    life->hand = life->store.hand = hand_open(life->hand_path, (uint64_t)clock_wall_ms(), ACTOR_COUNT, crashed);
}

/* The head of the record that an earlier crash left, for `purser status`; it stays until the next crash. */
static void wire_watchdog(struct life *life, const struct engine_start *start)
{
    FILE *file = fopen(life->panic_path, "re");
    char *text = life->watchdog.last_panic, *end;
    size_t size = 0;

    if (file != NULL) {
        size = fread(text, 1, sizeof(life->watchdog.last_panic) - 1, file);
        fclose(file);
    }
    text[size] = '\0';
    end = strstr(text, "backtrace:");
    if (end != NULL)
        *end = '\0';
    if (!slice_is_utf8(slice_of(text)))
        text[0] = '\0';
    life->watchdog.safe_mode = start->safe_mode;
    life->options.resources[ACTOR_WATCHDOG] = &life->watchdog;
}

/* `purser workflow reload`: only the files of the workflows, by the config that the engine began with. */
static void *reload_workflows(void *context, char *problem, size_t room)
{
    const struct life *life = context;
    struct scheduler_workflows *news = xcalloc(1, sizeof(*news));
    struct text_problem why;

    if (workflows_load(life->config, &news->workflows, &news->count, &why))
        return news;
    text_problem_print(&why, problem, room);
    free(news);
    return NULL;
}

static void wire_engine(struct life *life, const struct engine_start *start)
{
    const struct config *config = life->config;
    struct http_client_options client = {.secret = secrets_lookup,
                                         .secret_context = life->config,
                                         .in_flight_max = 128,
                                         .allow_plain_loopback = config->allow_plain_loopback};

    life->options = (struct engine_options){.config = config,
                                            .control_socket = config->control_socket,
                                            .clock_file = life->clock_path,
                                            .clock_wait_ms = config->clock_wait_ms,
                                            .stop_ms = config->stop_ms,
                                            .reload = reload_workflows,
                                            .reload_context = life,
                                            .guardian_fd = start->guardian_fd};
    for (unsigned i = 0; i < ACTOR_COUNT; i++)
        life->options.specs[i] = wiring_specs[i];
    life->options.resources[ACTOR_STORE] = &life->store;
    life->options.http_client[ACTOR_AI_WORKER] = client;
    life->options.http_client[ACTOR_INGRESS] = client;
    life->vault.config = config;
    client.secret = vault_lookup;
    client.secret_context = &life->vault;
    client.keep = vault_keep;
    life->options.http_client[ACTOR_PUBLISHER] = client;
    if (life->hand != NULL) {
        life->options.hand = note_hand;
        life->options.hand_context = life->hand;
    }
}

static void set_signals(void)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

static void set_log(const struct config *config)
{
    enum log_level level = LOG_INFO;

    log_level_from_name(slice_of(config->log_level), &level);
    log_setup(STDERR_FILENO, strcmp(config->log_format, "json") == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT, level);
}

/* One line of the log for each doubt about a workflow. */
static void log_doubts(const struct config *config)
{
    struct buffer doubts = {NULL, 0, 0};

    workflows_warn(config->workflows, config->workflow_count, &doubts);
    for (size_t at = 0; at < doubts.size;) {
        const char *line = doubts.data + at, *end = memchr(line, '\n', doubts.size - at);
        size_t size = end != NULL ? (size_t)(end - line) : doubts.size - at;
        const struct log_field fields[] = {L_TEXT("doubt", ((struct slice){line, size}))};
        log_write(&(struct log_line){.wall_ms = clock_wall_ms(),
                                     .level = LOG_WARN,
                                     .actor = "engine",
                                     .event = "workflow-doubt",
                                     .fields = fields,
                                     .field_count = 1});
        at += size + 1;
    }
    buffer_free(&doubts);
}

int start_engine(struct config *config, const struct engine_start *start)
{
    static struct life life; /* threads of an engine that gave up may still look at it */

    life.config = config;
    umask(0077);
    set_log(config);
    log_doubts(config);
    set_signals();
    close_memory();
    if (!make_folder(config->data_dir) || !lock_folder(config->data_dir))
        return ENGINE_START_FAILED;
    set_paths(&life);
    panic_install(life.panic_path, crash_job);
    wire_store(&life, start);
    wire_engine(&life, start);
    wire_watchdog(&life, start);
    int code = engine_run(&life.options);
    if (code != ENGINE_STOPPED)
        _exit(code); /* threads may still run: nothing below them may be taken away */
    vault_wipe(&life.vault);
    hand_close(&life.hand);
    unlink(life.hand_path);
    return code;
}
