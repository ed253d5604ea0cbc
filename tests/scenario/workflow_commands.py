#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# CTEST
"""What the console does with workflow files: the shipped ones pass their own rehearsals, a changed one is run on the
daemon's real events without sending anything, and a run is followed to its end."""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from live import DATA, ROOT, check, equal, run  # noqa: E402

SHIPPED = sorted((ROOT / "config/workflows").glob("*.yaml"))
SLOW = """# SPDX-License-Identifier: MIT
workflow: slow
mode: live
on: [{manual: true}]
steps:
  - id: pause
    delay: 2s
  - id: refused
    when: "{{ trigger.body.bad }}"
    email: {to: bounce@shop.example, subject: Hello, text: never}
  - id: last
    log: {text: over}
"""


def test_shipped(live):
    code, out, problem = live.console("workflow", "check", *SHIPPED)
    equal((code, problem), (0, ""), f"the {len(SHIPPED)} shipped workflows may be loaded")
    equal(out.count(": ok\n"), len(SHIPPED), "each is said to be well")
    code, out, _ = live.console("workflow", "test", *SHIPPED)
    equal((code, out.count("FAILED")), (0, 0), "the rehearsals of the shipped workflows pass: " + out.splitlines()[-1])
    report = live.cli("workflow", "test", ROOT / "config/workflows/order-confirmation.yaml", "--only", "yen")
    equal((report["passed"], report["failed"]), (1, 0), "--only takes the rehearsals that it names")


def test_wrong(live):
    """Nothing of a wrong file goes unsaid, and nothing needs a daemon."""
    path = live.folder / "wrong.yaml"
    path.write_text(SLOW.replace("delay: 2s", "dealy: 2s"), encoding="utf-8")
    for words in (("workflow", "check", path), ("workflow", "test", path)):
        code, out, _ = live.console(*words)
        check(code == 1 and f"{path}:7:5: " in out and "delay" in out,
              f"purser {words[0]} {words[1]}: 1, with the place")
    path.write_text(SLOW, encoding="utf-8")
    equal(live.console("workflow", "diff", path, path)[:2], (0, "no difference\n"), "a file is like itself")
    equal(live.console("workflow", "shadow", path)[0], 3, "shadow needs a daemon: 3")
    equal(live.console("run", "show", 1, "--follow")[0], 3, "so does following a run: 3")


def orders():
    found = {}
    for path in sorted((DATA / "shopify").glob("order*.json")):
        body = json.loads(path.read_bytes())
        found.setdefault(str(body["id"]), path.read_bytes())
    return list(found.values())


def shadow(live, text, *more):
    path = live.folder / "changed.yaml"
    path.write_text(text, encoding="utf-8")
    config = ("--config", live.folder / "purser.yaml", "workflow", "shadow", path, *more)
    code, out, problem = live.console(*config)
    equal((code, problem), (0, ""), "workflow shadow: 0")
    return out, live.cli(*config)


def test_shadow(live):
    text = live.workflows["order-confirmation"]
    bodies = orders()
    for body in bodies:
        equal(live.hook(body)[0], 200, "an order is accepted")
    live.wait_idle()
    mails, count = len(live.mails()), len(bodies)
    check(mails > 0, "mails were sent")
    out, report = shadow(live, text)
    equal((report["same"], report["differing"], report["left_out"]), (count, 0, 0),
          "the same file: every run is the same")
    check(out.endswith(f"{count} runs: {count} same, 0 differ, 0 left out; nothing was sent\n"), "the summary says so")
    out, report = shadow(live, text.replace("Your order {{ trigger.body.name }}:", "Ordered, {{ trigger.body.name }}:"))
    equal(report["differing"], mails, "another text: the runs that sent a mail differ")
    check("  ~ mail: text\n" in out and "Ordered, #" not in json.dumps(report), "the field is named, its value is not")
    out, report = shadow(live, text.replace("Your order {{ trigger.body.name }}:", "Ordered, {{ trigger.body.name }}:"),
                         "--whole")
    check("Ordered, #" in json.dumps(report), "--whole shows values too")
    added = '  - id: tell\n    telegram: {text: "An order"}\n\n'
    out, report = shadow(live, text.replace("  - id: mail\n", added + "  - id: mail\n    when: false\n", 1).replace(
        '    when: false\n    when: "{{ filled(trigger.body.email, trigger.body.contact_email) }}"\n',
        '    when: "{{ false }}"\n', 1))
    check("  - mail\n" in out and "  + tell\n" in out, "effects that go and effects that come are listed")
    equal(report["differing"], count, "every run has a new effect")
    equal(len(live.mails()), mails, "nothing was sent")


def test_follow(live):
    started = live.cli("workflow", "run", "slow", "--input", "{}")
    code, out, problem = live.console("run", "show", started["run"], "--follow")
    equal((code, problem), (0, ""), "a run that ends well is followed to its end: 0")
    check("open" in out and "done" in out, "it is shown again when it has changed")
    started = live.cli("workflow", "run", "slow", "--input", '{"bad": true}')
    code, out, _ = live.console("--json", "run", "show", started["run"], "--follow")
    states = [json.loads(line)["state"] for line in out.splitlines()]
    equal((code, states[0], states[-1]), (1, "open", "failed"), "one that fails: 1, a line of JSON for each change")


def test(live):
    test_shipped(live)
    test_wrong(live)
    live.workflows["slow"] = SLOW
    live.start()
    test_shadow(live)
    test_follow(live)


run(test)
