// SPDX-License-Identifier: MIT
#include "flow/calendar.h"
#include "proto/check.h"
#include <stdlib.h>

enum { SECOND_MS = 1000, SEARCH_DAYS = 60, FREE_DAYS = 2 * 366 };
#define DAY_MS ((int64_t)CIVIL_DAY_S * SECOND_MS)

bool calendar_channel_open(struct calendar_channel *channel, const char *name, const char *zone, char *const *slots,
                           size_t slot_count)
{
    char problem[CRON_PROBLEM_BYTES];

    *channel = (struct calendar_channel){.name = slice_dup(slice_of(name)), .zone = zone_open(zone), .capacity = 1};
    bool good = channel->zone != NULL && slot_count <= CALENDAR_CRONS_MAX;

    for (size_t i = 0; good && i < slot_count; i++)
        good = cron_parse(slice_of(slots[i]), &channel->crons[channel->cron_count++], problem);
    if (!good)
        calendar_channel_close(channel);
    return good;
}

bool calendar_channel_holidays(struct calendar_channel *channel, char *const *days, size_t day_count)
{
    char problem[CRON_PROBLEM_BYTES];

    CHECK(channel->holidays == NULL);
    channel->holidays = xcalloc(day_count + 1, sizeof(channel->holidays[0]));
    for (size_t i = 0; i < day_count; i++)
        if (!schedule_days_read(slice_of(days[i]), &channel->holidays[channel->holiday_count++], problem)) {
            calendar_channel_close(channel);
            return false;
        }
    return true;
}

void calendar_channel_close(struct calendar_channel *channel)
{
    zone_close(&channel->zone);
    free(channel->name);
    free(channel->holidays);
    *channel = (struct calendar_channel){0};
}

int64_t calendar_next_slot(const struct calendar_channel *channel, int64_t after_ms)
{
    int64_t first = INT64_MAX;

    for (size_t i = 0; i < channel->cron_count; i++) {
        int64_t at = cron_next(&channel->crons[i], channel->zone, after_ms);
        first = at < first ? at : first;
    }
    return first;
}

int64_t calendar_slot_before(const struct calendar_channel *channel, int64_t before_ms)
{
    for (int64_t days = 1; days <= SEARCH_DAYS; days *= 2) {
        int64_t last = INT64_MIN, at = calendar_next_slot(channel, before_ms - days * DAY_MS - 1);
        for (; at < before_ms; at = calendar_next_slot(channel, at))
            last = at;
        if (last != INT64_MIN)
            return last;
    }
    return INT64_MIN;
}

bool calendar_is_slot(const struct calendar_channel *channel, int64_t at_ms)
{
    return calendar_next_slot(channel, at_ms - 1) == at_ms;
}

int64_t calendar_day_of(const struct calendar_channel *channel, int64_t at_ms)
{
    int64_t utc = civil_floor(at_ms, SECOND_MS);

    return civil_floor(utc + zone_offset_at(channel->zone, utc).seconds, CIVIL_DAY_S);
}

bool calendar_is_holiday(const struct calendar_channel *channel, int64_t at_ms)
{
    const struct schedule days = {.except = channel->holidays, .except_count = channel->holiday_count};

    return schedule_is_excepted(&days, calendar_day_of(channel, at_ms));
}

int64_t calendar_next_free(const struct calendar_channel *channel, int64_t after_ms, const int64_t *taken,
                           size_t taken_count)
{
    const int64_t end = after_ms + FREE_DAYS * DAY_MS;
    size_t i = 0, here;
    int64_t at = calendar_next_slot(channel, after_ms);

    for (; at < end; at = calendar_next_slot(channel, at)) {
        while (i < taken_count && taken[i] < at)
            i++;
        for (here = 0; i + here < taken_count && taken[i + here] == at; here++)
            ;
        if (here < channel->capacity && !calendar_is_holiday(channel, at))
            return at;
    }
    return INT64_MAX;
}

/* ---- moments ---- */

struct calendar_span calendar_week_of(int64_t day)
{
    int64_t monday = day - (civil_weekday(day) + 6) % 7;

    return (struct calendar_span){monday, monday + 6};
}

struct calendar_span calendar_month_of(int64_t day)
{
    struct civil civil = civil_of_seconds(day * CIVIL_DAY_S);
    int64_t first = civil_days(civil.year, civil.month, 1);

    return (struct calendar_span){first, first + civil_month_days(civil.year, civil.month) - 1};
}

int64_t calendar_day_begin(const struct calendar_channel *channel, int64_t day)
{
    return zone_from_local(channel->zone, day * CIVIL_DAY_S).first * SECOND_MS;
}

void calendar_print_at(struct buffer *into, const struct calendar_channel *channel, int64_t at_ms)
{
    int64_t utc = civil_floor(at_ms, SECOND_MS);
    int32_t offset = zone_offset_at(channel->zone, utc).seconds;
    struct civil local = civil_of_seconds(utc + offset);
    int minutes = abs(offset) / 60;

    buffer_printf(into, "%04lld-%02d-%02dT%02d:%02d:%02d%c%02d:%02d", (long long)local.year, local.month, local.day,
                  local.hour, local.minute, local.second, offset < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

bool calendar_read_at(const struct calendar_channel *channel, struct slice text, int64_t *at_ms)
{
    struct buffer local = {NULL, 0, 0};
    bool good = civil_read_instant(text, at_ms);

    if (!good && text.size <= 40) {
        struct zone_instants instants;
        int64_t local_ms;
        buffer_append(&local, text.data, text.size);
        buffer_text(&local, "Z");
        good = civil_read_instant(buffer_slice(&local), &local_ms);
        if (good) {
            instants = zone_from_local(channel->zone, civil_floor(local_ms, SECOND_MS));
            good = instants.fit != ZONE_GAP;
            *at_ms = instants.first * SECOND_MS;
        }
        buffer_free(&local);
    }
    return good && *at_ms > 0;
}
