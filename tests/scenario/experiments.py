#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# CTEST
"""Texts are checked against their past, units get variants and are measured once, the console tells what that says,
and a workflow reads the box's own figures."""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from live import check, equal, run  # noqa: E402

GATED = """# SPDX-License-Identifier: MIT
workflow: gated
mode: live
on:
  - manual: true
steps:
  - id: gate
    check: "{{ trigger.body.text }}"
    with: {unlike: posts, facts: "{{ trigger.body.facts }}", banned: [cheapest]}
  - id: keep
    when: "{{ steps.gate.result.passed }}"
    remember: {unlike: posts, text: "{{ trigger.body.text }}"}
"""
TRIED = """# SPDX-License-Identifier: MIT
workflow: tried
mode: live
on:
  - queue: ordered
steps:
  - id: choose
    variant: {experiment: captions, variants: {short: 1, long: 1}, unit: "{{ trigger.body.unit }}"}
  - id: likes
    measure:
      experiment: captions
      variant: "{{ steps.choose.result.variant }}"
      metric: likes
      value: "{{ trigger.body.likes + (steps.choose.result.variant == 'short' and 50 or 0) }}"
      unit: "{{ trigger.body.unit }}"
  - id: told
    count: {book: measured, amount: "{{ steps.likes.result.counted and 1 or 0 }}"}
"""
FIGURES = """# SPDX-License-Identifier: MIT
workflow: figures
mode: live
on:
  - manual: true
steps:
  - {id: books, figures: books}
  - {id: runs, figures: runs}
  - {id: queues, figures: queues}
  - {id: limits, figures: limits}
"""
UNITS = 80


def result_of(live, workflow, step, **body):
    number = live.cli("workflow", "run", workflow, "--input", json.dumps(body))["run"]
    live.wait_idle()
    found = live.cli("run", "show", number, "--whole")
    equal(found["state"], "done", f"{workflow} is done")
    return next(row for row in found["steps"] if row["step"] == step)["result"]


def test_texts(live):
    text = "Our spring tea is here, picked by hand and dried in the shade, for 19.90 EUR and not a cent more."
    found = result_of(live, "gated", "gate", text=text, facts={"price": "19.90 EUR"})
    equal((found["passed"], found["confidence"]), (True, 1), "a text that claims what is so passes")
    found = result_of(live, "gated", "gate", text=text, facts={"price": "19.90 EUR"})
    equal([row["check"] for row in found["findings"]], ["copy"], "the same text again is a copy")
    found = result_of(live, "gated", "gate", text="The cheapest roses, 5 EUR at evil.com", facts={})
    equal(sorted(row["check"] for row in found["findings"]), ["banned", "link", "price"], "what is not so is found")
    check(not found["passed"] and found["confidence"] <= 0.5, "and the text does not pass")


def test_experiment(live):
    with live.producer() as producer:
        for number in list(range(UNITS)) * 2:
            producer.push("ordered", json.dumps({"unit": f"slot-{number}", "likes": number % 7}).encode(), key="a")
    live.wait_idle()
    equal(live.books()[("measured", "")], UNITS, "each unit counted once, although it came twice")
    listed = live.cli("experiments")["experiments"]
    equal([(row["experiment"], row["units"]) for row in listed], [("captions", UNITS)], "the experiment is listed")
    shown = live.cli("experiment", "show", "captions")
    likes = shown["metrics"]["likes"]
    equal(sum(row["n"] for row in likes["variants"]), UNITS, "every unit is in one variant")
    difference = likes["differences"][0]
    equal((difference["variant"], difference["against"], difference["verdict"]), ("short", "long", "higher"),
          "a real difference is told")
    check(difference["low"] <= 50 <= difference["high"], "and its interval holds the truth")
    equal(live.cli("experiment", "show", "captions", "--metric", "clicks")["metrics"], {}, "an unknown metric is none")
    code, _, problem = live.console("experiment", "show", "colours")
    check(code != 0 and "colours" in problem, f"an unknown experiment is refused: {problem.strip()}")


def test_figures(live):
    live.hook((live.folder / "order.json").read_bytes())
    live.wait_idle()
    number = live.cli("workflow", "run", "figures")["run"]
    live.wait_idle()
    found = {row["step"]: row["result"] for row in live.cli("run", "show", number, "--whole")["steps"]}
    equal(found["books"]["books"]["measured"][""]["amount"], UNITS, "figures of books")
    equal(found["runs"]["workflows"]["tried"]["done"], 2 * UNITS, "figures of runs")
    check(any(row["queue"] == "ordered" for row in found["queues"]["queues"]), "figures of queues")
    gates = {row["gate"]: row for row in found["limits"]["limits"]}
    check("smtp/default" in gates and gates["smtp/default"]["limit"] > 0, "figures of limits")


def test(live):
    live.workflows.update({"gated": GATED, "tried": TRIED, "figures": FIGURES})
    del live.workflows["counting"]
    order = {"id": 1, "name": "#1", "currency": "EUR", "total_price": "10.00", "email": "kim@customers.example",
             "created_at": "2026-11-22T09:30:00Z", "updated_at": "2026-11-22T09:30:00Z", "line_items": []}
    (live.folder / "order.json").write_text(json.dumps(order), encoding="utf-8")
    live.start()
    for part in (test_texts, test_experiment, test_figures):
        part(live)
    equal(live.cli("store", "check")["clean"], True, "the store is whole")
    equal(live.stop_daemon(), 0, "purserd stops in order")


run(test)
