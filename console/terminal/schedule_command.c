// SPDX-License-Identifier: MIT
#include "console/terminal/schedule_command.h"
#include "flow/schedule.h"
#include <string.h>
#include <time.h>

enum { COUNT_USUAL = 10, COUNT_MAX = 10000, COUNT_EXPLAINED = 3 };

struct asked {
    struct schedule schedule;
    struct zone *zone;
    struct slice cron_text;
    int64_t from_ms;
    size_t count;
    char doubt[SCHEDULE_TEXT_MAX];
};

static void asked_fini(struct asked *asked)
{
    schedule_fini(&asked->schedule);
    zone_close(&asked->zone);
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Days divided by commas. */
static bool read_except(struct schedule *schedule, struct slice text, FILE *problems)
{
    char problem[CRON_PROBLEM_BYTES];

    schedule->except = xcalloc(SCHEDULE_DAYS_MAX, sizeof *schedule->except);
    while (text.size > 0) {
        const char *comma = memchr(text.data, ',', text.size);
        struct slice one = {text.data, comma != NULL ? (size_t)(comma - text.data) : text.size};
        size_t passed = one.size + (comma != NULL);

        while (one.size > 0 && one.data[0] == ' ')
            one = (struct slice){one.data + 1, one.size - 1};
        if (schedule->except_count == SCHEDULE_DAYS_MAX) {
            offline_refuse(problems, "except: more than %d days; write spans such as 12-24..12-26", SCHEDULE_DAYS_MAX);
            return false;
        }
        if (!schedule_days_read(one, &schedule->except[schedule->except_count++], problem)) {
            offline_refuse(problems, "except: %s", problem);
            return false;
        }
        text = (struct slice){text.data + passed, text.size - passed};
    }
    return true;
}

static bool read_times(struct asked *asked, const json_t *arguments, FILE *problems)
{
    struct slice from = json_text_at(arguments, "from");
    const json_t *count = json_object_get(arguments, "count");

    asked->from_ms = now_ms();
    if (json_object_get(arguments, "from") != NULL && !civil_read_instant(from, &asked->from_ms)) {
        offline_refuse(problems, "from: \"%.*s\" is no time; write one with its offset, such as 2026-03-28T00:00:00Z",
                       (int)(from.size > 60 ? 60 : from.size), from.data);
        return false;
    }
    asked->count = COUNT_USUAL;
    if (count == NULL)
        return true;
    if (json_integer_value(count) < 1 || json_integer_value(count) > COUNT_MAX) {
        offline_refuse(problems, "count: write 1 to %d", COUNT_MAX);
        return false;
    }
    asked->count = (size_t)json_integer_value(count);
    return true;
}

static bool read_asked(struct asked *asked, const json_t *arguments, FILE *problems)
{
    const json_t *zone = json_object_get(arguments, "zone");
    const char *name = zone != NULL ? json_string_value(zone) : "UTC";
    char problem[CRON_PROBLEM_BYTES];

    *asked = (struct asked){.cron_text = json_text_at(arguments, "cron")};
    if (!cron_parse(asked->cron_text, &asked->schedule.cron, problem)) {
        text_end_whole(problem);
        offline_refuse(problems, "cron: %s", problem);
        return false;
    }
    asked->zone = zone_open(name);
    if (asked->zone == NULL) {
        offline_refuse(problems, "zone: there is no time zone \"%.64s\"; write one like Europe/Berlin or UTC", name);
        return false;
    }
    asked->schedule.zone = slice_dup(slice_of(name));
    schedule_doubt(&asked->schedule, asked->cron_text, asked->doubt);
    return read_times(asked, arguments, problems) &&
           read_except(&asked->schedule, json_text_at(arguments, "except"), problems);
}

/* The next times as texts; fewer when the calendar ends before. */
static json_t *next_times(const struct asked *asked, size_t count)
{
    const int64_t end_ms = civil_days(CIVIL_YEAR_MAX + 1, 1, 1) * CIVIL_DAY_S * 1000;
    json_t *times = json_array();
    struct buffer text = {NULL, 0, 0};
    int64_t at = asked->from_ms;

    for (size_t i = 0; i < count; i++) {
        at = schedule_next(&asked->schedule, asked->zone, at);
        if (at >= end_ms - CIVIL_DAY_S * 1000)
            break;
        buffer_clear(&text);
        zone_print_instant(&text, asked->zone, at);
        json_array_append_new(times, json_stringn(text.data, text.size));
    }
    buffer_free(&text);
    return times;
}

static json_t *facts(const struct asked *asked)
{
    json_t *object = json_object();

    json_object_set_new(object, "cron", json_stringn(asked->cron_text.data, asked->cron_text.size));
    json_object_set_new(object, "zone", json_string(zone_name(asked->zone)));
    if (asked->doubt[0] != '\0')
        json_object_set_new(object, "doubt", json_string(asked->doubt));
    return object;
}

static void print_times(FILE *out, const json_t *times, const char *indent)
{
    for (size_t i = 0; i < json_array_size(times); i++)
        fprintf(out, "%s%s\n", indent, json_string_value(json_array_get(times, i)));
}

int schedule_command_next(const struct settings *settings, const json_t *arguments, FILE *out, FILE *problems)
{
    struct asked asked;
    int exit_code = SESSION_REFUSED;

    if (read_asked(&asked, arguments, problems)) {
        json_t *times = next_times(&asked, asked.count);
        offline_warn(problems, asked.doubt);
        if (json_array_size(times) < asked.count)
            offline_warn(problems, "there are no more times than these");
        if (settings->json) {
            json_t *object = facts(&asked);
            json_object_set(object, "times", times);
            offline_print_json(out, object);
        } else {
            print_times(out, times, "");
        }
        json_decref(times);
        exit_code = SESSION_OK;
    }
    asked_fini(&asked);
    return exit_code;
}

int schedule_command_explain(const struct settings *settings, const json_t *arguments, FILE *out, FILE *problems)
{
    struct asked asked;
    struct buffer words = {NULL, 0, 0};
    int exit_code = SESSION_REFUSED;

    if (read_asked(&asked, arguments, problems)) {
        json_t *times = next_times(&asked, COUNT_EXPLAINED);
        unsigned fires = schedule_fires_a_day(&asked.schedule);
        schedule_explain(&asked.schedule, asked.cron_text, &words);
        offline_warn(problems, asked.doubt);
        if (settings->json) {
            json_t *object = facts(&asked);
            json_object_set_new(object, "words", json_stringn(words.data, words.size));
            json_object_set_new(object, "fires_a_day", json_integer(fires));
            json_object_set(object, "times", times);
            offline_print_json(out, object);
        } else {
            fprintf(out, "%.*s\n%u time%s on each of its days\nnext:\n", (int)words.size, words.data, fires,
                    fires == 1 ? "" : "s");
            print_times(out, times, "  ");
        }
        json_decref(times);
        exit_code = SESSION_OK;
    }
    buffer_free(&words);
    asked_fini(&asked);
    return exit_code;
}
