// SPDX-License-Identifier: MIT
#include "store/engine.h"
#include <stdlib.h>
#include <string.h>

static size_t slot_of(struct slice text, size_t slot_count)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < text.size; i++)
        hash = (hash ^ (unsigned char)text.data[i]) * 0x100000001b3u;
    return (size_t)(hash ^ hash >> 32) & (slot_count - 1);
}

struct name *names_at(const struct names *names, uint64_t number)
{
    return number >= 1 && number <= names->count ? names->by_number[number] : NULL;
}

struct name *names_find(const struct names *names, struct slice text)
{
    if (names->slot_count == 0)
        return NULL;
    for (size_t slot = slot_of(text, names->slot_count);; slot = (slot + 1) & (names->slot_count - 1)) {
        if (names->slots[slot] == 0)
            return NULL;
        struct name *name = names->by_number[names->slots[slot]];
        if (slice_equal(name->text, text))
            return name;
    }
}

static void fill_slot(struct names *names, struct name *name)
{
    size_t slot = slot_of(name->text, names->slot_count);

    while (names->slots[slot] != 0)
        slot = (slot + 1) & (names->slot_count - 1);
    names->slots[slot] = name->number;
}

static void make_room(struct names *names, size_t count)
{
    names->by_number = xrealloc(names->by_number, (count + 1) * sizeof(*names->by_number));
    for (size_t i = names->count + 1; i <= count; i++)
        names->by_number[i] = NULL;
    names->count = count;
    if (2 * count < names->slot_count)
        return;
    free(names->slots);
    names->slot_count = names->slot_count ? names->slot_count : 64;
    while (names->slot_count <= 2 * count)
        names->slot_count *= 2;
    names->slots = xcalloc(names->slot_count, sizeof(*names->slots));
    for (size_t i = 1; i <= count; i++)
        if (names->by_number[i] != NULL)
            fill_slot(names, names->by_number[i]);
}

static struct name *add(struct names *names, struct slice text, uint16_t number)
{
    struct name *name = xcalloc(1, sizeof(*name));

    if (number > names->count)
        make_room(names, number);
    name->text = (struct slice){slice_dup(text), text.size};
    name->number = number;
    names->by_number[number] = name;
    fill_slot(names, name);
    return name;
}

struct name *names_need(struct names *names, struct slice text)
{
    struct name *name = names_find(names, text);

    if (name == NULL && names->count < NAMES_MAX)
        name = add(names, text, (uint16_t)(names->count + 1));
    return name;
}

bool names_load(struct names *names, struct slice text, uint64_t number)
{
    struct name *known = names_find(names, text);

    if (number < 1 || number > NAMES_MAX)
        return false;
    if (known == NULL && names_at(names, number) == NULL)
        known = add(names, text, (uint16_t)number);
    if (known == NULL || known->number != number)
        return false;
    known->saved = true;
    return true;
}

void names_fini(struct names *names)
{
    for (size_t i = 1; i <= names->count; i++)
        if (names->by_number[i] != NULL) {
            free((char *)(uintptr_t)names->by_number[i]->text.data);
            free(names->by_number[i]);
        }
    free(names->by_number);
    free(names->slots);
    *names = (struct names){NULL, 0, NULL, 0};
}
