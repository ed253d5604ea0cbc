// SPDX-License-Identifier: MIT
#include "flow/skills.h"
#include <string.h>

enum { NEED_optional, NEED_required };

#define FIELD(kind, name, need, low, high, choices, doc) {FIELD_##kind, #name, NEED_##need, low, high, choices, doc},
#define SKILL(ID, name, place, gate, has_effect, doc, fields)                                                          \
    static const struct skill_field fields_of_##name[] = {fields};
#include "flow/skills.def"
#undef SKILL
#undef FIELD

const struct skill skills[SKILLS_COUNT] = {
#define SKILL(ID, name, place, gate, has_effect, doc, fields)                                                          \
    {SKILL_##ID, #name, PLACE_##place,    gate,                                                                        \
     has_effect, doc,   fields_of_##name, sizeof fields_of_##name / sizeof *fields_of_##name},
#include "flow/skills.def"
#undef SKILL
};

const char *skill_queue(const struct skill *skill)
{
    static const char *const queues[] = {"", "", "ai", "publish"};

    return queues[skill->place];
}

const struct skill *skill_find(const char *name)
{
    for (size_t i = 0; i < SKILLS_COUNT; i++)
        if (strcmp(skills[i].name, name) == 0)
            return &skills[i];
    return NULL;
}

const struct skill_field *skill_field_find(const struct skill *skill, const char *name)
{
    for (size_t i = 0; i < skill->field_count; i++)
        if (strcmp(skill->fields[i].name, name) == 0)
            return &skill->fields[i];
    return NULL;
}

bool skill_has_choice(const char *choices, const char *word)
{
    size_t size = strlen(word);

    for (const char *at = choices; *at != '\0';) {
        size_t length = strcspn(at, "|");
        if (length == size && memcmp(at, word, size) == 0)
            return true;
        at += length + (at[length] == '|');
    }
    return false;
}
