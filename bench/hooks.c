// SPDX-License-Identifier: MIT
/* Webhooks with a signature, each of its own id and body, over keep-alive connections with one request under way each.
 * usage: bench-hooks PORT PATH SHOP SECRET-FILE BODY-FILE CONNECTIONS SECONDS
 * Stops at an answer other than 200. */
#include "bench/measure.h"
#include "runtime/io/crypto.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 64, TIMES_MAX = 2000000, REQUEST_MAX = 64 << 10 };

struct load {
    const char *path, *shop;
    char secret[256];
    size_t secret_size;
    char body[32 << 10];
    size_t body_size;
    uint64_t sent, done;
    double *times;
    unsigned run;
};

struct connection {
    int fd;
    double since;
    char answer[4096];
    size_t answer_size;
};

static size_t read_file(const char *path, char *into, size_t room)
{
    FILE *file = fopen(path, "r");

    if (file == NULL) {
        fprintf(stderr, "bench-hooks: %s: %s\n", path, strerror(errno));
        exit(1);
    }
    size_t size = fread(into, 1, room, file);
    fclose(file);
    while (size > 0 && into[size - 1] == '\n')
        size--;
    return size;
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        fprintf(stderr, "bench-hooks: connect: %s\n", strerror(errno));
        exit(1);
    }
    return fd;
}

/* The body gets a member of its own in front, so that no two are alike; then it is signed. */
static void send_hook(struct load *load, struct connection *connection)
{
    static char body[40 << 10], request[REQUEST_MAX];
    unsigned char mac[SHA256_BYTES];
    char signature[64];
    int head = snprintf(body, sizeof(body), "{\"bench_run\":%u,\"bench_number\":%" PRIu64 ",", load->run, load->sent);

    memcpy(body + head, load->body + 1, load->body_size - 1);
    size_t size = (size_t)head + load->body_size - 1;
    crypto_hmac_sha256((struct slice){load->secret, load->secret_size}, (struct slice){body, size}, mac);
    crypto_base64((struct slice){(char *)mac, sizeof(mac)}, signature);
    int top =
        snprintf(request, sizeof(request),
                 "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                 "X-Shopify-Topic: orders/create\r\nX-Shopify-Shop-Domain: %s\r\nX-Shopify-API-Version: 2026-07\r\n"
                 "X-Shopify-Webhook-Id: bench-%u-%" PRIu64 "\r\nX-Shopify-Hmac-Sha256: %s\r\n\r\n",
                 load->path, size, load->shop, load->run, load->sent, signature);
    memcpy(request + top, body, size);
    load->sent++;
    connection->since = measure_now();
    connection->answer_size = 0;
    if (write(connection->fd, request, (size_t)top + size) != (ssize_t)((size_t)top + size)) {
        fprintf(stderr, "bench-hooks: write: %s\n", strerror(errno));
        exit(1);
    }
}

static bool answered(struct load *load, struct connection *connection)
{
    ssize_t got = read(connection->fd, connection->answer + connection->answer_size,
                       sizeof(connection->answer) - 1 - connection->answer_size);

    if (got <= 0) {
        fprintf(stderr, "bench-hooks: the connection was closed\n");
        exit(1);
    }
    connection->answer_size += (size_t)got;
    connection->answer[connection->answer_size] = '\0';
    if (strstr(connection->answer, "\r\n\r\n") == NULL)
        return false;
    if (strncmp(connection->answer, "HTTP/1.1 200", 12) != 0) {
        fprintf(stderr, "bench-hooks: answered %.60s\n", connection->answer);
        exit(1);
    }
    if (load->done < TIMES_MAX)
        load->times[load->done] = measure_now() - connection->since;
    load->done++;
    return true;
}

static void run(struct load *load, struct connection *connections, size_t count, double seconds)
{
    struct pollfd fds[CONNECTIONS_MAX];
    double start = measure_now();
    char name[64];

    for (size_t i = 0; i < count; i++)
        send_hook(load, &connections[i]);
    while (measure_now() - start < seconds) {
        for (size_t i = 0; i < count; i++)
            fds[i] = (struct pollfd){connections[i].fd, POLLIN, 0};
        poll(fds, count, 1000);
        for (size_t i = 0; i < count; i++)
            if (fds[i].revents && answered(load, &connections[i]))
                send_hook(load, &connections[i]);
    }
    double took = measure_now() - start;
    size_t known = load->done < TIMES_MAX ? load->done : TIMES_MAX;
    snprintf(name, sizeof(name), "hooks-%zu", count);
    measure_print(name, (double)load->done / took, "hooks/s");
    snprintf(name, sizeof(name), "hooks-%zu-p50", count);
    measure_print(name, measure_percentile(load->times, known, 50) * 1e6, "us");
    snprintf(name, sizeof(name), "hooks-%zu-p99", count);
    measure_print(name, measure_percentile(load->times, known, 99) * 1e6, "us");
}

int main(int argc, char **argv)
{
    static struct load load;
    static struct connection connections[CONNECTIONS_MAX];

    if (argc != 8) {
        fprintf(stderr, "usage: bench-hooks PORT PATH SHOP SECRET-FILE BODY-FILE CONNECTIONS SECONDS\n");
        return 2;
    }
    size_t count = strtoul(argv[6], NULL, 10);
    if (count < 1 || count > CONNECTIONS_MAX)
        return 2;
    load.path = argv[2];
    load.shop = argv[3];
    load.secret_size = read_file(argv[4], load.secret, sizeof(load.secret));
    load.body_size = read_file(argv[5], load.body, sizeof(load.body));
    load.times = xcalloc(TIMES_MAX, sizeof(double));
    crypto_random(&load.run, sizeof(load.run));
    for (size_t i = 0; i < count; i++)
        connections[i].fd = connect_to((uint16_t)strtoul(argv[1], NULL, 10));
    run(&load, connections, count, strtod(argv[7], NULL));
    free(load.times);
    return 0;
}
