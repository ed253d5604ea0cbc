// SPDX-License-Identifier: MIT
#include "actors/limiter/breaker.h"

enum { FAILURES_MAX = 5, AT_ONCE_MAX = 32, RECHECK_MS = 1000 };
static const int64_t PAUSE_MS_MIN = 10000, PAUSE_MS_MAX = 300000;

enum error breaker_ask(struct breaker *breaker, int64_t now_ms, size_t in_flight, int64_t *when_ms)
{
    if (breaker->state == BREAKER_OPEN && now_ms >= breaker->until_ms)
        breaker->state = BREAKER_HALF;
    switch (breaker->state) {
    case BREAKER_OPEN:
        *when_ms = breaker->until_ms;
        return ERROR_BREAKER;
    case BREAKER_HALF:
        *when_ms = now_ms + RECHECK_MS;
        return in_flight > 0 ? ERROR_BREAKER : ERROR_OK;
    case BREAKER_CLOSED:
        break;
    }
    if (breaker->at_once > 0 && in_flight >= (size_t)breaker->at_once) {
        *when_ms = now_ms + RECHECK_MS;
        return ERROR_BREAKER;
    }
    return ERROR_OK;
}

static bool is_trouble(enum error outcome)
{
    return outcome == ERROR_OFFLINE || outcome == ERROR_FAILED || outcome == ERROR_TIMEOUT || outcome == ERROR_LOST;
}

static void close_gently(struct breaker *breaker)
{
    if (breaker->state != BREAKER_CLOSED)
        breaker->at_once = 1;
    else if (breaker->at_once > 0)
        breaker->at_once = breaker->at_once * 2 > AT_ONCE_MAX ? 0 : breaker->at_once * 2;
    breaker->state = BREAKER_CLOSED;
    breaker->failures = 0;
    /* A service that stays well through the ramp has earned short pauses again. */
    if (breaker->at_once == 0)
        breaker->pause_ms = 0;
}

bool breaker_learn(struct breaker *breaker, int64_t now_ms, enum error outcome)
{
    if (outcome == ERROR_SHUTDOWN)
        return false;
    if (!is_trouble(outcome)) {
        /* While it is open a straggler's success says nothing about now. */
        if (breaker->state != BREAKER_OPEN)
            close_gently(breaker);
        return false;
    }
    breaker->failures++;
    if (breaker->state == BREAKER_OPEN || (breaker->state == BREAKER_CLOSED && breaker->failures < FAILURES_MAX))
        return false;
    breaker->state = BREAKER_OPEN;
    breaker->pause_ms = breaker->pause_ms == 0 ? PAUSE_MS_MIN : breaker->pause_ms * 2;
    if (breaker->pause_ms > PAUSE_MS_MAX)
        breaker->pause_ms = PAUSE_MS_MAX;
    breaker->until_ms = now_ms + breaker->pause_ms;
    return true;
}

const char *breaker_state_name(enum breaker_state state)
{
    static const char *const names[] = {
        [BREAKER_CLOSED] = "closed", [BREAKER_OPEN] = "open", [BREAKER_HALF] = "half-open"};

    return names[state];
}
