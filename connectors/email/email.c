/* email - one message to one recipient over SMTP. Inputs: to, subject, text, html, reply_to.
 * Result: {message_id}. SMTP cannot be asked what became of a message, so an unfinished one is unknown. */
// SPDX-License-Identifier: MIT
#include "connectors/connector.h"
#include "connectors/email/message.h"
#include <string.h>

enum { TIMEOUT_MS = 60000, TEXT_MAX = 200 };
static const int64_t DAY_LIMIT_WAIT_MS = 3600000;

/* ---- the message ---- */

/* False, with the step failed naming the field, when a header field does not fit. */
static bool field_fits(const char *name, const char *problem, struct scratch *scratch, struct step *step)
{
    if (problem != NULL)
        step_fail(scratch, step, ERROR_INVALID, "%s %s", name, problem);
    return problem == NULL;
}

/* An input that must be text when it is there at all: a number or list here is a mistake in the workflow. */
static bool input_fits(const struct connector_job *job, const char *name, size_t size_max, bool needed,
                       struct scratch *scratch, struct step *step)
{
    const json_t *value = json_at(job->inputs, name);

    if (value != NULL && !json_is_null(value) && !json_is_string(value))
        return field_fits(name, "is no text", scratch, step);
    struct slice text = json_text_at(job->inputs, name);
    if (text.size > size_max) {
        step_fail(scratch, step, ERROR_TOO_LARGE, "%s is larger than %zu bytes", name, size_max);
        return false;
    }
    return field_fits(name, needed && text.size == 0 ? "is missing" : NULL, scratch, step);
}

static bool inputs_fit(const struct connector_job *job, struct scratch *scratch, struct step *step)
{
    struct slice subject = json_text_at(job->inputs, "subject"), reply_to = json_text_at(job->inputs, "reply_to");

    return input_fits(job, "to", ADDRESS_MAX, true, scratch, step) &&
           field_fits("to", message_header_problem(json_text_at(job->inputs, "to"), ADDRESS_MAX), scratch, step) &&
           field_fits("to", message_address_problem(json_text_at(job->inputs, "to")), scratch, step) &&
           input_fits(job, "subject", SUBJECT_MAX, true, scratch, step) &&
           field_fits("subject", message_header_problem(subject, SUBJECT_MAX), scratch, step) &&
           input_fits(job, "reply_to", ADDRESS_MAX, false, scratch, step) &&
           (reply_to.size == 0 ||
            (field_fits("reply_to", message_header_problem(reply_to, ADDRESS_MAX), scratch, step) &&
             field_fits("reply_to", message_address_problem(reply_to), scratch, step))) &&
           input_fits(job, "text", MAIL_PART_MAX, true, scratch, step) &&
           input_fits(job, "html", MAIL_PART_MAX, false, scratch, step);
}

/* A host name on its own, judged as the right side of an address. */
static const char *domain_problem(struct slice domain, struct buffer *room)
{
    buffer_clear(room);
    buffer_text(room, "x@");
    buffer_append(room, domain.data, domain.size);
    return message_address_problem(buffer_slice(room));
}

static bool settings_fit(const struct connector_job *job, const struct connector_settings *settings,
                         struct scratch *scratch, struct step *step)
{
    return field_fits("setting from", message_address_problem(settings->from), scratch, step) &&
           field_fits("setting from_name", message_header_problem(settings->from_name, NAME_MAX_BYTES), scratch,
                      step) &&
           field_fits("setting domain", domain_problem(settings->domain, &scratch->text), scratch, step) &&
           field_fits("setting box", connector_job_id_fits(settings->box) ? NULL : "is no name", scratch, step) &&
           field_fits("job id", connector_job_id_fits(job->id) ? NULL : "is no name", scratch, step);
}

/* <job.box@domain>: the same for every repeat, so that a receiver may tell a second copy. */
static void message_id_print(const struct connector_job *job, const struct connector_settings *settings,
                             struct buffer *into)
{
    buffer_clear(into);
    buffer_append(into, job->id.data, job->id.size);
    buffer_text(into, ".");
    buffer_append(into, settings->box.data, settings->box.size);
    buffer_text(into, "@");
    buffer_append(into, settings->domain.data, settings->domain.size);
}

static void call_fill(const struct connector_job *job, const struct connector_settings *settings,
                      struct scratch *scratch, struct call *call)
{
    buffer_append(&scratch->url, settings->url.data, settings->url.size);
    buffer_text(&scratch->url, "/");
    buffer_append(&scratch->url, settings->domain.data, settings->domain.size);
    *call = (struct call){
        .kind = CALL_SMTP,
        .url = buffer_slice(&scratch->url),
        .body = buffer_slice(&scratch->body),
        .auth = settings->user.size ? AUTH_SMTP_LOGIN : AUTH_NONE,
        .auth_name = settings->user,
        .secret = settings->user.size ? settings->secret : (struct slice){NULL, 0},
        .mail_from = settings->from,
        .mail_to = json_text_at(job->inputs, "to"),
        .starttls_required = !settings->plain_allowed,
        .idempotent = false,
        .timeout_ms = settings->timeout_ms ? settings->timeout_ms : TIMEOUT_MS,
        .ca_file = settings->ca_file,
    };
}

static void email_begin(const struct connector_job *job, const struct connector_settings *settings, int64_t now_ms,
                        struct scratch *scratch, struct step *step)
{
    (void)now_ms;
    step_start(scratch, step);
    if (job->state.size > 0) {
        step_fail(scratch, step, ERROR_LOST, "the message was handed over and no answer is known; SMTP cannot tell");
        return;
    }
    if (!settings_fit(job, settings, scratch, step) || !inputs_fit(job, scratch, step))
        return;
    if (settings->user.size > 0 && settings->secret.size == 0) {
        step_fail(scratch, step, ERROR_NO_SECRET, "no password is set for e-mail");
        return;
    }
    message_id_print(job, settings, &scratch->text);
    struct message message = {
        .from = settings->from,
        .from_name = settings->from_name,
        .to = json_text_at(job->inputs, "to"),
        .reply_to = json_text_at(job->inputs, "reply_to"),
        .subject = json_text_at(job->inputs, "subject"),
        .message_id = buffer_slice(&scratch->text),
        .date_ms = job->created_ms,
        .text = json_text_at(job->inputs, "text"),
        .html = json_text_at(job->inputs, "html"),
    };
    message_build(&scratch->body, &message);
    call_fill(job, settings, scratch, &step->call);
    buffer_text(&scratch->state, "sent-intent");
    step->state = buffer_slice(&scratch->state);
    step->needs_note = true;
    step->kind = STEP_REQUEST;
    step->error = ERROR_OK;
}

/* ---- the reply ---- */

static bool says(const struct answer *answer, const char *code)
{
    size_t size = strlen(code);

    return (answer->body.size > 0 && memmem(answer->body.data, answer->body.size, code, size) != NULL) ||
           (answer->detail.size > 0 && memmem(answer->detail.data, answer->detail.size, code, size) != NULL);
}

static bool is_day_limit(const struct answer *answer)
{
    return answer->status == 550 && says(answer, "5.4.5");
}

static bool is_limit(const struct answer *answer)
{
    return answer->status == 421 || answer->status == 454 || (answer->status == 450 && says(answer, "4.2.1")) ||
           is_day_limit(answer);
}

static enum error error_of_reply(const struct answer *answer)
{
    int status = answer->status;

    if (is_limit(answer))
        return ERROR_LIMITED;
    if (status == 530 || status == 534 || status == 535 || status == 538)
        return ERROR_AUTH;
    if (status == 552)
        return ERROR_TOO_LARGE;
    if (status >= 500 && status <= 599)
        return ERROR_REFUSED;
    if (status >= 400 && status <= 499)
        return ERROR_FAILED;
    /* 354 and everything else: the message may have been taken. */
    return ERROR_LOST;
}

/* The enhanced status code of a reply ("5.1.1"), or nothing. The rest of its text may name the recipient. */
static struct slice enhanced_code(struct slice said)
{
    for (size_t at = 0; at + 5 <= said.size; at++) {
        size_t end = at, dots = 0;
        while (end < said.size && ((said.data[end] >= '0' && said.data[end] <= '9') || said.data[end] == '.'))
            dots += said.data[end++] == '.';
        if (dots == 2 && end - at <= 9 && said.data[at] != '.' && said.data[end - 1] != '.' && said.data[at + 1] == '.')
            return (struct slice){said.data + at, end - at};
        at = end > at ? end : at;
    }
    return (struct slice){NULL, 0};
}

static void email_answer(const struct connector_job *job, const struct connector_settings *settings,
                         const struct answer *answer, int64_t now_ms, struct scratch *scratch, struct step *step)
{
    struct slice code = enhanced_code(answer->body.size ? answer->body : answer->detail);
    int size = answer->detail.size > TEXT_MAX ? TEXT_MAX : (int)answer->detail.size;

    (void)now_ms;
    step_start(scratch, step);
    if (answer->error == ERROR_OK && answer->status >= 200 && answer->status <= 299) {
        message_id_print(job, settings, &scratch->text);
        step->kind = STEP_DONE;
        step->error = ERROR_OK;
        step->result = json_pack("{s:s%}", "message_id", scratch->text.data, scratch->text.size);
        return;
    }
    if (answer->error == ERROR_OK) {
        step->retry_after_ms = is_day_limit(answer) ? DAY_LIMIT_WAIT_MS : -1;
        step_fail(scratch, step, error_of_reply(answer), "SMTP %d %.*s", answer->status, (int)code.size,
                  code.size ? code.data : "");
        return;
    }
    /* The call is not idempotent: a time-out is as unknown as a broken connection. */
    step_fail(scratch, step, answer->error == ERROR_TIMEOUT ? ERROR_LOST : answer->error, "%.*s", size,
              size ? answer->detail.data : "");
}

static void email_usage(const struct connector_settings *settings, const struct answer *answer, int64_t now_ms,
                        struct usage *usage)
{
    (void)settings;
    (void)now_ms;
    *usage = (struct usage){.retry_after_ms = -1};
    if (answer->error != ERROR_OK)
        return;
    usage->limited = is_limit(answer);
    usage->day_quota = is_day_limit(answer);
    usage->retry_after_ms = usage->day_quota ? DAY_LIMIT_WAIT_MS : -1;
    usage->overloaded = answer->status >= 400 && answer->status <= 499 && !usage->limited;
}

const struct connector connector_email = {
    .name = "email",
    .begin = email_begin,
    .answer = email_answer,
    .usage = email_usage,
};
