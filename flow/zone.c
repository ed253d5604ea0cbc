// SPDX-License-Identifier: MIT
#include "flow/zone.h"
#include "flow/zone_rule.h"
#include "proto/check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ZONE_MAGIC = 0x7a6f6e65, CHANGES_MAX = 4096, TYPES_MAX = 256, OFFSET_MAX = 26 * 3600, HEADER_BYTES = 44 };

/* Before the first change types[0] holds; after the last one the rule, if there is one. */
struct zone {
    unsigned magic;
    char name[ZONE_NAME_MAX];
    size_t change_count, type_count;
    int64_t *changes;
    uint8_t *change_types;
    struct zone_offset *types;
    bool has_rule;
    struct zone_rule rule;
};

struct header {
    char version;
    size_t utc_count, standard_count, leap_count, change_count, type_count, letter_count;
};

static int64_t big_endian(const unsigned char *bytes, size_t size)
{
    uint64_t value = bytes[0] & 0x80 ? UINT64_MAX : 0;

    for (size_t i = 0; i < size; i++)
        value = value << 8 | bytes[i];
    return (int64_t)value;
}

static size_t count_at(const unsigned char *bytes)
{
    return (size_t)((uint64_t)big_endian(bytes, 4) & 0xffffffff);
}

static bool read_header(struct slice bytes, struct header *header)
{
    const unsigned char *p = (const unsigned char *)bytes.data;

    if (bytes.size < HEADER_BYTES || memcmp(p, "TZif", 4) != 0)
        return false;
    *header = (struct header){bytes.data[4],    count_at(p + 20), count_at(p + 24), count_at(p + 28),
                              count_at(p + 32), count_at(p + 36), count_at(p + 40)};
    return header->change_count <= CHANGES_MAX && header->type_count >= 1 && header->type_count <= TYPES_MAX &&
           header->letter_count >= 1 && header->letter_count <= 4096 && header->leap_count <= 4096 &&
           header->utc_count <= TYPES_MAX && header->standard_count <= TYPES_MAX;
}

static size_t block_bytes(const struct header *header, size_t time_bytes)
{
    return header->change_count * (time_bytes + 1) + header->type_count * 6 + header->letter_count +
           header->leap_count * (time_bytes + 4) + header->standard_count + header->utc_count;
}

static bool read_types(struct zone *zone, const struct header *header, const unsigned char *at)
{
    const char *letters = (const char *)at + header->type_count * 6;

    for (size_t i = 0; i < header->type_count; i++, at += 6) {
        struct zone_offset *type = &zone->types[i];
        int64_t seconds = big_endian(at, 4);
        size_t start = at[5], length = 0;

        if (seconds < -OFFSET_MAX || seconds > OFFSET_MAX || at[4] > 1 || start >= header->letter_count)
            return false;
        type->seconds = (int32_t)seconds;
        type->is_summer = at[4] == 1;
        while (start + length < header->letter_count && letters[start + length] != '\0' && length < 15) {
            type->name[length] = letters[start + length];
            length++;
        }
    }
    return true;
}

static bool read_changes(struct zone *zone, const struct header *header, const unsigned char *at, size_t time_bytes)
{
    const unsigned char *types = at + header->change_count * time_bytes;

    for (size_t i = 0; i < header->change_count; i++) {
        zone->changes[i] = big_endian(at + i * time_bytes, time_bytes);
        zone->change_types[i] = types[i];
        if (types[i] >= header->type_count || (i > 0 && zone->changes[i] <= zone->changes[i - 1]))
            return false;
    }
    return true;
}

static bool read_block(struct zone *zone, const struct header *header, struct slice block, size_t time_bytes)
{
    const unsigned char *at = (const unsigned char *)block.data;

    zone->change_count = header->change_count;
    zone->type_count = header->type_count;
    zone->changes = xcalloc(header->change_count, sizeof *zone->changes);
    zone->change_types = xcalloc(header->change_count, 1);
    zone->types = xcalloc(header->type_count, sizeof *zone->types);
    return read_changes(zone, header, at, time_bytes) &&
           read_types(zone, header, at + header->change_count * (time_bytes + 1));
}

static bool read_footer(struct zone *zone, struct slice rest)
{
    struct slice rule;

    if (rest.size < 2 || rest.data[0] != '\n' || rest.data[rest.size - 1] != '\n')
        return false;
    rule = (struct slice){rest.data + 1, rest.size - 2};
    if (rule.size == 0)
        return true;
    zone->has_rule = true;
    return zone_rule_parse(rule, &zone->rule);
}

static struct slice slice_from(struct slice bytes, size_t skip)
{
    return (struct slice){bytes.data + skip, bytes.size - skip};
}

static bool read_zone(struct zone *zone, struct slice bytes)
{
    struct header header;
    size_t size, time_bytes = 4;

    if (!read_header(bytes, &header))
        return false;
    size = block_bytes(&header, time_bytes);
    if (bytes.size - HEADER_BYTES < size)
        return false;
    bytes = slice_from(bytes, HEADER_BYTES);
    if (header.version == '\0')
        return read_block(zone, &header, bytes, time_bytes);
    bytes = slice_from(bytes, size);
    if (!read_header(bytes, &header))
        return false;
    time_bytes = 8;
    size = block_bytes(&header, time_bytes);
    if (bytes.size - HEADER_BYTES < size)
        return false;
    bytes = slice_from(bytes, HEADER_BYTES);
    return read_block(zone, &header, bytes, time_bytes) && read_footer(zone, slice_from(bytes, size));
}

struct zone *zone_parse(const char *name, struct slice bytes)
{
    struct zone *zone = xcalloc(1, sizeof *zone);

    zone->magic = ZONE_MAGIC;
    snprintf(zone->name, sizeof zone->name, "%s", name);
    if (!read_zone(zone, bytes))
        zone_close(&zone);
    return zone;
}

static bool is_zone_name(const char *name)
{
    size_t size = strlen(name);

    if (size == 0 || size >= ZONE_NAME_MAX || name[0] == '/' || name[0] == '.' || strstr(name, "..") != NULL)
        return false;
    for (const char *c = name; *c != '\0'; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
              strchr("/_+-", *c) != NULL))
            return false;
    return true;
}

static struct zone *open_utc(void)
{
    struct zone *zone = xcalloc(1, sizeof *zone);

    zone->magic = ZONE_MAGIC;
    snprintf(zone->name, sizeof zone->name, "UTC");
    zone->has_rule = true;
    snprintf(zone->rule.standard.name, sizeof zone->rule.standard.name, "UTC");
    return zone;
}

struct zone *zone_open(const char *name)
{
    char path[sizeof ZONE_FOLDER + ZONE_NAME_MAX + 2];
    struct zone *zone = NULL;
    char *bytes;
    FILE *file;
    size_t size;

    if (strcmp(name, "UTC") == 0)
        return open_utc();
    if (!is_zone_name(name))
        return NULL;
    snprintf(path, sizeof path, "%s/%s", ZONE_FOLDER, name);
    file = fopen(path, "rbe");
    if (file == NULL)
        return NULL;
    bytes = xcalloc(1, ZONE_FILE_MAX);
    size = fread(bytes, 1, ZONE_FILE_MAX, file);
    if (!ferror(file) && size < ZONE_FILE_MAX)
        zone = zone_parse(name, (struct slice){bytes, size});
    fclose(file);
    free(bytes);
    return zone;
}

void zone_close(struct zone **zone)
{
    if (*zone == NULL)
        return;
    CHECK((*zone)->magic == ZONE_MAGIC);
    free((*zone)->changes);
    free((*zone)->change_types);
    free((*zone)->types);
    (*zone)->magic = 0;
    free(*zone);
    *zone = NULL;
}

const char *zone_name(const struct zone *zone)
{
    return zone->name;
}

/* How many listed changes lie at or before `utc`. */
static size_t changes_until(const struct zone *zone, int64_t utc)
{
    size_t low = 0, high = zone->change_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (zone->changes[middle] <= utc)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int64_t bounded(int64_t seconds)
{
    const int64_t limit = (int64_t)1 << 40;

    return seconds < -limit ? -limit : seconds > limit ? limit : seconds;
}

struct zone_offset zone_offset_at(const struct zone *zone, int64_t utc)
{
    size_t passed = changes_until(zone, bounded(utc));

    if (passed == zone->change_count && zone->has_rule)
        return zone_rule_at(&zone->rule, bounded(utc));
    return zone->types[passed == 0 ? 0 : zone->change_types[passed - 1]];
}

struct civil zone_local(const struct zone *zone, int64_t utc)
{
    return civil_of_seconds(bounded(utc) + zone_offset_at(zone, utc).seconds);
}

int64_t zone_next_change(const struct zone *zone, int64_t utc)
{
    size_t passed = changes_until(zone, bounded(utc));

    if (passed < zone->change_count)
        return zone->changes[passed];
    return zone->has_rule ? zone_rule_next(&zone->rule, bounded(utc)) : INT64_MAX;
}

struct zone_instants zone_from_local(const struct zone *zone, int64_t local)
{
    struct zone_instants found = {ZONE_GAP, INT64_MAX, INT64_MAX};
    int64_t from = bounded(local) - OFFSET_MAX, gap = bounded(local);
    int count = 0;

    local = bounded(local);
    while (from <= local + OFFSET_MAX) {
        int64_t until = zone_next_change(zone, from);
        int64_t utc = local - zone_offset_at(zone, from).seconds;

        if (utc >= from && utc < until) {
            found.first = count == 0 ? utc : found.first;
            found.second = utc;
            count++;
        } else if (utc >= until && until != INT64_MAX) {
            gap = until;
        }
        from = until;
    }
    found.fit = count == 0 ? ZONE_GAP : count == 1 ? ZONE_ONCE : ZONE_OVERLAP;
    if (count == 0)
        found.first = found.second = gap;
    return found;
}

void zone_print_instant(struct buffer *into, const struct zone *zone, int64_t ms)
{
    int64_t utc = civil_floor(ms, 1000);
    struct civil civil = zone_local(zone, utc);
    int offset = zone_offset_at(zone, utc).seconds, size = offset < 0 ? -offset : offset;

    buffer_printf(into, "%04d-%02d-%02dT%02d:%02d:%02d%c%02d:%02d", (int)civil.year, civil.month, civil.day, civil.hour,
                  civil.minute, civil.second, offset < 0 ? '-' : '+', size / 3600, size / 60 % 60);
    if (size % 60 != 0)
        buffer_printf(into, ":%02d", size % 60);
}
