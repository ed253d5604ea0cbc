#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# CTEST
"""Fire times against two independent implementations: random expressions, 20 zones, starts from 1970 to 2070.

The ORACLE below is the stated rule in its plainest form, on zoneinfo: look at every day and at every reading of the
wall clock. CRONITER (Debian's python3-croniter) runs in naive local time; its times are brought to UTC by the oracle's
zone table. What croniter is not asked, because it is known to answer otherwise (1.3.5; all of it is asked of the
oracle):

- zones: its own handling of clock changes doubles, drops and shifts runs, so it only ever sees local time, and entries
  with a star or step in minute or hour are compared with it between clock changes only;
- the day rule: it takes a day field that lists everything (1-31, */1, 0-6) for a star, so that both fields must match;
  here only a literal * or ? is one;
- a day of month together with 5#2 or 5L: it wants both to match instead of either;
- 5#2 or 5L in a list with plain weekdays: refused by it;
- a day of month that never comes beside a weekday (31 4 1): it finds nothing;
- a list with a day past 28 and others (1,30): in short months it jumps over the first days of the next month;
- LW, L-3 and 15W: unknown to it; 5L is written L5.

    cron_oracle.py [--expressions N] [--seed S] [--times N]
"""
import argparse
import bisect
import calendar
import datetime
import os
import pathlib
import random
import subprocess
import sys
import warnings
import zoneinfo

warnings.simplefilter("ignore")  # utcfromtimestamp() inside croniter
from croniter import croniter  # noqa: E402

BUILD = pathlib.Path(os.environ.get("PURSER_BUILD", "build/dev"))
ZONES = ["UTC", "America/New_York", "America/Sao_Paulo", "America/Santiago", "America/Caracas", "America/St_Johns",
         "Europe/Berlin", "Europe/London", "Europe/Dublin", "Europe/Lisbon", "Africa/Cairo", "Africa/Casablanca",
         "Africa/Monrovia", "Asia/Kathmandu", "Asia/Tehran", "Asia/Gaza", "Australia/Lord_Howe", "Pacific/Apia",
         "Pacific/Chatham", "Antarctica/Troll"]
DAY = 86400
FIRST = int(datetime.datetime(1970, 1, 2, tzinfo=datetime.timezone.utc).timestamp())
LAST = int(datetime.datetime(2070, 1, 1, tzinfo=datetime.timezone.utc).timestamp())
SCAN_DAYS = 4000
CHANGE_DAYS = 4
EPOCH_DAY = datetime.date(1970, 1, 1).toordinal()
MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
WEEKDAYS = "SUN MON TUE WED THU FRI SAT".split()


class Table:
    """The changes of a zone's offset, found by asking zoneinfo."""

    def __init__(self, name):
        self.zone = zoneinfo.ZoneInfo(name)
        end = LAST + 60 * 366 * DAY
        self.starts, self.offsets = [FIRST - 30 * DAY], [self.ask(FIRST - 30 * DAY)]
        at = self.starts[0]
        while at < end:
            later = at + DAY // 2
            if self.ask(later) != self.offsets[-1]:
                low, high = at, later
                while high - low > 1:
                    middle = (low + high) // 2
                    if self.ask(middle) == self.offsets[-1]:
                        low = middle
                    else:
                        high = middle
                self.starts.append(high)
                self.offsets.append(self.ask(high))
                later = high
            at = later

    def ask(self, utc):
        moment = datetime.datetime.fromtimestamp(utc, self.zone)
        return int(moment.utcoffset().total_seconds())

    def index(self, utc):
        return bisect.bisect_right(self.starts, utc) - 1

    def offset(self, utc):
        return self.offsets[self.index(utc)]

    def utc_of(self, local):
        """The first instant that shows `local`; inside a gap the first one after it."""
        gap = None
        first = max(self.index(local - 2 * DAY), 0)
        for i in range(first, len(self.starts)):
            if self.starts[i] > local + 2 * DAY:
                break
            until = self.starts[i + 1] if i + 1 < len(self.starts) else sys.maxsize
            utc = local - self.offsets[i]
            if max(self.starts[i], 0 if i else -sys.maxsize) <= utc < until:
                return utc
            if utc >= until:
                gap = until
        return gap


class Expression:
    """A random expression as text, as croniter reads it (None: not asked), and as sets."""

    def __init__(self, dice):
        minute, self.minutes, loose_minute = number_field(dice, 0, 59, [0, 0, 5, 15, 30, 45, 59])
        hour, self.hours, loose_hour = number_field(dice, 0, 23, [0, 0, 1, 2, 2, 3, 9, 23])
        month, self.months, _ = number_field(dice, 1, 12, [2, 4, 12], MONTHS, plain=0.7)
        self.day_rules, self.weekday_rules = [], []
        day, day_croniter, self.any_day = self.day_field(dice)
        weekday, weekday_croniter, self.any_weekday = self.weekday_field(dice)
        self.of_day = sorted(hour * 3600 + minute * 60 for hour in self.hours for minute in self.minutes)
        self.is_elapsed = loose_minute or loose_hour
        self.text = " ".join([minute, hour, day, month, weekday])
        self.croniter = None
        if day_croniter and weekday_croniter and not self.is_beyond_croniter():
            self.croniter = " ".join([minute, hour, day_croniter, month, weekday_croniter])

    def day_field(self, dice):
        if dice.random() < 0.45:
            return dice.choice("**?"), "*", True
        parts = [self.day_part(dice) for _ in range(dice.choice([1, 1, 1, 2, 3]))]
        known = all(part[1] for part in parts)
        return ",".join(part[0] for part in parts), known and ",".join(part[1] for part in parts), False

    def day_part(self, dice):
        kind = dice.random()
        if kind < 0.55:
            text, days, _ = number_field(dice, 1, 31, [1, 13, 28, 29, 30, 31], star=False)
            self.day_rules += [("day", day) for day in days]
            return text, text
        if kind < 0.7:
            self.day_rules.append(("last", 0))
            return dice.choice("Ll"), "l"
        if kind < 0.8:
            before = dice.randint(1, 27)
            self.day_rules.append(("last", before))
            return "L-%d" % before, None
        if kind < 0.88:
            self.day_rules.append(("last_workday", 0))
            return dice.choice(["LW", "lw"]), None
        near = dice.choice([1, 1, 2, 15, 28, 30, 31, dice.randint(1, 31)])
        self.day_rules.append(("near", near))
        return "%d%s" % (near, dice.choice("Ww")), None

    def weekday_field(self, dice):
        if dice.random() < 0.55:
            return dice.choice("**?"), "*", True
        parts = [self.weekday_part(dice) for _ in range(dice.choice([1, 1, 1, 2]))]
        return ",".join(part[0] for part in parts), ",".join(part[1] for part in parts), False

    def weekday_part(self, dice):
        weekday = dice.randint(0, 7)
        kind = dice.random()
        if kind < 0.6:
            text, days, _ = number_field(dice, 0, 7, [0, 1, 5, 7], WEEKDAYS, star=False)
            self.weekday_rules += [("weekday", day % 7) for day in days]
            return text, text
        name = dice.choice([str(weekday), WEEKDAYS[weekday % 7]])
        if kind < 0.85:
            nth = dice.randint(1, 5)
            self.weekday_rules.append((nth, weekday % 7))
            return "%s#%d" % (name, nth), "%d#%d" % (weekday % 7, nth)
        self.weekday_rules.append(("last", weekday % 7))
        return "%sL" % name, "L%d" % (weekday % 7)

    def is_beyond_croniter(self):
        days = {value for kind, value in self.day_rules if kind == "day"}
        weekdays = {value for kind, value in self.weekday_rules if kind == "weekday"}
        special = any(kind != "weekday" for kind, _ in self.weekday_rules)
        last = any(kind == "last" for kind, _ in self.day_rules)
        if not self.any_day and (len(days) == 31 or (len(days) + last > 1 and (last or max(days) > 28))):
            return True
        if days and min(days) > max(calendar.monthrange(2000, month)[1] for month in self.months):
            return True
        if special and (weekdays or not self.any_day):
            return True
        return not self.any_weekday and len(weekdays) == 7

    def fires_on(self, ordinal):
        """The day rule by the calendar; `ordinal` as of datetime.date."""
        date = datetime.date.fromordinal(ordinal)
        if date.month not in self.months:
            return False
        length = calendar.monthrange(date.year, date.month)[1]
        by_day = any(day_fits(rule, date, length) for rule in self.day_rules)
        by_weekday = any(weekday_fits(rule, date, length) for rule in self.weekday_rules)
        if self.any_day:
            return self.any_weekday or by_weekday
        return by_day or (not self.any_weekday and by_weekday)


def day_fits(rule, date, length):
    kind, value = rule
    if kind == "day":
        return date.day == value
    if kind == "last":
        return date.day == length - value
    if kind == "last_workday":
        return date.day == max(day for day in range(1, length + 1) if date.replace(day=day).weekday() < 5)
    if value > length:
        return False
    workdays = [day for day in range(1, length + 1) if date.replace(day=day).weekday() < 5]
    # A Saturday has its Friday one day away, a Sunday its Monday: no two are equally near.
    return date.day == min(workdays, key=lambda day: abs(day - value))


def weekday_fits(rule, date, length):
    kind, value = rule
    if date.isoweekday() % 7 != value:
        return False
    if kind == "weekday":
        return True
    return date.day > length - 7 if kind == "last" else (date.day + 6) // 7 == kind


def number_field(dice, low, high, favourites, names=None, star=True, plain=0.35):
    """(text, set, has a star or step)"""
    if star and dice.random() < plain:
        return "*", set(range(low, high + 1)), True
    parts, values, loose = [], set(), False
    for _ in range(dice.choice([1, 1, 1, 2, 3])):
        kind = dice.random()
        one = dice.choice(favourites + [dice.randint(low, high)])
        if kind < 0.6:
            parts.append(spell(dice, one, low, names))
            values.add(one)
            continue
        first = dice.randint(low, high - 1)
        last = dice.randint(first + 1, high)
        if kind < 0.8:
            parts.append("%s-%s" % (spell(dice, first, low, names), last))
            values |= set(range(first, last + 1))
            continue
        if star and kind < 0.9:
            first, last = low, high
        # A step of 1 or of the whole range is possible; both ends are kept.
        step = dice.randint(1, last - first)
        parts.append(("*/%d" if (first, last) == (low, high) and star else "%d-%d/%%d" % (first, last)) % step)
        values |= set(range(first, last + 1, step))
        loose = True
    return ",".join(parts), values, loose


def spell(dice, value, low, names):
    if names is None or dice.random() < 0.5 or value - low >= len(names):
        return str(value)
    name = names[value - low]
    return dice.choice([name, name.lower(), name.capitalize()])


def fixed_between(expression, table, low, high):
    """The oracle's instants in (low, high] of fixed times."""
    found = set()
    first, last = ((utc + table.offset(utc)) // DAY for utc in (low, high))
    for day in range(first - 2, last + 3):
        if expression.fires_on(day + EPOCH_DAY):
            found |= {table.utc_of(day * DAY + second) for second in expression.of_day}
    return sorted(utc for utc in found if low < utc <= high)


def elapsed_between(expression, table, low, high):
    """The same of entries that follow elapsed time: each instant whose reading on the wall matches."""
    found = []
    for i in range(table.index(low), len(table.starts)):
        begin = max(table.starts[i], low + 1)
        end = min(table.starts[i + 1] if i + 1 < len(table.starts) else sys.maxsize, high + 1)
        if begin > high:
            break
        offset = table.offsets[i]
        for day in range((begin + offset) // DAY, (end - 1 + offset) // DAY + 1):
            if expression.fires_on(day + EPOCH_DAY):
                midnight = day * DAY - offset
                found += [midnight + second for second in expression.of_day if begin <= midnight + second < end]
    return found


def between(expression, table, low, high):
    return (elapsed_between if expression.is_elapsed else fixed_between)(expression, table, low, high)


def scanned(expression, table, start, count):
    """The oracle's next times, and until when they are all there are."""
    found, low, days = [], start, 2
    while len(found) < count and low < start + SCAN_DAYS * DAY:
        high = low + days * DAY
        if expression.is_elapsed and not any(
                expression.fires_on((utc + table.offset(utc)) // DAY + EPOCH_DAY + near)
                for utc in range(low, high + DAY, DAY) for near in (-1, 0, 1)):
            low = high
            continue
        found += between(expression, table, low, high)
        low = high
    return found[:count], low


def by_croniter(expression, table, start, count):
    """The same of croniter: instants, and until when they can be trusted."""
    naive = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=start + table.offset(start))
    until = sys.maxsize
    if expression.is_elapsed:
        i = table.index(start)
        # Wall time runs evenly up to the next change; one behind an overlap is shown twice.
        until = table.starts[i + 1] - 1 if i + 1 < len(table.starts) else sys.maxsize
        offset = table.offsets[i]
        walk = croniter(expression.croniter, naive)
        found = []
        while len(found) < count:
            local = (walk.get_next(datetime.datetime) - datetime.datetime(1970, 1, 1)) // datetime.timedelta(seconds=1)
            if local - offset > until:
                break
            found.append(local - offset)
        return found, until if len(found) < count else found[-1]
    walk = croniter(expression.croniter, naive - datetime.timedelta(days=2))
    found, local = [], 0
    while len(found) < count and local < LAST + 30 * 366 * DAY:
        local = (walk.get_next(datetime.datetime) - datetime.datetime(1970, 1, 1)) // datetime.timedelta(seconds=1)
        utc = table.utc_of(local)
        if utc > start and (not found or utc > found[-1]):
            found.append(utc)
    return found, found[-1] if found else start


def difference(expected, until, got):
    """What is wrong with `got`, told of the first place, or None; both are compared up to `until`."""
    ours = [utc for utc in got if utc <= until]
    wanted = [utc for utc in expected if utc <= until]
    shortest = min(len(ours), len(wanted))
    for i in range(shortest):
        if ours[i] != wanted[i]:
            return "time %d is %d, expected %d" % (i, ours[i], wanted[i])
    if len(ours) < len(wanted) and len(got) < len(wanted):
        return "%d times, expected %d" % (len(ours), len(wanted))
    if len(ours) > len(wanted):
        return "has %d, which is not expected" % ours[len(wanted)]
    return None


def make_cases(options, tables):
    """(expression, zone, start, kind): half of them two days before a clock change, the rest anywhere."""
    dice = random.Random(options.seed)
    for number in range(options.expressions):
        expression = Expression(dice)
        for zone in dice.sample(ZONES, 2):
            table = tables[zone]
            changes = [start for start in table.starts[1:] if start < LAST]
            if changes:
                yield expression, zone, dice.choice(changes) - dice.randint(DAY, 2 * DAY), "change"
            yield expression, zone, dice.randint(FIRST, LAST), "any"


def ask(cases, count):
    """Our own answers: a list of times, or a text with the problem."""
    lines = "".join("%s\t%s\t%d\t%d\n" % (expression.text, zone, start, count if kind == "any" else -CHANGE_DAYS * DAY)
                    for expression, zone, start, kind in cases)
    done = subprocess.run([BUILD / "bin" / "cron-times"], input=lines, capture_output=True, text=True, check=True)
    return [line if line.startswith("!") else [int(word) for word in line.split()]
            for line in done.stdout.splitlines()]


def never_fires(expression):
    """By every day of 41 years, which hold a leap day on each weekday."""
    first = datetime.date(2072, 1, 1).toordinal()
    return not any(expression.fires_on(first + day) for day in range(41 * 366))


def judge(case, got, tables, count):
    """(problems, times compared with croniter, with the oracle)"""
    expression, zone, start, kind = case
    table = tables[zone]
    if isinstance(got, str):
        return ([] if never_fires(expression) else ["refused: " + got]), 0, 0
    if kind == "change":
        high = start + CHANGE_DAYS * DAY
        wanted = between(expression, table, start, high)
        return [difference(wanted, high, got)], 0, len(wanted)
    wanted, high = scanned(expression, table, start, count)
    problems = [difference(wanted, high if len(wanted) < count else wanted[-1], got)]
    theirs = []
    if expression.croniter:
        theirs, until = by_croniter(expression, table, start, count)
        problems.append(difference(theirs, until, got))
    return problems, len(theirs), len(wanted)


def check_that_mistakes_are_noticed(cases, answers, tables, count):
    """A time that is wrong, missing or doubled must not pass, with either oracle."""
    noticed = 0
    for case, got in zip(cases, answers):
        if isinstance(got, str) or len(got) < 3 or judge(case, got, tables, count)[1 if case[3] == "any" else 2] < 3:
            continue
        for planted in ([got[0] + 60] + got[1:], got[:1] + got[2:], got[:1] + [got[0] + 60] + got[1:]):
            problems = [problem for problem in judge(case, planted, tables, count)[0] if problem]
            if not problems:
                raise SystemExit("not noticed: %s with %s" % (case[0].text, planted[:3]))
            noticed += 1
        if noticed >= 60:
            return noticed
    raise SystemExit("too few cases to plant mistakes in")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--expressions", type=int, default=8000)
    parser.add_argument("--times", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    tables = {zone: Table(zone) for zone in ZONES}
    cases = list(make_cases(options, tables))
    answers = ask(cases, options.times)
    if len(answers) != len(cases):
        raise SystemExit("%d answers to %d questions" % (len(answers), len(cases)))
    noticed = check_that_mistakes_are_noticed(cases, answers, tables, options.times)
    failed, with_croniter, with_oracle, refused = 0, 0, 0, 0
    for case, got in zip(cases, answers):
        problems, croniter_count, oracle_count = judge(case, got, tables, options.times)
        with_croniter += croniter_count
        with_oracle += oracle_count
        refused += isinstance(got, str)
        for problem in filter(None, problems):
            failed += 1
            if failed <= 20:
                print("FAIL %s in %s after %d: %s" % (case[0].text, case[1], case[2], problem))
    print("%d expressions, %d zones: %d times as croniter, %d as the oracle; %d never fire; %d planted mistakes noticed"
          % (options.expressions, len(ZONES), with_croniter, with_oracle, refused, noticed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
