// SPDX-License-Identifier: MIT
#include "flow/cron.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { FIELD_COUNT = 5, MINUTE = 0, HOUR, DAY, MONTH, WEEKDAY };

struct field {
    const char *name;
    int low, high;
    const char *const *names; /* of low, low + 1, ... */
    const char *example;
};

static const char *const month_names[] = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL",
                                          "AUG", "SEP", "OCT", "NOV", "DEC", NULL};
static const char *const weekday_names[] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN", NULL};

static const struct field fields[FIELD_COUNT] = {
    {"minute", 0, 59, NULL, "0, */15 or 0,30"},
    {"hour", 0, 23, NULL, "9, 9-17 or */2"},
    {"day of month", 1, 31, NULL, "1, 1-7, L, LW, 15W or *"},
    {"month", 1, 12, month_names, "1, JAN-MAR or *"},
    {"day of week", 0, 7, weekday_names, "MON-FRI, 0, 5#2, 5L or *"},
};

static const struct {
    const char *name, *fields;
} nicknames[] = {
    {"@hourly", "0 * * * *"},  {"@daily", "0 0 * * *"},  {"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
    {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"},
};

struct reader {
    const struct field *field;
    struct slice text; /* of the field */
    size_t at;
    struct cron *cron; /* takes the days that no bit of the field can say */
    char *problem;
};

__attribute__((format(printf, 2, 3))) static bool wrong(char *problem, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(problem, CRON_PROBLEM_BYTES, format, args);
    va_end(args);
    return false;
}

static bool field_wrong(const struct reader *in, const char *what)
{
    return wrong(in->problem, "the %s field \"%.*s\" %s; write %d-%d, for example %s", in->field->name,
                 (int)(in->text.size > 40 ? 40 : in->text.size), in->text.data, what, in->field->low, in->field->high,
                 in->field->example);
}

static char peek(const struct reader *in)
{
    return in->at < in->text.size ? in->text.data[in->at] : '\0';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool take_number(struct reader *in, int *value)
{
    size_t start = in->at;

    for (*value = 0; is_digit(peek(in)); in->at++) {
        if (in->at - start >= 4)
            return field_wrong(in, "has a number that is too large");
        *value = *value * 10 + (peek(in) - '0');
    }
    return in->at > start || field_wrong(in, "lacks a number");
}

static char mark(const struct reader *in)
{
    char c = peek(in);

    return c == 'l' ? 'L' : c == 'w' ? 'W' : c;
}

static bool is_day(const struct reader *in)
{
    return in->field == &fields[DAY];
}

static bool is_weekday(const struct reader *in)
{
    return in->field == &fields[WEEKDAY];
}

static bool take_name(struct reader *in, int *value)
{
    const char *name = in->text.data + in->at;
    size_t size = 0;

    while (in->at + size < in->text.size && is_letter(name[size]))
        size++;
    if (size == 4 && is_weekday(in) && (name[3] == 'L' || name[3] == 'l'))
        size = 3; /* FRIL */
    in->at += size;
    for (int i = 0; in->field->names != NULL && in->field->names[i] != NULL; i++)
        if (size == 3 && strncasecmp(name, in->field->names[i], 3) == 0) {
            *value = in->field->low + i;
            return true;
        }
    if (size == 1 && (*name == 'L' || *name == 'l'))
        return field_wrong(in, is_weekday(in) ? "has L without its day (5L is the last Friday)"
                                              : "has L, which belongs to the day fields");
    if (size == 1 && (*name == 'H' || *name == 'h'))
        return field_wrong(in, "has H; give the schedule a jitter instead");
    return field_wrong(in, in->field->names == NULL ? "has letters" : "has an unknown name (three letters each)");
}

static bool take_value(struct reader *in, int *value, bool ends_range)
{
    if (peek(in) == '?')
        return field_wrong(in, "has a ?, which stands alone, and only in the two day fields");
    if (!is_letter(peek(in))) {
        if (!take_number(in, value))
            return false;
    } else if (!take_name(in, value)) {
        return false;
    } else if (ends_range && is_weekday(in) && *value == 0) {
        *value = 7; /* FRI-SUN */
    }
    if (*value < in->field->low || *value > in->field->high)
        return field_wrong(in, "is out of range");
    return true;
}

/* L, L-3 or LW. */
static bool take_last_day(struct reader *in)
{
    int before = 0;

    in->at++;
    if (mark(in) == 'W') {
        in->at++;
        in->cron->last_workday = true;
        return true;
    }
    if (peek(in) == '-') {
        in->at++;
        if (!take_number(in, &before))
            return false;
        if (before > 30)
            return field_wrong(in, "goes back further than a month (L-1 to L-30)");
    }
    in->cron->last_days |= (uint32_t)1 << before;
    return true;
}

static bool take_nth_weekday(struct reader *in, int weekday)
{
    int nth;

    in->at++;
    if (!take_number(in, &nth))
        return false;
    if (nth < 1 || nth > 5)
        return field_wrong(in, "wants #1 to #5, since no month has more than five of one weekday");
    in->cron->nth_weekdays[nth] |= (uint8_t)(1 << weekday % 7);
    return true;
}

/* 15W, 5L or 5#2, behind the number. */
static bool take_marked(struct reader *in, int value)
{
    if (mark(in) == 'W') {
        if (!is_day(in))
            return field_wrong(in, "has W, which belongs to the day of month");
        in->at++;
        in->cron->near_days |= (uint32_t)1 << value;
        return true;
    }
    if (!is_weekday(in))
        return field_wrong(in, "has L or # behind a number, which belongs to the day of week");
    if (mark(in) == '#')
        return take_nth_weekday(in, value);
    in->at++;
    in->cron->nth_weekdays[0] |= (uint8_t)(1 << value % 7);
    return true;
}

static bool is_mark(const struct reader *in)
{
    return mark(in) == 'L' || mark(in) == 'W' || mark(in) == '#';
}

static bool take_range_end(struct reader *in, int low, int *high)
{
    in->at++;
    if (!take_value(in, high, true))
        return false;
    if (is_mark(in))
        return field_wrong(in, "has L, W or # behind a range; each stands behind a single day");
    return *high >= low || field_wrong(in, "has a range that runs backwards (ranges do not wrap: use a list of two)");
}

/* One entry of a list: a value, a range or `*`, the latter two with a step, or a day that depends on the month. */
static bool take_entry(struct reader *in, uint64_t *bits, bool *has_star_or_step)
{
    int low = in->field->low, high = in->field->high, step = 1;
    bool is_single = false;

    if (is_day(in) && mark(in) == 'L')
        return take_last_day(in);
    if (peek(in) == '*') {
        in->at++;
        *has_star_or_step = true;
    } else {
        if (!take_value(in, &low, false))
            return false;
        if (is_mark(in))
            return take_marked(in, low);
        is_single = peek(in) != '-';
        high = low;
        if (!is_single && !take_range_end(in, low, &high))
            return false;
    }
    if (peek(in) == '/') {
        in->at++;
        *has_star_or_step = true;
        if (is_single)
            return field_wrong(in, "has a step over a single value (a step needs a range or *)");
        if (!take_number(in, &step))
            return false;
        if (step < 1 || step > high - low)
            return field_wrong(in, "has a step that does not fit its range");
    }
    for (int value = low; value <= high; value += step)
        *bits |= (uint64_t)1 << value;
    return true;
}

static bool read_field(struct reader *in, uint64_t *bits, bool *has_star_or_step)
{
    *bits = 0;
    for (;;) {
        if (!take_entry(in, bits, has_star_or_step))
            return false;
        if (in->at == in->text.size)
            return true;
        if (peek(in) != ',')
            return field_wrong(in, "has a character that does not belong there");
        in->at++;
    }
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static size_t split_fields(struct slice text, struct slice parts[FIELD_COUNT])
{
    size_t count = 0;

    for (size_t at = 0; at < text.size;) {
        size_t start = at;
        while (at < text.size && !is_blank(text.data[at]))
            at++;
        if (at > start) {
            if (count < FIELD_COUNT)
                parts[count] = (struct slice){text.data + start, at - start};
            count++;
        }
        while (at < text.size && is_blank(text.data[at]))
            at++;
    }
    return count;
}

/* Weekdays come in every month, a fifth one in February too (in some leap years), so only days of the month alone can
 * be missing. */
static bool can_fire(const struct cron *cron)
{
    if (cron->any_day || !cron->any_weekday || cron->last_workday)
        return true;
    for (int month = 1; month <= 12; month++)
        for (int day = civil_month_days(2000, month); cron->months >> month & 1 && day >= 1; day--)
            if ((cron->days | cron->near_days) >> day & 1 || cron->last_days >> (day - 1) & 1)
                return true;
    return false;
}

static bool parse_fields(const struct slice parts[FIELD_COUNT], struct cron *cron, char *problem)
{
    uint64_t bits[FIELD_COUNT];
    bool loose[FIELD_COUNT] = {false};

    for (int i = 0; i < FIELD_COUNT; i++) {
        struct slice part = (i == DAY || i == WEEKDAY) && slice_is(parts[i], "?") ? SLICE("*") : parts[i];
        struct reader in = {&fields[i], part, 0, cron, problem};
        if (!read_field(&in, &bits[i], &loose[i]))
            return false;
    }
    cron->any_day = slice_is(parts[DAY], "*") || slice_is(parts[DAY], "?");
    cron->any_weekday = slice_is(parts[WEEKDAY], "*") || slice_is(parts[WEEKDAY], "?");
    cron->minutes = bits[MINUTE];
    cron->hours = (uint32_t)bits[HOUR];
    cron->days = (uint32_t)bits[DAY];
    cron->months = (uint32_t)bits[MONTH];
    cron->weekdays = (uint32_t)((bits[WEEKDAY] | bits[WEEKDAY] >> 7) & 0x7f);
    cron->is_elapsed = loose[MINUTE] || loose[HOUR];
    if (!can_fire(cron))
        return wrong(problem, "no month named here has such a day, so it would never run; write a day that exists, "
                              "or L for the last one");
    return true;
}

/* "@daily" becomes its five fields; other text stays. */
static bool expand_nickname(struct slice *text, char *problem)
{
    while (text->size > 0 && is_blank(text->data[0]))
        *text = (struct slice){text->data + 1, text->size - 1};
    while (text->size > 0 && is_blank(text->data[text->size - 1]))
        text->size--;
    if (text->size == 0 || text->data[0] != '@')
        return true;
    for (size_t i = 0; i < sizeof nicknames / sizeof *nicknames; i++)
        if (text->size == strlen(nicknames[i].name) && strncasecmp(text->data, nicknames[i].name, text->size) == 0) {
            *text = slice_of(nicknames[i].fields);
            return true;
        }
    return wrong(problem,
                 "there is no schedule \"%.*s\"; write @hourly, @daily, @midnight, @weekly, @monthly, @yearly or "
                 "@annually, or five fields (every 5 minutes is */5 * * * *)",
                 (int)(text->size > 20 ? 20 : text->size), text->data);
}

bool cron_parse(struct slice text, struct cron *cron, char problem[CRON_PROBLEM_BYTES])
{
    struct slice parts[FIELD_COUNT];
    size_t count;

    *cron = (struct cron){0};
    if (text.size > CRON_TEXT_MAX)
        return wrong(problem, "the schedule is longer than %d characters; write five short fields", CRON_TEXT_MAX);
    if (!expand_nickname(&text, problem))
        return false;
    count = split_fields(text, parts);
    if (count != FIELD_COUNT)
        return wrong(problem,
                     "the schedule has %zu field%s; write five: minute hour day-of-month month day-of-week, "
                     "for example \"0 9 * * MON-FRI\"",
                     count, count == 1 ? "" : "s");
    return parse_fields(parts, cron, problem);
}
