// SPDX-License-Identifier: MIT
#include "runtime/io/http_client.h"
#include "proto/check.h"
#include "runtime/io/helper_thread.h"
#include "runtime/io/http_transfer.h"
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { CLIENT_MAGIC = 0x48434c49, EVENTS_MAX = 32, IDLE_CONNECTIONS_MAX = 16 };

struct http_client {
    unsigned magic;
    struct http_client_options options;
    CURLM *multi;
    int epoll, event;
    int64_t deadline_ms; /* when libcurl wants to be called, -1: not */
    unsigned in_flight;
    struct transfer *active, *finished;
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *known)
{
    struct http_client *client;
    struct epoll_event event = {.data.fd = fd};

    (void)easy;
    CAST_OBJ(client, context, CLIENT_MAGIC);
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(client->epoll, EPOLL_CTL_DEL, fd, NULL);
        curl_multi_assign(client->multi, fd, NULL);
        return 0;
    }
    if (what != CURL_POLL_OUT)
        event.events |= EPOLLIN;
    if (what != CURL_POLL_IN)
        event.events |= EPOLLOUT;
    CHECK(epoll_ctl(client->epoll, known != NULL ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) == 0);
    curl_multi_assign(client->multi, fd, client);
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *context)
{
    struct http_client *client;

    (void)multi;
    CAST_OBJ(client, context, CLIENT_MAGIC);
    client->deadline_ms = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
    return 0;
}

struct http_client *http_client_new(const struct http_client_options *options)
{
    struct http_client *client = xcalloc(1, sizeof(*client));
    struct epoll_event event = {.events = EPOLLIN};

    client->magic = CLIENT_MAGIC;
    client->options = *options;
    client->deadline_ms = -1;
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    client->multi = curl_multi_init();
    CHECK(client->multi != NULL);
    client->epoll = epoll_create1(EPOLL_CLOEXEC);
    client->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    CHECK(client->epoll >= 0 && client->event >= 0);
    event.data.fd = client->event;
    CHECK(epoll_ctl(client->epoll, EPOLL_CTL_ADD, client->event, &event) == 0);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)IDLE_CONNECTIONS_MAX);
    return client;
}

static void push(struct transfer **list, struct transfer *transfer)
{
    while (*list != NULL)
        list = &(*list)->next;
    transfer->next = NULL;
    *list = transfer;
}

static void unlink_from(struct transfer **list, struct transfer *transfer)
{
    while (*list != NULL && *list != transfer)
        list = &(*list)->next;
    CHECK(*list != NULL);
    *list = transfer->next;
    transfer->next = NULL;
}

static struct transfer *find(struct transfer *list, uint64_t ticket)
{
    while (list != NULL && (list->ticket != ticket || list->cancelled))
        list = list->next;
    return list;
}

/* Takes an active transfer out of libcurl, for good. */
static void stop(struct http_client *client, struct transfer *transfer)
{
    unlink_from(&client->active, transfer);
    if (transfer->threaded)
        CHECK(pthread_join(transfer->thread, NULL) == 0);
    else
        CHECK(curl_multi_remove_handle(client->multi, transfer->easy) == CURLM_OK);
}

void http_client_destroy(struct http_client **client_pointer)
{
    struct http_client *client = *client_pointer;

    if (client == NULL)
        return;
    CHECK(client->magic == CLIENT_MAGIC);
    for (struct transfer *transfer = client->active; transfer != NULL; transfer = transfer->next)
        if (transfer->threaded)
            transfer_abort(transfer);
    for (struct transfer *transfer; (transfer = client->active) != NULL;) {
        stop(client, transfer);
        transfer_free(transfer);
    }
    for (struct transfer *transfer; (transfer = client->finished) != NULL;) {
        unlink_from(&client->finished, transfer);
        transfer_free(transfer);
    }
    curl_multi_cleanup(client->multi);
    close(client->event);
    close(client->epoll);
    curl_global_cleanup();
    client->magic = 0;
    free(client);
    *client_pointer = NULL;
}

/* One SMTP call, on its own thread. */
static void *perform(void *argument)
{
    struct transfer *transfer = argument;

    transfer_perform(transfer);
    atomic_store(&transfer->performed, true);
    CHECK(eventfd_write(transfer->wake, 1) == 0);
    return NULL;
}

enum error http_client_start(struct http_client *client, uint64_t ticket, const struct call *call)
{
    CHECK(find(client->active, ticket) == NULL && find(client->finished, ticket) == NULL);
    if (client->in_flight >= client->options.in_flight_max)
        return ERROR_FULL;
    struct transfer *transfer = transfer_new(call, ticket, &client->options);
    client->in_flight++;
    if (!transfer_prepare(transfer, &client->options)) {
        push(&client->finished, transfer);
        return ERROR_OK;
    }
    push(&client->active, transfer);
    if (call->kind == CALL_SMTP) {
        transfer->threaded = true;
        transfer->wake = client->event;
        helper_thread_start(&transfer->thread, perform, transfer);
    } else {
        CHECK(curl_multi_add_handle(client->multi, transfer->easy) == CURLM_OK);
    }
    return ERROR_OK;
}

void http_client_cancel(struct http_client *client, uint64_t ticket)
{
    struct transfer *transfer = find(client->active, ticket);

    if (transfer != NULL && transfer->threaded) {
        /* Its thread ends soon and is then joined by turn(); until then it counts as under way. */
        transfer->cancelled = true;
        transfer_abort(transfer);
        return;
    }
    if (transfer != NULL)
        stop(client, transfer);
    else if ((transfer = find(client->finished, ticket)) != NULL)
        unlink_from(&client->finished, transfer);
    else
        return;
    client->in_flight--;
    transfer_free(transfer);
}

int http_client_fd(const struct http_client *client)
{
    return client->epoll;
}

long http_client_timeout_ms(const struct http_client *client)
{
    int64_t now = now_ms();

    if (client->finished != NULL)
        return 0;
    if (client->deadline_ms < 0)
        return -1;
    return client->deadline_ms <= now ? 0 : (long)(client->deadline_ms - now);
}

static void drive(struct http_client *client)
{
    struct epoll_event events[EVENTS_MAX];
    int running, count = epoll_wait(client->epoll, events, EVENTS_MAX, 0);

    for (int i = 0; i < count; i++) {
        int fd = events[i].data.fd, what = 0;
        if (fd == client->event)
            continue;
        if (events[i].events & EPOLLIN)
            what |= CURL_CSELECT_IN;
        if (events[i].events & EPOLLOUT)
            what |= CURL_CSELECT_OUT;
        if (events[i].events & (EPOLLERR | EPOLLHUP))
            what |= CURL_CSELECT_ERR;
        curl_multi_socket_action(client->multi, fd, what, &running);
    }
    if (client->deadline_ms >= 0 && client->deadline_ms <= now_ms()) {
        client->deadline_ms = -1;
        curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
}

static void collect_http(struct http_client *client)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
        struct transfer *transfer;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
        transfer_ended(transfer, code);
        stop(client, transfer);
        push(&client->finished, transfer);
    }
}

static void collect_smtp(struct http_client *client)
{
    struct transfer *next;
    eventfd_t count;

    if (eventfd_read(client->event, &count) != 0)
        return;
    for (struct transfer *transfer = client->active; transfer != NULL; transfer = next) {
        next = transfer->next;
        if (!transfer->threaded || !atomic_load(&transfer->performed))
            continue;
        stop(client, transfer);
        if (transfer->cancelled) {
            client->in_flight--;
            transfer_free(transfer);
        } else {
            push(&client->finished, transfer);
        }
    }
}

/* done() may start and cancel calls, and what it starts may fail at once: one round, and the list afresh each time. */
static void deliver(struct http_client *client)
{
    size_t count = 0;

    for (const struct transfer *transfer = client->finished; transfer != NULL; transfer = transfer->next)
        count++;
    while (count-- > 0 && client->finished != NULL) {
        struct transfer *transfer = client->finished;
        struct answer answer;
        unlink_from(&client->finished, transfer);
        client->in_flight--;
        transfer_keep(transfer, &client->options);
        transfer_hide(transfer);
        transfer_answer(transfer, &answer);
        client->options.done(client->options.done_context, transfer->ticket, &answer);
        transfer_free(transfer);
    }
}

void http_client_turn(struct http_client *client)
{
    drive(client);
    collect_http(client);
    collect_smtp(client);
    deliver(client);
}
