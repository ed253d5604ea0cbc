/* schedules - fires what is due: each occurrence is one claim, one event of queue flow and one mark, in one commit;
 * those of one moment share commits of bounded size. Internal to the scheduler. */
// SPDX-License-Identifier: MIT
#pragma once
#include "actors/scheduler/agenda.h"
#include "actors/scheduler/state.h"

enum { OCCASIONS_MAX = 64, MARK_PAGE_ROWS = 1000, DOOMED_MAX = 1000 };

/* What the commit under way settles of one entry. */
struct occasion {
    uint64_t id;
    uint32_t edition;
    bool fires, is_late;
    int64_t at_ms; /* settled up to here; fires: planned for then */
    uint64_t missed;
};

struct timetable {
    struct agenda agenda;
    /* Marks: read once, page by page. */
    bool is_loaded;
    bool is_stale;  /* the page that is to come is about an agenda that is gone */
    bool is_broken; /* a page could not be read, so marks are read one by one */
    size_t single;  /* index of the entry whose mark is read */
    uint64_t load_ticket;
    struct buffer load_from;
    /* Keys of marks that nobody needs any more. */
    char *doomed[DOOMED_MAX];
    size_t doomed_count;
    uint64_t sweep_ticket;
    /* The one commit of occurrences that may be under way. */
    uint64_t commit_ticket;
    struct occasion occasions[OCCASIONS_MAX];
    size_t occasion_count, occasion_max;
    int64_t zones_due_ms; /* monotonic: when zones are to be opened again */
    int64_t clock_ms;     /* the wall clock's lead over the monotonic one at the last look */
};

void schedules_start(struct scheduler *scheduler);
void schedules_stop(struct scheduler *scheduler);
/* Does what is due now, and sets TIMER_SCHEDULES for the rest. */
void schedules_turn(struct scheduler *scheduler);
/* scheduler->workflows are others now; those before may be gone already. */
void schedules_reload(struct scheduler *scheduler);
/* False when the ticket is none of theirs. */
bool schedule_on_committed(struct scheduler *scheduler, const struct msg_committed *msg);
bool schedule_on_page(struct scheduler *scheduler, const struct msg_page *msg);
