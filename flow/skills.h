/* skills - the table of what a step can do (skills.def). */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/slice.h"

enum skill_id {
#define SKILL(ID, name, place, gate, has_effect, doc, fields) SKILL_##ID,
#include "flow/skills.def"
#undef SKILL
    SKILLS_COUNT
};

enum skill_place { PLACE_LOCAL, PLACE_WAIT, PLACE_AI, PLACE_PUBLISH };

enum field_kind {
    FIELD_name,
    FIELD_path,
    FIELD_choice,
    FIELD_line,
    FIELD_text,
    FIELD_integer,
    FIELD_number,
    FIELD_flag,
    FIELD_time,
    FIELD_duration,
    FIELD_value,
    FIELD_map,
    FIELD_literal,
};

enum { SKILL_FIELDS_MAX = 12, SKILL_CHOICES_MAX = 8 };

struct skill_field {
    enum field_kind kind;
    const char *name;
    bool is_required;
    int64_t low, high;
    const char *choices; /* names divided by '|' */
    const char *doc;
};

struct skill {
    enum skill_id id;
    const char *name;
    enum skill_place place;
    const char *gate; /* "" when local */
    bool has_effect;
    const char *doc;
    const struct skill_field *fields;
    size_t field_count;
};

extern const struct skill skills[SKILLS_COUNT];

/* "ai" or "publish"; "" for a skill that no worker does. */
const char *skill_queue(const struct skill *skill);
const struct skill *skill_find(const char *name);
const struct skill_field *skill_field_find(const struct skill *skill, const char *name);
/* Whether `word` is one of the names in `choices`. */
bool skill_has_choice(const char *choices, const char *word);
