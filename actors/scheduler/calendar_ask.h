/* calendar_ask - what the calendar's commands share. Internal to the scheduler's calendar*.c.
 * A command keeps in ask->state what it has read so far; a change that finds another one came first begins anew. */
// SPDX-License-Identifier: MIT
#pragma once
#include "actors/scheduler/ask.h"
#include "flow/calendar.h"
#include "proto/check.h"

enum { CALENDAR_TRIES_MAX = 5, CALENDAR_ANSWER_MAX = 1536 * 1024 };

typedef void calendar_on_page(struct scheduler *scheduler, struct ask *ask, const struct msg_page *page);
/* Takes one row of a scan. False ends the scan. */
typedef bool calendar_on_row(struct scheduler *scheduler, struct ask *ask, const struct record_space_entry *row);

/* The config's channel of that name, or NULL. */
const struct channel *calendar_channel_find(const struct scheduler *scheduler, struct slice name);
/* Opens a channel of the config, which the caller closes; false, and the ask is refused, when there is none. */
bool calendar_channel_named(struct scheduler *scheduler, struct ask *ask, struct slice name,
                            struct calendar_channel *channel);
/* The names of the channels that the command's `channel` is about, all of them without it: into state.channels, and
 * state.index 0. False, and the ask is refused, when it names none. */
bool calendar_take_channels(struct scheduler *scheduler, struct ask *ask);
/* The channel in turn, or an empty slice after the last one. */
struct slice calendar_channel_in_turn(const struct ask *ask);
void calendar_next_channel(struct ask *ask);

int64_t calendar_number(const struct ask *ask, const char *name);
void calendar_set_number(struct ask *ask, const char *name, int64_t value);
json_t *calendar_list(const struct ask *ask, const char *name);

void calendar_get(struct scheduler *scheduler, struct ask *ask, struct slice key, calendar_on_page *on_page);
/* Scans keys that begin with `prefix`, from `from` on (empty: from the first). Each page is to be handed to
 * calendar_take_page(). */
void calendar_scan(struct scheduler *scheduler, struct ask *ask, struct slice prefix, struct slice from,
                   calendar_on_page *on_page);
/* Hands the rows over; true when the scan has ended, false when another page was asked for or the ask was refused. */
bool calendar_take_page(struct scheduler *scheduler, struct ask *ask, const struct msg_page *page,
                        calendar_on_row *on_row, calendar_on_page *on_page);
/* The only row of an answer to calendar_get(); false when there is none. */
bool calendar_take_row(const struct msg_page *page, struct record_space_entry *row);

/* Reads how many entries there are, and when they are near their bound drops old ones of state.channel; then
 * state.meta_version, state.next and state.count are there, and the command goes on. */
void calendar_read_meta(struct scheduler *scheduler, struct ask *ask);
/* calendar_change.c and calendar_import.c: how their commands go on from there. */
void calendar_change_go_on(struct scheduler *scheduler, struct ask *ask);
void calendar_import_go_on(struct scheduler *scheduler, struct ask *ask);
/* Appends the operations that guard and write meta; state.next and state.count are to be as they will be. */
void calendar_put_meta(struct buffer *ops, struct ask *ask);

/* {id, channel, title, state, slot, slot_ms} as answers tell it. */
json_t *calendar_entry_told(const struct calendar_channel *channel, const struct calendar_entry *entry);
