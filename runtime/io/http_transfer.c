// SPDX-License-Identifier: MIT
#include "runtime/io/http_transfer.h"
#include "proto/check.h"
#include "runtime/io/address.h"
#include "runtime/io/crypto.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum {
    TRANSFER_MAGIC = 0x54524e53,
    SECRET_MAX = 8192,
    HEADER_NAME_MAX = 128,
    ANSWER_HEADER_BYTES_MAX = 256 << 10,
    CONNECT_MS_MAX = 20000,
    LOW_SPEED_S_MIN = 120,
};

struct transfer *transfer_new(const struct call *call, uint64_t ticket, const struct http_client_options *options)
{
    struct transfer *transfer = xcalloc(1, sizeof(*transfer));

    transfer->magic = TRANSFER_MAGIC;
    transfer->ticket = ticket;
    transfer->allow_loopback = options->allow_plain_loopback;
    transfer->socket = -1;
    CHECK(pthread_mutex_init(&transfer->socket_lock, NULL) == 0);
    call_pack(&transfer->packed, call);
    CHECK(call_unpack(buffer_slice(&transfer->packed), &transfer->call));
    return transfer;
}

/* One of these lines may hold a secret. */
static void wipe_list(struct curl_slist *list)
{
    for (struct curl_slist *line = list; line != NULL; line = line->next)
        crypto_wipe(line->data, strlen(line->data));
    curl_slist_free_all(list);
}

void transfer_free(struct transfer *transfer)
{
    CHECK(transfer->magic == TRANSFER_MAGIC);
    curl_easy_cleanup(transfer->easy);
    wipe_list(transfer->headers);
    curl_slist_free_all(transfer->recipients);
    buffer_free(&transfer->packed);
    if (transfer->secret_body.size > 0)
        crypto_wipe(transfer->secret_body.data, transfer->secret_body.size);
    buffer_free(&transfer->secret_body);
    if (transfer->secret.size > 0)
        crypto_wipe(transfer->secret.data, transfer->secret.size);
    buffer_free(&transfer->secret);
    buffer_free(&transfer->body);
    buffer_free(&transfer->header_text);
    pthread_mutex_destroy(&transfer->socket_lock);
    transfer->magic = 0;
    free(transfer);
}

bool transfer_refuse(struct transfer *transfer, enum error error, const char *why)
{
    transfer->error = error;
    transfer->why = why;
    return false;
}

static size_t on_read(char *into, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    size_t left = transfer->call.body.size - transfer->body_sent;
    size_t taken = left < size * count ? left : size * count;

    if (taken > 0)
        memcpy(into, transfer->call.body.data + transfer->body_sent, taken);
    transfer->body_sent += taken;
    return taken;
}

static bool handed_over(const struct transfer *transfer)
{
    if (transfer->call.body.size > 0)
        return transfer->body_sent == transfer->call.body.size;
    return transfer->request_bytes > 0;
}

/* libcurl rewinds to repeat a request on a new connection: never one whose effect may have happened. */
static int on_seek(void *context, curl_off_t offset, int origin)
{
    struct transfer *transfer = context;

    if (origin != SEEK_SET || offset < 0 || (size_t)offset > transfer->call.body.size)
        return CURL_SEEKFUNC_FAIL;
    if (!transfer->call.idempotent && handed_over(transfer))
        return CURL_SEEKFUNC_FAIL;
    transfer->body_sent = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

static size_t on_write(char *data, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    size_t bytes = size * count;

    if (transfer->body.size + bytes > ANSWER_BODY_MAX) {
        transfer->too_large = true;
        return 0;
    }
    buffer_append(&transfer->body, data, bytes);
    return bytes;
}

static bool is_wanted(const char *name)
{
    if (strcmp(name, "retry-after") == 0 || strcmp(name, "content-type") == 0)
        return true;
    return strncmp(name, "x-", 2) == 0 && (strstr(name, "limit") != NULL || strstr(name, "usage") != NULL);
}

static void keep_header(struct transfer *transfer, struct slice line)
{
    const char *colon = memchr(line.data, ':', line.size);
    size_t name_size = colon != NULL ? (size_t)(colon - line.data) : 0;
    char name[HEADER_NAME_MAX];

    if (name_size == 0 || name_size >= sizeof(name) || transfer->header_count == CALL_HEADERS_MAX)
        return;
    for (size_t i = 0; i < name_size; i++)
        name[i] = (char)tolower((unsigned char)line.data[i]);
    name[name_size] = '\0';
    struct slice value = {colon + 1, line.size - name_size - 1};
    while (value.size > 0 && (*value.data == ' ' || *value.data == '\t'))
        value.data++, value.size--;
    if (!is_wanted(name) || name_size + value.size > CALL_HEADER_MAX)
        return;
    buffer_append(&transfer->header_text, name, name_size);
    buffer_append(&transfer->header_text, value.data, value.size);
    transfer->header_sizes[transfer->header_count][0] = name_size;
    transfer->header_sizes[transfer->header_count++][1] = value.size;
}

static size_t on_header(char *data, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    struct slice line = {data, size * count};

    transfer->header_bytes += line.size;
    if (transfer->header_bytes > ANSWER_HEADER_BYTES_MAX) {
        transfer->too_large = true;
        return 0;
    }
    while (line.size > 0 && strchr(" \t\r\n", line.data[line.size - 1]) != NULL)
        line.size--;
    if (transfer->call.kind == CALL_SMTP) {
        /* The text of the last reply is the answer's body: its enhanced code tells a full mailbox from a ban.
         * 221 answers libcurl's own QUIT. */
        if (line.size < 3 || memcmp(line.data, "221", 3) != 0) {
            buffer_clear(&transfer->body);
            buffer_append(&transfer->body, line.data, line.size);
        }
    } else if (line.size >= 5 && memcmp(line.data, "HTTP/", 5) == 0) {
        buffer_clear(&transfer->header_text); /* what came before belonged to a 1xx */
        transfer->header_count = 0;
    } else if (line.size > 0) {
        keep_header(transfer, line);
    }
    return size * count;
}

/* After name resolution is the only place where an address can be judged for sure. */
static curl_socket_t on_open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *transfer = context;
    enum address_kind kind = address_judge(&address->addr);
    bool allowed = kind == ADDRESS_LOOPBACK ? transfer->allow_loopback : kind == ADDRESS_GLOBAL && !transfer->plain;

    (void)purpose;
    if (!allowed) {
        transfer->address_refused = true;
        return CURL_SOCKET_BAD;
    }
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    transfer->socket_opened = true;
    pthread_mutex_lock(&transfer->socket_lock);
    transfer->socket = fd;
    pthread_mutex_unlock(&transfer->socket_lock);
    return fd;
}

/* Only for SMTP: a pooled HTTP connection outlives its transfer. */
static int on_close_socket(void *context, curl_socket_t fd)
{
    struct transfer *transfer = context;

    pthread_mutex_lock(&transfer->socket_lock);
    if (transfer->socket == fd)
        transfer->socket = -1;
    pthread_mutex_unlock(&transfer->socket_lock);
    return close(fd);
}

static void shut_socket(struct transfer *transfer, int how)
{
    pthread_mutex_lock(&transfer->socket_lock);
    if (transfer->socket >= 0)
        shutdown(transfer->socket, how);
    pthread_mutex_unlock(&transfer->socket_lock);
}

void transfer_abort(struct transfer *transfer)
{
    atomic_store(&transfer->abort, true);
    shut_socket(transfer, SHUT_RDWR);
}

void transfer_hang_up(struct transfer *transfer)
{
    shut_socket(transfer, SHUT_RD);
}

void transfer_perform(struct transfer *transfer)
{
    transfer_ended(transfer, curl_easy_perform(transfer->easy));
    /* QUIT is still said, but nobody waits (up to two minutes) for its answer. */
    transfer_hang_up(transfer);
    curl_easy_cleanup(transfer->easy);
    transfer->easy = NULL;
}

static void set_callbacks(struct transfer *transfer)
{
    TRANSFER_SET(transfer, CURLOPT_PRIVATE, transfer);
    TRANSFER_SET(transfer, CURLOPT_ERRORBUFFER, transfer->curl_text);
    TRANSFER_SET(transfer, CURLOPT_READFUNCTION, on_read);
    TRANSFER_SET(transfer, CURLOPT_READDATA, transfer);
    TRANSFER_SET(transfer, CURLOPT_SEEKFUNCTION, on_seek);
    TRANSFER_SET(transfer, CURLOPT_SEEKDATA, transfer);
    TRANSFER_SET(transfer, CURLOPT_WRITEFUNCTION, on_write);
    TRANSFER_SET(transfer, CURLOPT_WRITEDATA, transfer);
    TRANSFER_SET(transfer, CURLOPT_HEADERFUNCTION, on_header);
    TRANSFER_SET(transfer, CURLOPT_HEADERDATA, transfer);
    TRANSFER_SET(transfer, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    TRANSFER_SET(transfer, CURLOPT_OPENSOCKETDATA, transfer);
    if (transfer->call.kind == CALL_SMTP) {
        TRANSFER_SET(transfer, CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
        TRANSFER_SET(transfer, CURLOPT_CLOSESOCKETDATA, transfer);
    }
}

static void set_limits(struct transfer *transfer)
{
    long timeout = (long)transfer->call.timeout_ms, quiet = timeout * 3 / 4000;

    TRANSFER_SET(transfer, CURLOPT_NOSIGNAL, 1L);
    TRANSFER_SET(transfer, CURLOPT_QUICK_EXIT, 1L);
    TRANSFER_SET(transfer, CURLOPT_TIMEOUT_MS, timeout);
    TRANSFER_SET(transfer, CURLOPT_CONNECTTIMEOUT_MS, timeout < CONNECT_MS_MAX ? timeout : (long)CONNECT_MS_MAX);
    TRANSFER_SET(transfer, CURLOPT_LOW_SPEED_LIMIT, 1L);
    TRANSFER_SET(transfer, CURLOPT_LOW_SPEED_TIME, quiet > LOW_SPEED_S_MIN ? quiet : (long)LOW_SPEED_S_MIN);
    TRANSFER_SET(transfer, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)ANSWER_BODY_MAX);
    TRANSFER_SET(transfer, CURLOPT_PROXY, "");
    TRANSFER_SET(transfer, CURLOPT_NOPROXY, "*");
    TRANSFER_SET(transfer, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    TRANSFER_SET(transfer, CURLOPT_FOLLOWLOCATION, 0L);
    TRANSFER_SET(transfer, CURLOPT_SSL_VERIFYPEER, 1L);
    TRANSFER_SET(transfer, CURLOPT_SSL_VERIFYHOST, 2L);
    TRANSFER_SET(transfer, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
}

static bool scheme_allowed(const struct transfer *transfer, const char *scheme, bool *plain)
{
    bool is_smtp = transfer->call.kind == CALL_SMTP;

    *plain = strcmp(scheme, "http") == 0 || (strcmp(scheme, "smtp") == 0 && !transfer->call.starttls_required);
    if (*plain && !transfer->allow_loopback)
        return false;
    if (is_smtp)
        return strcmp(scheme, "smtp") == 0 || strcmp(scheme, "smtps") == 0;
    return strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0;
}

/* Sets the address if it is well-formed, without a password in it, and of an allowed scheme. */
static bool set_url(struct transfer *transfer, struct slice address)
{
    char *text = slice_dup(address), *scheme = NULL;
    CURLU *url = curl_url();
    bool allowed = false;

    CHECK(url != NULL);
    if (strlen(text) == address.size && curl_url_set(url, CURLUPART_URL, text, CURLU_DISALLOW_USER) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK)
        allowed = scheme_allowed(transfer, scheme, &transfer->plain);
    if (allowed) {
        TRANSFER_SET(transfer, CURLOPT_PROTOCOLS_STR, scheme);
        TRANSFER_SET(transfer, CURLOPT_URL, text);
    }
    curl_free(scheme);
    curl_url_cleanup(url);
    crypto_wipe(text, address.size);
    free(text);
    return allowed || transfer_refuse(transfer, ERROR_UNSUPPORTED, "the address is not allowed");
}

/* Where the token goes in; NULL unless that is once, and behind the host. */
static const char *token_place(struct slice url)
{
    static const char place[] = CALL_URL_TOKEN;
    const char *at = url.size > 0 ? memmem(url.data, url.size, place, sizeof(place) - 1) : NULL;
    const char *host = at != NULL ? memmem(url.data, (size_t)(at - url.data), "://", 3) : NULL;
    const char *path = host != NULL ? memchr(host + 3, '/', (size_t)(at - host) - 3) : NULL;
    size_t rest = at != NULL ? url.size - (size_t)(at - url.data) - (sizeof(place) - 1) : 0;

    if (path == NULL || memmem(at + sizeof(place) - 1, rest, place, sizeof(place) - 1) != NULL)
        return NULL;
    return at;
}

static bool put_token(struct transfer *transfer, const char *secret)
{
    struct slice url = transfer->call.url;
    const char *at = token_place(url);

    if (at == NULL || !transfer_is_plain_token(secret))
        return transfer_refuse(transfer, ERROR_UNSUPPORTED, "the secret cannot stand in this address");
    size_t before = (size_t)(at - url.data), place = sizeof(CALL_URL_TOKEN) - 1;
    char *text = xcalloc(url.size + strlen(secret) + 1, 1);
    memcpy(text, url.data, before);
    memcpy(text + before, secret, strlen(secret));
    memcpy(text + before + strlen(secret), at + place, url.size - before - place);
    bool good = set_url(transfer, slice_of(text));
    crypto_wipe(text, strlen(text));
    free(text);
    return good;
}

static bool is_token(struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if (!isalnum((unsigned char)text.data[i]) && strchr("!#$%&'*+-.^_`|~", text.data[i]) == NULL)
            return false;
    return text.size > 0 && text.size < HEADER_NAME_MAX && memchr(text.data, '\0', text.size) == NULL;
}

static bool has_control(struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if (((unsigned char)text.data[i] < ' ' && text.data[i] != '\t') || text.data[i] == 0x7f)
            return true;
    return false;
}

/* Framing and routing belong to libcurl. */
static bool is_ours(struct slice name)
{
    static const char *const ours[] = {"host", "content-length", "transfer-encoding", "connection", "expect"};

    for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
        if (name.size == strlen(ours[i]) && strncasecmp(name.data, ours[i], name.size) == 0)
            return true;
    return false;
}

static void add_line(struct transfer *transfer, const char *line)
{
    struct curl_slist *longer = curl_slist_append(transfer->headers, line);

    CHECK(longer != NULL);
    transfer->headers = longer;
}

static bool set_headers(struct transfer *transfer)
{
    const struct call *call = &transfer->call;
    bool typed = false;

    add_line(transfer, "Expect:");
    for (size_t i = 0; i < call->header_count; i++) {
        struct slice name = call->headers[i].name, value = call->headers[i].value;
        struct buffer line = {NULL, 0, 0};
        if (!is_token(name) || has_control(value) || is_ours(name))
            return transfer_refuse(transfer, ERROR_UNSUPPORTED, "a header is not allowed");
        typed |= name.size == 12 && strncasecmp(name.data, "content-type", 12) == 0;
        /* libcurl's way to say "empty" is a semicolon; a colon alone would drop the header. */
        buffer_append(&line, name.data, name.size);
        buffer_text(&line, value.size > 0 ? ": " : ";");
        buffer_append(&line, value.data, value.size);
        buffer_append(&line, "", 1);
        add_line(transfer, line.data);
        buffer_free(&line);
    }
    if (!typed)
        add_line(transfer, "Content-Type:");
    return true;
}

static void add_secret(struct transfer *transfer, const char *secret)
{
    char line[SECRET_MAX + HEADER_NAME_MAX + 32];
    const struct call *call = &transfer->call;

    if (call->auth == AUTH_BEARER)
        snprintf(line, sizeof(line), "Authorization: Bearer %s", secret);
    else
        snprintf(line, sizeof(line), "%.*s: %s", (int)call->auth_name.size, call->auth_name.data, secret);
    add_line(transfer, line);
    crypto_wipe(line, sizeof(line));
}

static bool http_prepare(struct transfer *transfer, const char *secret)
{
    const struct call *call = &transfer->call;

    if (!is_token(call->method) ||
        (call->auth == AUTH_HEADER && (!is_token(call->auth_name) || is_ours(call->auth_name))))
        return transfer_refuse(transfer, ERROR_UNSUPPORTED, "the method or the header's name is not allowed");
    if (!set_headers(transfer))
        return false;
    if (call->auth == AUTH_BEARER || call->auth == AUTH_HEADER)
        add_secret(transfer, secret);
    char *method = slice_dup(call->method);
    if (slice_is(call->method, "HEAD"))
        TRANSFER_SET(transfer, CURLOPT_NOBODY, 1L);
    else if (call->body.size > 0 || slice_is(call->method, "POST") || slice_is(call->method, "PUT") ||
             slice_is(call->method, "PATCH")) {
        TRANSFER_SET(transfer, CURLOPT_POST, 1L);
        TRANSFER_SET(transfer, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.size);
    }
    TRANSFER_SET(transfer, CURLOPT_CUSTOMREQUEST, method);
    free(method);
    TRANSFER_SET(transfer, CURLOPT_HTTPHEADER, transfer->headers);
    TRANSFER_SET(transfer, CURLOPT_USERAGENT, "purser/" PURSER_VERSION);
    TRANSFER_SET(transfer, CURLOPT_ACCEPT_ENCODING, "gzip");
    TRANSFER_SET(transfer, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    /* On a pooled connection that turns out dead libcurl repeats the request by itself. */
    TRANSFER_SET(transfer, CURLOPT_FRESH_CONNECT, call->idempotent ? 0L : 1L);
    return true;
}

static bool auth_fits(const struct call *call)
{
    if (call->kind == CALL_SMTP)
        return call->auth == AUTH_NONE || call->auth == AUTH_SMTP_LOGIN;
    return call->auth != AUTH_SMTP_LOGIN;
}

static bool resolve(struct transfer *transfer, const struct http_client_options *options, char *secret)
{
    const struct call *call = &transfer->call;
    long size = -1;

    if (call->auth == AUTH_NONE)
        return true;
    if (options->secret != NULL)
        size = options->secret(options->secret_context, call->secret, call->url, secret, SECRET_MAX);
    if (size == -2)
        return transfer_refuse(transfer, ERROR_UNSUPPORTED, "the secret is not for this host");
    if (size < 0)
        return transfer_refuse(transfer, ERROR_NO_SECRET, "the secret has no value");
    CHECK(size <= SECRET_MAX);
    secret[size] = '\0';
    if (has_control((struct slice){secret, (size_t)size}))
        return transfer_refuse(transfer, ERROR_UNSUPPORTED, "the secret holds control characters");
    return true;
}

bool transfer_prepare(struct transfer *transfer, const struct http_client_options *options)
{
    char secret[SECRET_MAX + 1] = "";

    if (!auth_fits(&transfer->call))
        return transfer_refuse(transfer, ERROR_UNSUPPORTED, "the kind of authentication does not fit the call");
    transfer->easy = curl_easy_init();
    CHECK(transfer->easy != NULL);
    if (!set_url(transfer, transfer->call.url))
        return false;
    set_callbacks(transfer);
    set_limits(transfer);
    if (transfer->call.ca_file.size > 0) {
        char *file = slice_dup(transfer->call.ca_file);
        TRANSFER_SET(transfer, CURLOPT_CAINFO, file);
        TRANSFER_SET(transfer, CURLOPT_CAPATH, NULL);
        free(file);
    }
    bool ready = resolve(transfer, options, secret);
    if (ready && transfer->call.auth == AUTH_URL_TOKEN)
        ready = put_token(transfer, secret);
    if (ready && transfer->call.auth == AUTH_BODY_TOKEN)
        ready = transfer_put_body_token(transfer, secret);
    if (ready)
        ready = transfer->call.kind == CALL_SMTP ? smtp_prepare(transfer, secret) : http_prepare(transfer, secret);
    if (ready && transfer->call.kind == CALL_HTTP)
        buffer_text(&transfer->secret, secret);
    crypto_wipe(secret, sizeof(secret));
    return ready;
}

void transfer_ended(struct transfer *transfer, CURLcode code)
{
    transfer->code = code;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &transfer->status);
    curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &transfer->request_bytes);
}

static enum error outcome(const struct transfer *transfer)
{
    if (transfer->error != ERROR_OK)
        return transfer->error;
    /* An answer that cannot be read says nothing of the effect. */
    if (transfer->too_large || transfer->code == CURLE_FILESIZE_EXCEEDED)
        return handed_over(transfer) && !transfer->call.idempotent ? ERROR_LOST : ERROR_TOO_LARGE;
    if (transfer->address_refused && !transfer->socket_opened)
        return ERROR_UNSUPPORTED;
    if (transfer->call.kind == CALL_SMTP)
        return smtp_outcome(transfer, handed_over(transfer));
    if (transfer->code == CURLE_OK)
        return ERROR_OK;
    if (!handed_over(transfer))
        return ERROR_OFFLINE;
    return transfer->call.idempotent ? ERROR_TIMEOUT : ERROR_LOST;
}

/* libcurl's own words may quote the address, and a token may stand in it. */
static const char *words_of(const struct transfer *transfer)
{
    if (transfer->curl_text[0] != '\0' && transfer->call.auth != AUTH_URL_TOKEN)
        return transfer->curl_text;
    return curl_easy_strerror(transfer->code);
}

void transfer_answer(const struct transfer *transfer, struct answer *answer)
{
    size_t at = 0;

    *answer = (struct answer){.error = outcome(transfer)};
    if (transfer->why != NULL)
        answer->detail = slice_of(transfer->why);
    else if (transfer->address_refused && !transfer->socket_opened)
        answer->detail = SLICE("the host's address is not allowed");
    else if (transfer->code != CURLE_OK)
        answer->detail = slice_of(words_of(transfer));
    if (transfer->error != ERROR_OK)
        return;
    answer->status = transfer->status >= 0 && transfer->status <= 999 ? (int)transfer->status : 0;
    if (answer->error == ERROR_OK || transfer->call.kind == CALL_SMTP)
        answer->body = buffer_slice(&transfer->body);
    for (size_t i = 0; i < transfer->header_count; i++) {
        const size_t *sizes = transfer->header_sizes[i];
        answer->headers[i].name = (struct slice){transfer->header_text.data + at, sizes[0]};
        answer->headers[i].value = (struct slice){transfer->header_text.data + at + sizes[0], sizes[1]};
        at += sizes[0] + sizes[1];
    }
    answer->header_count = transfer->header_count;
}
