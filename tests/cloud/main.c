/* purser-cloud - serves the simulated outside world on loopback and sends its webhooks. */
// SPDX-License-Identifier: MIT
#include "runtime/io/http_client.h"
#include "runtime/io/http_server.h"
#include "tests/cloud/control.h"
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { IN_FLIGHT_MAX = 32, FILE_BYTES_MAX = 1 << 20, WAITING_MAX = 1024, TICK_MS = 250, BODY_BYTES_MAX = 4 << 20 };

/* A reply that is made and waits for its latency. */
struct waiting {
    uint64_t exchange;
    int64_t due_ms;
    int status;
    struct buffer body;
    char content_type[64], retry_after[16], usage[256];
    const char *usage_name;
};

struct world {
    struct cloud *cloud;
    struct http_server *server;
    struct http_client *client;
    struct waiting waiting[WAITING_MAX];
    size_t waiting_count;
    unsigned in_flight;
    struct buffer url, body;
    FILE *log;
    size_t logged;
};

struct settings {
    struct cloud_options options;
    uint64_t seed;
    uint32_t orders, rate;
    uint16_t port;
    const char *secret_file, *log_file;
};

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void die(const char *what, const char *name)
{
    fprintf(stderr, "purser-cloud: %s %s\n", what, name);
    exit(2);
}

/* ---- serving ---- */

static void respond(struct world *world, uint64_t exchange, int status, const char *type, const char *retry_after,
                    struct slice body)
{
    struct http_reply reply = {.status = status, .body = body};

    reply.headers[reply.header_count++] = (struct http_header){SLICE("Content-Type"), slice_of(type)};
    if (retry_after[0] != '\0')
        reply.headers[reply.header_count++] = (struct http_header){SLICE("Retry-After"), slice_of(retry_after)};
    http_server_respond(world->server, exchange, &reply);
}

static void respond_waiting(struct world *world, const struct waiting *waiting)
{
    struct http_reply reply = {.status = waiting->status, .body = buffer_slice(&waiting->body)};

    reply.headers[reply.header_count++] = (struct http_header){SLICE("Content-Type"), slice_of(waiting->content_type)};
    if (waiting->retry_after[0] != '\0')
        reply.headers[reply.header_count++] =
            (struct http_header){SLICE("Retry-After"), slice_of(waiting->retry_after)};
    if (waiting->usage_name != NULL)
        reply.headers[reply.header_count++] =
            (struct http_header){slice_of(waiting->usage_name), slice_of(waiting->usage)};
    http_server_respond(world->server, waiting->exchange, &reply);
}

/* One header that tells of limits is enough: the one that says most comes last. */
static void keep_usage(struct waiting *waiting, const struct answer *answer)
{
    static const char *const names[] = {"x-app-usage", "x-business-use-case-usage"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct slice value = answer_header(answer, names[i]);
        if (value.size == 0 || value.size >= sizeof(waiting->usage))
            continue;
        snprintf(waiting->usage, sizeof(waiting->usage), "%.*s", (int)value.size, value.data);
        waiting->usage_name = names[i];
    }
}

static void keep_waiting(struct world *world, uint64_t exchange, const struct cloud_reply *reply)
{
    struct slice type = answer_header(&reply->answer, "content-type");
    struct slice after = answer_header(&reply->answer, "retry-after");
    struct waiting *waiting = &world->waiting[world->waiting_count++];

    *waiting =
        (struct waiting){.exchange = exchange, .due_ms = now_ms() + reply->latency_ms, .status = reply->answer.status};
    buffer_append(&waiting->body, reply->answer.body.data, reply->answer.body.size);
    snprintf(waiting->content_type, sizeof(waiting->content_type), "%.*s", (int)type.size, type.size ? type.data : "");
    snprintf(waiting->retry_after, sizeof(waiting->retry_after), "%.*s", (int)after.size, after.size ? after.data : "");
    keep_usage(waiting, &reply->answer);
}

static void on_request(void *context, uint64_t exchange, const struct http_request *request)
{
    struct world *world = context;
    struct cloud_reply reply;
    struct call call;

    if (cloud_control_owns(request)) {
        int status = cloud_control(world->cloud, now_ms(), request, &world->body);
        respond(world, exchange, status, "application/json", "", buffer_slice(&world->body));
        return;
    }
    if (world->waiting_count == WAITING_MAX) {
        respond(world, exchange, 503, "text/plain", "1", SLICE("the simulator is full"));
        return;
    }
    cloud_call_of(request, &world->url, &call);
    cloud_answer(world->cloud, now_ms(), &call, &reply);
    /* Left unanswered, the exchange costs the caller its own time-out: what a vanished service looks like. */
    if (!reply.lost && !reply.absent)
        keep_waiting(world, exchange, &reply);
}

static void answer_due(struct world *world)
{
    int64_t now = now_ms();

    for (size_t i = 0; i < world->waiting_count;) {
        struct waiting *waiting = &world->waiting[i];
        if (waiting->due_ms > now) {
            i++;
            continue;
        }
        respond_waiting(world, waiting);
        buffer_free(&waiting->body);
        *waiting = world->waiting[--world->waiting_count];
    }
}

/* ---- sending ---- */

static void on_done(void *context, uint64_t ticket, const struct answer *answer)
{
    struct world *world = context;

    world->in_flight--;
    cloud_delivery_told(world->cloud, now_ms(), ticket, answer);
}

static void send_due(struct world *world)
{
    struct call call;
    uint64_t ticket;

    while (world->in_flight < IN_FLIGHT_MAX && cloud_delivery_take(world->cloud, now_ms(), &ticket, &call)) {
        enum error error = http_client_start(world->client, ticket, &call);
        struct answer refused = {.error = error};
        if (error == ERROR_OK)
            world->in_flight++;
        else
            cloud_delivery_told(world->cloud, now_ms(), ticket, &refused);
    }
}

static void log_write(struct world *world)
{
    struct slice effects = cloud_effects(world->cloud);

    if (world->log == NULL || effects.size == world->logged)
        return;
    fwrite(effects.data + world->logged, 1, effects.size - world->logged, world->log);
    fflush(world->log);
    world->logged = effects.size;
}

static long shorter(long a, long b)
{
    return b >= 0 && b < a ? b : a;
}

static long sleep_ms(const struct world *world)
{
    int64_t next = cloud_delivery_next_ms(world->cloud), now = now_ms();
    long most = shorter(shorter(TICK_MS, http_server_timeout_ms(world->server)), http_client_timeout_ms(world->client));

    for (size_t i = 0; i < world->waiting_count; i++)
        if (world->waiting[i].due_ms < next)
            next = world->waiting[i].due_ms;
    if (next <= now)
        return world->in_flight < IN_FLIGHT_MAX ? 0 : 1;
    return next - now < most ? (long)(next - now) : most;
}

static void run(struct world *world)
{
    while (!stopping) {
        struct pollfd fds[] = {{http_server_fd(world->server), POLLIN, 0}, {http_client_fd(world->client), POLLIN, 0}};
        if (poll(fds, 2, (int)sleep_ms(world)) < 0 && errno != EINTR)
            die("poll:", strerror(errno));
        http_server_turn(world->server);
        http_client_turn(world->client);
        answer_due(world);
        send_due(world);
        log_write(world);
    }
}

/* ---- starting ---- */

static struct slice file_read(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *bytes = xcalloc(FILE_BYTES_MAX, 1);

    if (file == NULL)
        die("cannot read", path);
    size_t size = fread(bytes, 1, FILE_BYTES_MAX, file);
    fclose(file);
    while (size > 0 && (bytes[size - 1] == '\n' || bytes[size - 1] == '\r'))
        size--;
    return (struct slice){bytes, size};
}

static uint64_t number(const char *text, uint64_t most)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);

    if (*end != '\0' || end == text || value > most)
        die("not a number in range:", text);
    return value;
}

static void hook_add(struct cloud_options *options, const char *topic_and_url)
{
    const char *equals = strchr(topic_and_url, '=');

    if (equals == NULL || options->hook_count == CLOUD_HOOKS_MAX)
        die("--hook takes TOPIC=URL, four times at most:", topic_and_url);
    options->hooks[options->hook_count++] =
        (struct cloud_hook){.topic = {topic_and_url, (size_t)(equals - topic_and_url)}, .url = slice_of(equals + 1)};
}

static void template_add(struct cloud_options *options, const char *path)
{
    if (options->template_count == CLOUD_TEMPLATES_MAX)
        die("too many templates:", path);
    options->templates[options->template_count++] = file_read(path);
}

static void take_option(struct settings *settings, int option, const char *value)
{
    struct cloud_options *options = &settings->options;

    switch (option) {
    case 'p':
        settings->port = (uint16_t)number(value, UINT16_MAX);
        break;
    case 'u':
        if (options->hook_count == CLOUD_HOOKS_MAX)
            die("too many hooks:", value);
        options->hooks[options->hook_count++] =
            (struct cloud_hook){.topic = SLICE("orders/create"), .url = slice_of(value)};
        break;
    case 'k':
        hook_add(options, value);
        break;
    case 'f':
        settings->secret_file = value;
        break;
    case 's':
        settings->seed = number(value, UINT64_MAX);
        break;
    case 'n':
        settings->orders = (uint32_t)number(value, 1000000);
        break;
    case 'r':
        settings->rate = (uint32_t)number(value, 60000);
        break;
    case 't':
        template_add(options, value);
        break;
    case 'm':
        options->gemini_per_minute = (uint32_t)number(value, 100000);
        break;
    case 'd':
        options->gemini_per_day = (uint32_t)number(value, UINT32_MAX);
        break;
    case 'l':
        settings->log_file = value;
        break;
    default:
        exit(2);
    }
}

static void parse(int argc, char **argv, struct settings *settings)
{
    static const struct option known[] = {
        {"port", required_argument, NULL, 'p'},       {"hook-url", required_argument, NULL, 'u'},
        {"hook", required_argument, NULL, 'k'},       {"hook-secret-file", required_argument, NULL, 'f'},
        {"seed", required_argument, NULL, 's'},       {"orders", required_argument, NULL, 'n'},
        {"rate", required_argument, NULL, 'r'},       {"template", required_argument, NULL, 't'},
        {"gemini-rpm", required_argument, NULL, 'm'}, {"gemini-rpd", required_argument, NULL, 'd'},
        {"log", required_argument, NULL, 'l'},        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1)
        take_option(settings, option, optarg);
    if (optind < argc)
        die("unexpected argument:", argv[optind]);
    if (settings->options.hook_count > 0 && settings->secret_file == NULL)
        die("a hook needs", "--hook-secret-file");
    if (settings->secret_file != NULL) {
        struct slice secret = file_read(settings->secret_file);
        for (size_t i = 0; i < settings->options.hook_count; i++)
            settings->options.hooks[i].secret = secret;
    }
}

/* The options were copied by cloud_new(); every hook shares the one secret. */
static void settings_free(struct settings *settings)
{
    if (settings->secret_file != NULL && settings->options.hook_count > 0)
        free((char *)(uintptr_t)settings->options.hooks[0].secret.data);
    for (size_t i = 0; i < settings->options.template_count; i++)
        free((char *)(uintptr_t)settings->options.templates[i].data);
}

static void world_open(struct world *world, const struct settings *settings)
{
    struct http_server_options server = {.address = "127.0.0.1",
                                         .port = settings->port,
                                         .body_bytes_max = BODY_BYTES_MAX,
                                         .header_bytes_max = 16384,
                                         .connections_max = 256,
                                         .connections_per_ip_max = 256,
                                         .read_ms = 30000,
                                         .answer_ms = 600000,
                                         .request = on_request,
                                         .context = world};
    struct http_client_options client = {
        .in_flight_max = IN_FLIGHT_MAX, .allow_plain_loopback = true, .done = on_done, .done_context = world};
    enum error error;

    world->cloud = cloud_new(settings->seed, &settings->options);
    world->server = http_server_open(&server, &error);
    if (world->server == NULL)
        die("cannot listen:", strerror(errno));
    world->client = http_client_new(&client);
    if (settings->log_file != NULL && (world->log = fopen(settings->log_file, "a")) == NULL)
        die("cannot write", settings->log_file);
    if (settings->orders > 0)
        cloud_orders_place(world->cloud, now_ms(), settings->orders, 60000 / (settings->rate ? settings->rate : 60));
}

static void world_close(struct world *world)
{
    struct buffer counts = {0};

    log_write(world);
    cloud_counts_print(world->cloud, &counts);
    printf("%.*s\n", (int)counts.size, counts.data);
    buffer_free(&counts);
    http_client_destroy(&world->client);
    http_server_close(&world->server);
    cloud_destroy(&world->cloud);
    while (world->waiting_count > 0)
        buffer_free(&world->waiting[--world->waiting_count].body);
    buffer_free(&world->url);
    buffer_free(&world->body);
    if (world->log != NULL)
        fclose(world->log);
}

int main(int argc, char **argv)
{
    struct settings settings = {.seed = 1, .options = {.guest_permille = 100}};
    struct world *world = xcalloc(1, sizeof(*world));

    parse(argc, argv, &settings);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    signal(SIGPIPE, SIG_IGN);
    world_open(world, &settings);
    settings_free(&settings);
    printf("purser-cloud: 127.0.0.1:%u\n", http_server_port(world->server));
    fflush(stdout);
    run(world);
    world_close(world);
    free(world);
    return 0;
}
