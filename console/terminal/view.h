/* view - what some commands answer, laid out for people where the plain table of show.h would not do: the calendar as a
 * week or a month, schedules with their times, a run's steps and what two runs differ in. Times that the daemon gives
 * as text are in the channel's or the schedule's own zone, and stay so. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/commands.h"
#include "proto/text/json.h"

/* Appends the command's answer; what has no view of its own is shown by show_json(). */
void view_show(struct buffer *into, enum command_id command, const json_t *value);
/* The answer of "calendar": {view, channels: [as calendar_view() of flow/calendar.h]}. */
void view_calendar(struct buffer *into, const json_t *value);
