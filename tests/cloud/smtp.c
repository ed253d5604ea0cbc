/* smtp - a mail server as one answer: takes a message or says why not. */
// SPDX-License-Identifier: MIT
#include "tests/cloud/model.h"
#include <stdlib.h>
#include <string.h>

static const struct refusal {
    enum cloud_fault fault;
    int status;
    const char *text;
} refusals[] = {
    {CLOUD_BUSY, 421, "4.7.0 Try again later, closing connection."},
    {CLOUD_KEY, 535, "5.7.8 Username and Password not accepted."},
    {CLOUD_NO_USER, 550, "5.1.1 The email account that you tried to reach does not exist."},
    {CLOUD_DAY_QUOTA, 550, "5.4.5 Daily user sending limit exceeded."},
    {CLOUD_LIMITED, 450, "4.2.1 Peak SMTP relay limit exceeded."},
    {CLOUD_GREYLIST, 451, "4.7.1 Greylisted, please try again."},
};

static uint64_t hash_of(struct slice text)
{
    uint64_t hash = 14695981039346656037u;

    for (size_t i = 0; i < text.size; i++)
        hash = (hash ^ (unsigned char)text.data[i]) * 1099511628211u;
    return hash;
}

static struct mail_slot *slot_of(const struct cloud *cloud, uint64_t hash)
{
    size_t at = hash % cloud->mail_room;

    while (cloud->mails[at].count > 0 && cloud->mails[at].hash != hash)
        at = (at + 1) % cloud->mail_room;
    return &cloud->mails[at];
}

static void mails_grow(struct cloud *cloud)
{
    struct mail_slot *old = cloud->mails;
    size_t old_room = cloud->mail_room;

    if (cloud->mail_used * 2 < old_room)
        return;
    cloud->mail_room = old_room ? old_room * 2 : 256;
    cloud->mails = xcalloc(cloud->mail_room, sizeof(old[0]));
    for (size_t i = 0; i < old_room; i++)
        if (old[i].count > 0)
            *slot_of(cloud, old[i].hash) = old[i];
    free(old);
}

uint64_t cloud_mail_count(const struct cloud *cloud, struct slice message_id)
{
    return cloud->mail_room ? slot_of(cloud, hash_of(message_id))->count : 0;
}

/* The value of a header field of the message, up to its line end; empty when there is none before the body. */
static struct slice field_of(struct slice message, const char *name)
{
    size_t size = strlen(name), at = 0;

    while (at < message.size) {
        const char *end = memmem(message.data + at, message.size - at, "\r\n", 2);
        size_t length = end ? (size_t)(end - message.data) - at : message.size - at;
        if (length == 0)
            break;
        if (length > size + 2 && strncasecmp(message.data + at, name, size) == 0 && message.data[at + size] == ':')
            return (struct slice){message.data + at + size + 2, length - size - 2};
        at += length + 2;
    }
    return (struct slice){NULL, 0};
}

/* What a strict server would say about the message's form; NULL when it is fine. */
static const char *form_problem(const struct call *call, struct slice message_id)
{
    size_t line = 0;

    for (size_t i = 0; i < call->body.size; i++) {
        char c = call->body.data[i];
        if (c == '\n' && (i == 0 || call->body.data[i - 1] != '\r'))
            return "5.6.0 Bare LF in the message.";
        line = c == '\n' ? 0 : line + 1;
        if (line > 999)
            return "5.6.0 Line too long.";
    }
    if (message_id.size < 5 || message_id.data[0] != '<' || message_id.data[message_id.size - 1] != '>')
        return "5.6.0 Message-ID is missing.";
    if (field_of(call->body, "From").size == 0 || field_of(call->body, "Date").size == 0)
        return "5.6.0 From or Date is missing.";
    return slice_equal(field_of(call->body, "To"), call->mail_to) ? NULL : "5.6.0 To differs from the envelope.";
}

static void member(struct buffer *into, const char *name, struct slice value)
{
    buffer_printf(into, ",\"%s\":", name);
    cloud_json_text(into, value);
}

static void mail_take(struct cloud *cloud, int64_t now_ms, const struct call *call, struct slice id)
{
    mails_grow(cloud);
    struct mail_slot *slot = slot_of(cloud, hash_of(id));
    cloud->counts.mails++;
    cloud->counts.mails_repeated += slot->count > 0;
    cloud->mail_used += slot->count == 0;
    slot->hash = hash_of(id);
    slot->count++;
    buffer_clear(&cloud->text);
    member(&cloud->text, "message_id", id);
    member(&cloud->text, "from", call->mail_from);
    member(&cloud->text, "to", call->mail_to);
    member(&cloud->text, "subject", field_of(call->body, "Subject"));
    buffer_printf(&cloud->text, ",\"copy\":%llu,\"bytes\":%zu", (unsigned long long)slot->count, call->body.size);
    if (cloud->options.log_mail)
        member(&cloud->text, "message", call->body);
    cloud_log(cloud, now_ms, "smtp", "mail", buffer_slice(&cloud->text));
}

static void refuse(struct cloud *cloud, int status, const char *text, struct cloud_reply *reply)
{
    cloud->counts.mails_refused++;
    reply->answer = (struct answer){.error = ERROR_OK, .status = status, .body = slice_of(text)};
}

void cloud_smtp_answer(struct cloud *cloud, int64_t now_ms, const struct call *call, struct cloud_reply *reply)
{
    struct slice id = field_of(call->body, "Message-ID");
    const char *problem = form_problem(call, id);

    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        if (cloud_meets(cloud, CLOUD_SMTP, refusals[i].fault, now_ms)) {
            refuse(cloud, refusals[i].status, refusals[i].text, reply);
            return;
        }
    }
    if (problem != NULL) {
        refuse(cloud, 554, problem, reply);
        return;
    }
    mail_take(cloud, now_ms, call, (struct slice){id.data + 1, id.size - 2});
    reply->answer = (struct answer){.error = ERROR_OK, .status = 250, .body = SLICE("2.0.0 Ok: queued")};
}
