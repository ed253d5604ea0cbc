#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# CTEST: long
"""The content calendar: entries into slots, changes, a crash, iCalendar out and in with another program's reader and
writer (python3-icalendar), and a slot that begins a run and uses what stands in it."""
import datetime
import pathlib
import sys
import time

import icalendar
import pytz

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from live import check, equal, run, wait_until  # noqa: E402

ZONE = pytz.timezone("Europe/Berlin")
TEXT = "Grüner Tee, 20 % günstiger; nur heute!\nC:\\Tee\n" + "sehr lange Zeile 🍵 " * 30
MEDIA = "https://shop.example/tee.jpg?a=1,2;b=3"
CHANNELS = """
channels:
  instagram: {{slots: ["0 9 * * *", "0 14 * * *", "0 19 * * *"], zone: Europe/Berlin}}
  soon: {{slots: ["{minute} {hour} * * *"], capacity: 2, zone: UTC}}
holidays: ["12-24..12-26"]
"""
SOON = """# SPDX-License-Identifier: MIT
workflow: soon
mode: live
on:
  - slot: soon
steps:
  - id: counted
    count: {book: posted, amount: "{{ #trigger.entries }}"}
"""


def refused(live, *words):
    code, _, problem = live.console(*words)
    equal(code, 1, f"purser {' '.join(map(str, words[:3]))} ...: refused")
    return problem


def test_entries(live):
    first = live.cli("calendar", "add", "instagram", TEXT, "--title", "Tee", "--media", MEDIA, "--at", "next")
    second = live.cli("calendar", "add", "instagram", "Zwei", "--at", "next")
    check(first["state"] == "planned" and first["slot_ms"] < second["slot_ms"], "two entries stand in two slots")
    draft = live.cli("calendar", "add", "instagram", "Entwurf")
    equal([row["id"] for row in live.cli("calendar", "drafts")["drafts"]], [draft["id"]], "the third is a draft")
    problem = refused(live, "calendar", "move", draft["id"], "--at", first["slot"])
    check("is full; the next free slot is " in problem, f"a full slot names the next free one: {problem.strip()}")
    problem = refused(live, "calendar", "add", "instagram", "x", "--at", "2030-01-02T10:00")
    check("2030-01-02T09:00:00+01:00 and 2030-01-02T14:00:00+01:00" in problem,
          "a time beside a slot names its neighbours")
    problem = refused(live, "calendar", "add", "instagram", "x", "--at", "2030-12-24T09:00")
    check("holiday" in problem and "2030-12-27T09:00:00+01:00" in problem, "nothing is planned for a holiday")
    live.cli("calendar", "edit", second["id"], "--text", "Zwei, besser")
    live.cli("calendar", "move", second["id"], "--at", "2030-07-01T09:00")
    view = live.cli("calendar", "--channel", "instagram", "--from", "2030-07-04")
    day = view["channels"][0]["days"][0]
    equal((day["date"], day["weekday"]), ("2030-07-01", "Monday"), "a week begins on Monday")
    equal(day["slots"][0]["entries"][0]["text"], "Zwei, besser", "the moved entry stands in its new slot")
    check(day["slots"][1]["gap"], "an empty slot to come is a gap")
    live.kill9("engine")
    live.wait_ready()
    again = live.cli("calendar", "--channel", "instagram", "--from", "2030-07-04")
    equal(again["channels"], view["channels"], "after a kill -9 the calendar is the same")
    return first, second


def test_export(live, first, second):
    code, text, _ = live.console("calendar", "export")
    equal(code, 0, "the calendar is exported")
    for what, ics in (("to a program", live.cli("calendar", "export")["ics"]), ("to a file", text)):
        events = {event.decoded("dtstart"): event for event in icalendar.Calendar.from_ical(ics).walk("VEVENT")}
        equal(len(events), 2, f"{what}: icalendar reads two events, and no draft")
        event = events[datetime.datetime.fromtimestamp(first["slot_ms"] / 1000, pytz.utc)]
        equal(str(event["summary"]), "Tee", f"{what}: the title came through")
        equal(str(event["description"]), TEXT, f"{what}: the text came through, whatever is in it")
        equal(str(event["attach"]), MEDIA, f"{what}: and the picture")
        equal(events[datetime.datetime(2030, 7, 1, 7, 0, tzinfo=pytz.utc)]["description"], "Zwei, besser",
              f"{what}: summer time")
    check(all(len(line.encode()) <= 75 for line in live.cli("calendar", "export")["ics"].split("\r\n")),
          "no line is longer than 75 bytes")


def foreign_calendar():
    """What another program writes: zones, folded lines, an alarm of its own."""
    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//Another//EN")
    calendar.add("version", "2.0")
    for uid, title, start in (("a@there", "Zone", ZONE.localize(datetime.datetime(2030, 3, 4, 14, 0))),
                              ("b@there", "UTC", datetime.datetime(2030, 3, 5, 8, 0, tzinfo=pytz.utc)),
                              ("c@there", "Floating", datetime.datetime(2030, 3, 6, 19, 0)),
                              ("d@there", "Beside", datetime.datetime(2030, 3, 6, 20, 0)),
                              ("e@there", "Day", datetime.date(2030, 3, 7))):
        event = icalendar.Event()
        event.add("uid", uid)
        event.add("summary", title)
        event.add("description", f"{title}: {TEXT}")
        event.add("dtstart", start)
        event.add("attach", MEDIA)
        alarm = icalendar.Alarm()
        alarm.add("description", "not this")
        event.add_component(alarm)
        calendar.add_component(event)
    return calendar


def test_import(live):
    path = live.folder / "plan.ics"
    calendar = foreign_calendar()
    path.write_bytes(calendar.to_ical())
    answer = live.cli("calendar", "import", "instagram", f"@{path}")
    equal((answer["added"], answer["strays"], len(answer["warnings"])), (5, 2, 2),
          "five events are taken, two are strays")
    days = live.cli("calendar", "--channel", "instagram", "--from", "2030-03-04")["channels"][0]["days"]
    equal([[slot["entries"][0]["title"] for slot in day["slots"] if slot["entries"]] for day in days[:3]],
          [["Zone"], ["UTC"], ["Floating"]], "each in its slot")
    equal([row["title"] for day in days for row in day["strays"]], ["Beside", "Day"], "and the strays are shown")
    answer = live.cli("calendar", "import", "instagram", f"@{path}")
    equal((answer["added"], answer["unchanged"]), (0, 5), "the same file changes nothing")
    events = icalendar.Calendar.from_ical(live.cli("calendar", "export")["ics"]).walk("VEVENT")
    texts = {str(event["uid"]): str(event["description"]) for event in events}
    equal(texts["a@there"], "Zone: " + TEXT, "what came in goes out as it was")
    calendar.walk("VEVENT")[0].add("rrule", {"freq": "daily"})
    path.write_bytes(calendar.to_ical())
    problem = refused(live, "calendar", "import", "instagram", f"@{path}")
    check('the event "Zone" is a repeated one' in problem, f"a repeated event is refused by name: {problem.strip()}")


def test_slot(live):
    """Two entries stand in a slot that is a minute or two away; its run takes both, once."""
    ids = {live.cli("calendar", "add", "soon", text, "--at", "next")["id"] for text in ("Eins", "Zwei")}

    def used():
        days = live.cli("calendar", "--channel", "soon")["channels"][0]["days"]
        days += live.cli("calendar", "--channel", "soon", "--from",
                         str(datetime.date.today() + datetime.timedelta(days=1)))["channels"][0]["days"]
        return ids == {row["id"] for day in days for slot in day["slots"] for row in slot["entries"]
                       if row["state"] == "used"}
    wait_until("the slot's run uses its entries", used, seconds=300)
    check(True, "the slot's run has used its entries")
    wait_until("the run counts them", lambda: live.books().get(("posted", "")) == 2)
    check(True, "both were given to one run")
    problem = refused(live, "calendar", "move", min(ids), "--at", "next")
    check("was used by run " in problem, "a used entry stays where it is")


def test(live):
    at = datetime.datetime.fromtimestamp(time.time() + 130, pytz.utc)
    live.settings["clock_wait_ms"] = "1s"  # nobody sets the clock of a container
    live.sections["channels"] = CHANNELS.format(minute=at.minute, hour=at.hour)
    live.workflows["soon"] = SOON
    live.start()
    first, second = test_entries(live)
    test_export(live, first, second)
    test_import(live)
    test_slot(live)


run(test)
