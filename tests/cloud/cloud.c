// SPDX-License-Identifier: MIT
#include "tests/cloud/model.h"
#include "proto/text/json.h"
#include <stdlib.h>
#include <string.h>

static const char *const service_names[CLOUD_SERVICE_COUNT] = {"gemini", "smtp", "shopify", "telegram",
                                                                "http",   "meta", "admin"};
static const char service_letters[] = "gshtwma";

static const struct {
    const char *name, *services;
} fault_info[CLOUD_FAULT_COUNT] = {
#define FAULT(ID, name, services, doc) {name, services},
#include "tests/cloud/faults.def"
#undef FAULT
};

/* splitmix64: small, and every seed is a good one. */
uint64_t cloud_random(struct cloud *cloud)
{
    uint64_t z = cloud->random += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t cloud_random_below(struct cloud *cloud, uint64_t bound)
{
    return cloud_random(cloud) % bound;
}

static struct slice copied(struct slice text)
{
    return (struct slice){slice_dup(text), text.size};
}

static void options_copy(struct cloud_options *to, const struct cloud_options *from)
{
    *to = *from;
    to->gemini_per_minute = from->gemini_per_minute ? from->gemini_per_minute : 10;
    if (to->gemini_per_minute > CLOUD_MINUTE_MAX)
        to->gemini_per_minute = CLOUD_MINUTE_MAX;
    to->gemini_per_day = from->gemini_per_day ? from->gemini_per_day : 1000;
    to->log_bytes_max = from->log_bytes_max ? from->log_bytes_max : 64u << 20;
    to->gemini_model = copied(from->gemini_model);
    to->meta_per_hour = from->meta_per_hour ? from->meta_per_hour : 180;
    to->instagram_per_day = from->instagram_per_day ? from->instagram_per_day : 50;
    to->telegram_token = copied(from->telegram_token);
    to->shop = copied(from->shop.size ? from->shop : SLICE("demo.myshopify.com"));
    for (size_t i = 0; i < from->hook_count; i++)
        to->hooks[i] = (struct cloud_hook){copied(from->hooks[i].topic), copied(from->hooks[i].url),
                                           copied(from->hooks[i].secret)};
    for (size_t i = 0; i < from->template_count; i++)
        to->templates[i] = copied(from->templates[i]);
}

static void options_free(struct cloud_options *options)
{
    free((char *)(uintptr_t)options->gemini_model.data);
    free((char *)(uintptr_t)options->telegram_token.data);
    free((char *)(uintptr_t)options->shop.data);
    for (size_t i = 0; i < options->hook_count; i++) {
        free((char *)(uintptr_t)options->hooks[i].topic.data);
        free((char *)(uintptr_t)options->hooks[i].url.data);
        free((char *)(uintptr_t)options->hooks[i].secret.data);
    }
    for (size_t i = 0; i < options->template_count; i++)
        free((char *)(uintptr_t)options->templates[i].data);
}

struct cloud *cloud_new(uint64_t seed, const struct cloud_options *options)
{
    struct cloud *cloud = xcalloc(1, sizeof(*cloud));

    cloud->random = seed;
    cloud->day = INT64_MIN;
    cloud->next_order = 1001;
    options_copy(&cloud->options, options);
    cloud->minute = xcalloc(cloud->options.gemini_per_minute, sizeof(cloud->minute[0]));
    return cloud;
}

void cloud_destroy(struct cloud **cloud)
{
    if (*cloud == NULL)
        return;
    cloud_shopify_fini(*cloud);
    cloud_telegram_fini(*cloud);
    cloud_http_fini(*cloud);
    cloud_meta_fini(*cloud);
    cloud_admin_fini(*cloud);
    options_free(&(*cloud)->options);
    buffer_free(&(*cloud)->body);
    buffer_free(&(*cloud)->text);
    buffer_free(&(*cloud)->log);
    free((*cloud)->minute);
    free((*cloud)->mails);
    free(*cloud);
    *cloud = NULL;
}

bool cloud_fault_set(struct cloud *cloud, enum cloud_service service, enum cloud_fault fault, int64_t until_ms,
                     unsigned permille)
{
    if (strchr(fault_info[fault].services, service_letters[service]) == NULL || permille > 1000)
        return false;
    cloud->faults[service][fault] = (struct cloud_fault_state){until_ms, permille};
    return true;
}

bool cloud_fault_find(struct slice name, enum cloud_fault *fault)
{
    for (int i = 0; i < CLOUD_FAULT_COUNT; i++) {
        if (slice_is(name, fault_info[i].name)) {
            *fault = (enum cloud_fault)i;
            return true;
        }
    }
    return false;
}

bool cloud_service_find(struct slice name, enum cloud_service *service)
{
    for (int i = 0; i < CLOUD_SERVICE_COUNT; i++) {
        if (slice_is(name, service_names[i])) {
            *service = (enum cloud_service)i;
            return true;
        }
    }
    return false;
}

bool cloud_fault_total(const struct cloud *cloud, enum cloud_service service, enum cloud_fault fault, int64_t now_ms)
{
    return cloud->faults[service][fault].permille == 1000 && now_ms < cloud->faults[service][fault].until_ms;
}

bool cloud_meets(struct cloud *cloud, enum cloud_service service, enum cloud_fault fault, int64_t now_ms)
{
    const struct cloud_fault_state *state = &cloud->faults[service][fault];

    if (state->permille == 0 || now_ms >= state->until_ms || cloud_random_below(cloud, 1000) >= state->permille)
        return false;
    cloud->counts.faults++;
    return true;
}

void cloud_json_text(struct buffer *into, struct slice text)
{
    char *copy = slice_dup(text);

    if (!slice_is_utf8(text))
        for (size_t i = 0; i < text.size; i++)
            if ((unsigned char)copy[i] >= 0x80 || copy[i] == '\0')
                copy[i] = '?';
    json_t *value = json_stringn(copy, text.size);
    json_write(into, value);
    json_decref(value);
    free(copy);
}

void cloud_log(struct cloud *cloud, int64_t now_ms, const char *service, const char *what, struct slice members)
{
    if (cloud->log.size + members.size + 128 > cloud->options.log_bytes_max) {
        cloud->counts.log_dropped++;
        return;
    }
    buffer_printf(&cloud->log, "{\"ms\":%lld,\"service\":\"%s\",\"what\":\"%s\"", (long long)now_ms, service, what);
    buffer_append(&cloud->log, members.data, members.size);
    buffer_text(&cloud->log, "}\n");
}

struct slice cloud_effects(const struct cloud *cloud)
{
    return buffer_slice(&cloud->log);
}

const struct cloud_counts *cloud_counts(const struct cloud *cloud)
{
    return &cloud->counts;
}

void cloud_counts_print(const struct cloud *cloud, struct buffer *into)
{
    const char *comma = "{";

#define COUNT(name, doc)                                                                                               \
    buffer_printf(into, "%s\"" #name "\":%llu", comma, (unsigned long long)cloud->counts.name);                        \
    comma = ",";
#include "tests/cloud/counts.def"
#undef COUNT
    buffer_text(into, "}");
}

static bool is_gemini(const struct call *call)
{
    return call->url.size > 0 && memmem(call->url.data, call->url.size, "/v1beta/models", 14) != NULL;
}

static bool is_telegram(const struct call *call)
{
    return call->url.size > 0 && memmem(call->url.data, call->url.size, "/bot", 4) != NULL;
}

/* A deed whose answer is lost is LOST, or TIMEOUT when the call may be repeated. */
static void drop_answer(struct cloud *cloud, const struct call *call, struct cloud_reply *reply)
{
    cloud->counts.answers_dropped++;
    reply->lost = true;
    reply->latency_ms = call->timeout_ms;
    reply->answer = (struct answer){.error = call->idempotent ? ERROR_TIMEOUT : ERROR_LOST,
                                    .status = call->kind == CALL_SMTP ? 354 : 0,
                                    .detail = SLICE("the connection broke before the answer")};
}

void cloud_answer(struct cloud *cloud, int64_t now_ms, const struct call *call, struct cloud_reply *reply)
{
    enum cloud_service service = call->kind == CALL_SMTP ? CLOUD_SMTP
                                 : cloud_http_owns(call) ? CLOUD_HTTP
                                 : cloud_admin_owns(call) ? CLOUD_ADMIN
                                 : cloud_meta_owns(call) ? CLOUD_META
                                 : is_telegram(call)     ? CLOUD_TELEGRAM
                                                         : CLOUD_GEMINI;

    *reply = (struct cloud_reply){.latency_ms = 20 + (uint32_t)cloud_random_below(cloud, 180)};
    buffer_clear(&cloud->body);
    if (service == CLOUD_GEMINI && !is_gemini(call)) {
        cloud->counts.unknown_calls++;
        reply->answer = (struct answer){.error = ERROR_OK, .status = 404};
        return;
    }
    if (cloud_meets(cloud, service, CLOUD_OUTAGE, now_ms)) {
        cloud->counts.outages++;
        reply->absent = true;
        reply->answer = (struct answer){.error = ERROR_OFFLINE, .detail = SLICE("connection refused")};
        return;
    }
    if (cloud_meets(cloud, service, CLOUD_LATENCY, now_ms))
        reply->latency_ms = 3000 + (uint32_t)cloud_random_below(cloud, 17000);
    if (service == CLOUD_SMTP)
        cloud_smtp_answer(cloud, now_ms, call, reply);
    else if (service == CLOUD_TELEGRAM)
        cloud_telegram_answer(cloud, now_ms, call, reply);
    else if (service == CLOUD_ADMIN)
        cloud_admin_answer(cloud, now_ms, call, reply);
    else if (service == CLOUD_META)
        cloud_meta_answer(cloud, now_ms, call, reply);
    else if (service == CLOUD_HTTP)
        cloud_http_answer(cloud, now_ms, call, reply);
    else
        cloud_gemini_answer(cloud, now_ms, call, reply);
    if (cloud_meets(cloud, service, CLOUD_DROPPED, now_ms) || reply->latency_ms > call->timeout_ms)
        drop_answer(cloud, call, reply);
}
