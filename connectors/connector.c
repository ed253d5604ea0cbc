// SPDX-License-Identifier: MIT
#include "connectors/connector.h"
#include "proto/check.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { DETAIL_MAX = 400, JOB_ID_MAX = 64 };
static const int64_t WAIT_MS_MAX = 7 * 86400000LL;

void scratch_free(struct scratch *scratch)
{
    buffer_free(&scratch->url);
    buffer_free(&scratch->body);
    buffer_free(&scratch->state);
    buffer_free(&scratch->detail);
    buffer_free(&scratch->text);
}

void step_fini(struct step *step)
{
    json_decref(step->result);
    step->result = NULL;
}

void step_start(struct scratch *scratch, struct step *step)
{
    buffer_clear(&scratch->url);
    buffer_clear(&scratch->body);
    buffer_clear(&scratch->state);
    buffer_clear(&scratch->detail);
    buffer_clear(&scratch->text);
    *step = (struct step){.kind = STEP_REFUSED, .error = ERROR_INVALID, .retry_after_ms = -1};
}

/* Logs, consoles and alerts show this text: nothing in it may steer a terminal. */
static void text_tame(struct buffer *text)
{
    for (size_t i = 0; i < text->size; i++)
        if ((unsigned char)text->data[i] < 0x20 || text->data[i] == 0x7f)
            text->data[i] = ' ';
    if (text->size > DETAIL_MAX) {
        text->size = DETAIL_MAX;
        while (text->size > 0 && ((unsigned char)text->data[text->size - 1] & 0xc0) == 0x80)
            text->size--;
        if (text->size > 0 && (unsigned char)text->data[text->size - 1] >= 0xc0)
            text->size--;
    }
    if (slice_is_utf8(buffer_slice(text)))
        return;
    for (size_t i = 0; i < text->size; i++)
        if ((unsigned char)text->data[i] >= 0x80)
            text->data[i] = '?';
}

void step_fail(struct scratch *scratch, struct step *step, enum error error, const char *format, ...)
{
    char text[1024];
    va_list args;
    enum retry_class retry = error_class(error);

    CHECK(retry != RETRY_NONE);
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    buffer_clear(&scratch->detail);
    buffer_text(&scratch->detail, text);
    text_tame(&scratch->detail);
    step->detail = buffer_slice(&scratch->detail);
    step->error = error;
    step->needs_note = false;
    if (retry == RETRY_UNKNOWN)
        step->kind = STEP_UNKNOWN;
    else if (retry == RETRY_TRANSIENT || retry == RETRY_WAIT)
        step->kind = STEP_RETRY;
    else
        step->kind = STEP_REFUSED;
}

bool connector_seconds(struct slice text, int64_t *ms)
{
    int64_t value = 0, unit = 100;
    size_t at = 0, digits = 0;
    bool more = false;

    for (; at < text.size && text.data[at] >= '0' && text.data[at] <= '9'; at++, digits++)
        if (value < WAIT_MS_MAX)
            value = value * 10 + (text.data[at] - '0');
    value = value > WAIT_MS_MAX / 1000 ? WAIT_MS_MAX : value * 1000;
    if (digits == 0)
        return false;
    if (at < text.size && text.data[at] == '.') {
        for (at++; at < text.size && text.data[at] >= '0' && text.data[at] <= '9'; at++, unit /= 10) {
            value += unit * (text.data[at] - '0');
            more = more || (unit == 0 && text.data[at] != '0');
        }
    }
    if (at < text.size && text.data[at] == 's')
        at++;
    if (at != text.size)
        return false;
    value += more;
    *ms = value > WAIT_MS_MAX ? WAIT_MS_MAX : value;
    return true;
}

int64_t connector_retry_after(const struct answer *answer)
{
    int64_t ms;

    return connector_seconds(answer_header(answer, "retry-after"), &ms) ? ms : -1;
}

/* "06 Nov 1994 08:49:37 GMT", as RFC 9110 writes it; -1 when it is none. */
static int64_t date_ms(const char *text)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char month[4] = "", zone[4] = "";
    int day, year, hour, minute, second, end = 0;

    if (sscanf(text, "%2d %3s %4d %2d:%2d:%2d %3s%n", &day, month, &year, &hour, &minute, &second, zone, &end) != 7 ||
        text[end] != '\0' || strcmp(zone, "GMT") != 0 || strlen(month) != 3)
        return -1;
    const char *at = strstr(months, month);
    if (at == NULL || (at - months) % 3 != 0 || day < 1 || day > 31 || year < 1970 || hour < 0 || hour > 23 ||
        minute < 0 || minute > 59 || second < 0 || second > 60)
        return -1;
    struct civil_date date = {year, (unsigned)(at - months) / 3 + 1, (unsigned)day};
    return (((civil_to_days(date) * 24 + hour) * 60 + minute) * 60 + second) * 1000;
}

int64_t connector_retry_after_at(const struct answer *answer, int64_t now_ms)
{
    struct slice header = answer_header(answer, "retry-after");
    char text[40];
    int64_t at_ms;

    if (connector_retry_after(answer) >= 0 || header.size < sizeof("Sun, ") || header.size >= sizeof(text) ||
        memcmp(header.data + 3, ", ", 2) != 0)
        return connector_retry_after(answer);
    snprintf(text, sizeof(text), "%.*s", (int)header.size - 5, header.data + 5);
    at_ms = date_ms(text);
    if (at_ms < 0)
        return -1;
    at_ms -= now_ms;
    return at_ms < 0 ? 0 : at_ms > WAIT_MS_MAX ? WAIT_MS_MAX : at_ms;
}

bool connector_job_id_fits(struct slice id)
{
    if (id.size == 0 || id.size > JOB_ID_MAX)
        return false;
    for (size_t i = 0; i < id.size; i++) {
        char c = id.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
              c == '.'))
            return false;
    }
    return id.data[0] != '.' && id.data[id.size - 1] != '.' && memmem(id.data, id.size, "..", 2) == NULL;
}

/* Years are counted from March, so that the leap day is the last of its year. */
int64_t civil_to_days(struct civil_date date)
{
    int64_t year = date.year - (date.month <= 2);
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * ((int64_t)date.month + (date.month > 2 ? -3 : 9)) + 2) / 5 + (int64_t)date.day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

struct civil_date civil_from_days(int64_t days)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    struct civil_date date = {.month = (unsigned)(month < 10 ? month + 3 : month - 9),
                              .day = (unsigned)(day_of_year - (153 * month + 2) / 5 + 1)};

    date.year = (int)(year_of_era + era * 400 + (date.month <= 2));
    return date;
}
