// SPDX-License-Identifier: MIT
#include "config/channels.h"
#include "flow/calendar.h"
#include <stdlib.h>

enum { CHANNELS_MAX = 32 };

static unsigned bits(uint64_t set)
{
    unsigned count = 0;

    for (; set != 0; set &= set - 1)
        count++;
    return count;
}

static bool read_slot(const struct reader *reader, const struct yaml_node *item, struct channel *channel,
                      unsigned *a_day)
{
    char problem[CRON_PROBLEM_BYTES];
    struct cron cron;

    if (item->kind != YAML_SCALAR || item->size == 0)
        return reader_fail(reader, item, "a slot is a cron expression in quotes, like \"0 9 * * *\"");
    if (!cron_parse((struct slice){item->text, item->size}, &cron, problem))
        return reader_fail(reader, item, "%s", problem);
    channel->slots[channel->slot_count++] = slice_dup((struct slice){item->text, item->size});
    *a_day += bits(cron.minutes) * bits(cron.hours);
    return true;
}

static bool read_slots(const struct reader *reader, const struct yaml_node *entry, struct channel *channel)
{
    const struct yaml_node *list = yaml_get(entry, "slots");
    unsigned a_day = 0;

    if (list == NULL)
        return reader_missing(reader, entry, "slots");
    if (list->kind != YAML_LIST || list->count == 0 || list->count > CALENDAR_CRONS_MAX)
        return reader_fail(reader, list, "slots must be a list of 1 to %d cron expressions, like [\"0 9 * * *\"]",
                           CALENDAR_CRONS_MAX);
    channel->slots = xcalloc(list->count, sizeof(channel->slots[0]));
    for (const struct yaml_node *item = list->child; item != NULL; item = item->next)
        if (!read_slot(reader, item, channel, &a_day))
            return false;
    if (a_day > CALENDAR_SLOTS_A_DAY_MAX)
        return reader_fail(reader, list, "these are %u slots a day; a channel has at most %d", a_day,
                           CALENDAR_SLOTS_A_DAY_MAX);
    return true;
}

static bool read_zone(const struct reader *reader, const struct yaml_node *entry, struct channel *channel)
{
    struct zone *zone;

    if (!reader_text(reader, entry, "zone", ZONE_NAME_MAX - 1, &channel->zone))
        return false;
    if (channel->zone == NULL)
        return true;
    zone = zone_open(channel->zone);
    if (zone == NULL)
        return reader_fail(reader, yaml_get(entry, "zone"), "there is no time zone \"%s\"; write it like Europe/Berlin",
                           channel->zone);
    zone_close(&zone);
    return true;
}

static bool read_channel(const struct reader *reader, const struct yaml_node *entry, struct channel *channel)
{
    static const char *const known[] = {"slots", "capacity", "zone", NULL};

    *channel = (struct channel){.name = slice_dup(slice_of(entry->key)), .capacity = 1};
    if (!reader_is_name(entry->key))
        return reader_fail_key(reader, entry, "a name here is made of a-z, 0-9, _ and -, at most 64 characters");
    if (entry->kind != YAML_MAP)
        return reader_fail(reader, entry, "a channel is a map, like {slots: [\"0 9 * * *\"], capacity: 1}");
    return yaml_only(reader->file, entry, known, reader->problem) && read_slots(reader, entry, channel) &&
           reader_integer(reader, entry, "capacity", CALENDAR_CAPACITY_MAX, &channel->capacity) &&
           read_zone(reader, entry, channel);
}

bool channels_read(const struct reader *reader, const struct yaml_node *map, struct config *config)
{
    if (map->kind != YAML_MAP || map->count > CHANNELS_MAX)
        return reader_fail(reader, map, "channels must be a map of at most %d entries, name: {slots: [...]}",
                           CHANNELS_MAX);
    config->channels = xcalloc(map->count + 1, sizeof(config->channels[0]));
    for (const struct yaml_node *entry = map->child; entry != NULL; entry = entry->next)
        if (!read_channel(reader, entry, &config->channels[config->channel_count++]))
            return false;
    return true;
}

bool holidays_read(const struct reader *reader, const struct yaml_node *list, struct config *config)
{
    char problem[CRON_PROBLEM_BYTES];
    struct schedule_days days;

    if (list->kind != YAML_LIST || list->count > SCHEDULE_DAYS_MAX)
        return reader_fail(reader, list, "holidays must be a list of at most %d days, like [\"2026-12-25\"]",
                           SCHEDULE_DAYS_MAX);
    config->holidays = xcalloc(list->count + 1, sizeof(config->holidays[0]));
    for (const struct yaml_node *item = list->child; item != NULL; item = item->next) {
        struct slice text = {item->text, item->size};
        if (item->kind != YAML_SCALAR)
            return reader_fail(reader, item, "a holiday is a day or days, like \"2026-12-25\" or \"12-24..12-26\"");
        if (!schedule_days_read(text, &days, problem))
            return reader_fail(reader, item, "%s", problem);
        config->holidays[config->holiday_count++] = slice_dup(text);
    }
    return true;
}

void channels_free(struct config *config)
{
    for (size_t i = 0; i < config->channel_count; i++) {
        struct channel *channel = &config->channels[i];
        for (size_t j = 0; j < channel->slot_count; j++)
            free(channel->slots[j]);
        free(channel->slots);
        free(channel->name);
        free(channel->zone);
    }
    for (size_t i = 0; i < config->holiday_count; i++)
        free(config->holidays[i]);
    free(config->channels);
    free(config->holidays);
}
