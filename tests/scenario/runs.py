#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# CTEST
"""Workflow runs on a running daemon: branches of which one fails, items, a delay over a kill -9, calls, what follows a
run, unique keys, cancel, replay without a second mail, and workflow files read anew while runs are open."""
import json
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from live import Failed, check, equal, run, wait_until  # noqa: E402

MAIL = """email: {to: "%s@shop.example", subject: Hello, text: "%s"}"""

TREE = f"""# SPDX-License-Identifier: MIT
workflow: tree
mode: live
on: [{{manual: true}}]
steps:
  - id: both
    parallel:
      bad:
        - id: refused
          {MAIL % ("bounce", "never")}
      good:
        - id: first
          {MAIL % ("first", "one")}
        - id: second
          {MAIL % ("second", "two")}
    else: {{some: lost}}
  - id: each
    for_each: "{{{{ trigger.body.names }}}}"
    as: name
    at_once: 2
    do:
      - id: greet
        email: {{to: "{{{{ name }}}}@shop.example", subject: Hello, text: "Number {{{{ index }}}}"}}
  - id: pause
    delay: 3s
  - id: done
    count: {{book: trees}}
result: {{greeted: "{{{{ #steps.each.result }}}}", lost: "{{{{ steps.both.result.some }}}}"}}
"""
CALLER = """# SPDX-License-Identifier: MIT
workflow: caller
mode: live
on: [{manual: true}]
steps:
  - id: sub
    call: {workflow: called, input: {n: 20}}
  - id: none
    call: absent
    else: {gone: true}
result: {got: "{{ steps.sub.result.twice }}", gone: "{{ steps.none.result.gone }}"}
"""
CALLED = """# SPDX-License-Identifier: MIT
workflow: called
mode: live
on: [{manual: true}]
steps:
  - id: sum
    count: {book: calls}
result: {twice: "{{ 2 * trigger.body.n }}"}
"""
ABSENT = """# SPDX-License-Identifier: MIT
workflow: absent
mode: "off"
on: [{manual: true}]
steps:
  - id: never
    count: {book: never}
"""
FOLLOWER = """# SPDX-License-Identifier: MIT
workflow: follower
mode: live
on: [{after: caller, state: done}]
steps:
  - id: sum
    count: {book: follows, amount: "{{ trigger.result.got }}"}
"""
ONCE = """# SPDX-License-Identifier: MIT
workflow: once
mode: live
unique: "{{ trigger.body.key }}"
on: [{queue: imports}]
steps:
  - id: sum
    count: {book: once}
"""
MAILS = f"""# SPDX-License-Identifier: MIT
workflow: mails
mode: live
on: [{{manual: true}}]
steps:
  - id: sent
    {MAIL % ("kept", "sent once")}
  - id: wrong
    email: {{to: "{{{{ trigger.body.to }}}}@shop.example", subject: Hello, text: late}}
"""
LONG = """# SPDX-License-Identifier: MIT
workflow: long
mode: live
on: [{manual: true}]
steps:
  - id: wait
    delay: %s
  - id: sum
    count: {book: %s}
"""


def begin(live, workflow, body=None):
    words = ["workflow", "run", workflow] + (["--input", json.dumps(body)] if body is not None else [])
    return live.cli(*words)["run"]


def show(live, number, *flags):
    return live.cli("run", "show", number, *flags)


def state_of(live, number):
    """None while the run has not begun."""
    code, out, _ = live.console("--json", "run", "show", number)
    return json.loads(out)["state"] if code == 0 else None


def wait_state(live, number, state):
    wait_until(f"run {number} is {state}", lambda: state_of(live, number) not in (None, "open") or state == "open")
    equal(state_of(live, number), state, f"run {number} is {state}")


def steps_of(live, number):
    return {step["step"]: step for step in show(live, number)["steps"]}


def sent_to(live, name):
    return sum(1 for mail in live.mails() if mail["X-Envelope-To"].startswith(f"{name}@"))


def test_tree(live):
    number = begin(live, "tree", {"names": ["ann", "bob", "cem"]})
    wait_until("it waits for its delay", lambda: (state_of(live, number) or "") == "open" and
               steps_of(live, number).get("pause", {}).get("state") == "waiting")
    live.kill9("engine")
    live.wait_ready()
    wait_state(live, number, "done")
    steps = steps_of(live, number)
    equal(steps["both"]["state"], "else", "a parallel of which one branch failed takes its else")
    equal((steps["refused"]["state"], steps["second"]["state"]), ("failed", "done"), "after the other branch went on")
    equal([sent_to(live, name) for name in ("first", "second", "ann", "bob", "cem")], [1] * 5, "each mail left once")
    equal(show(live, number, "--whole")["result"], {"greeted": 3, "lost": "lost"}, "the run has its result")
    equal(live.books()[("trees", "")], 1, "and went on past its delay once")


def test_calls(live):
    number = begin(live, "caller")
    wait_state(live, number, "done")
    equal(show(live, number, "--whole")["result"], {"got": 40, "gone": True}, "a call brings the other run's result, "
          "and one of a workflow that is off takes its else")
    wait_until("what follows has run", lambda: live.books().get(("follows", "")) == 40)
    check(("never", "") not in live.books(), "nothing that is off ran")


def test_unique(live):
    for _ in range(3):
        live.push("imports", {"key": "same"})
    live.push("imports", {"key": "other"})
    live.wait_idle()
    equal(live.books()[("once", "")], 2, "one run a key")
    equal(len(live.cli("runs", "--workflow", "once")["runs"]), 2, "and no more are listed")


def refused(live, part, *words):
    code, out, problem = live.console(*words)
    if code == 0 or part not in problem + out:
        raise Failed(f"{words}: exit code {code}: {problem} {out}")
    check(True, f"{' '.join(map(str, words[:2]))} is refused: {part}")


def test_replay(live):
    number = begin(live, "mails", {"to": "bounce"})
    wait_state(live, number, "failed")
    equal(steps_of(live, number)["sent"]["state"], "done", "the first mail was done before")
    refused(live, "no step \"none\"", "run", "replay", number, "--from", "none")
    again = live.cli("run", "replay", number)["run"]
    wait_state(live, again, "failed")
    equal(steps_of(live, again)["sent"]["state"], "copied", "a replay copies what was done")
    equal(sent_to(live, "kept"), 1, "and sends nothing twice")
    redone = live.cli("run", "replay", number, "--from", "sent", "--redo")["run"]
    wait_state(live, redone, "failed")
    equal(sent_to(live, "kept"), 2, "but with --redo it does")
    check(live.cli("run", "diff", number, again)["steps"], "the two differ in that")


def test_cancel(live):
    number = begin(live, "long")
    wait_until("it waits", lambda: state_of(live, number) == "open")
    live.cli("run", "cancel", number)
    wait_state(live, number, "cancelled")
    refused(live, "has ended already", "run", "cancel", number)
    equal(live.busy_jobs(), 0, "nothing waits for it any more")


def test_reload(live):
    number = begin(live, "long")
    wait_until("it waits", lambda: state_of(live, number) == "open")
    folder = live.folder / "workflows"
    (folder / "long.yaml").write_text(LONG % ("1h", "new") + "  - id: broken\n    nothing: x\n", encoding="utf-8")
    (folder / "extra.yaml").write_text(CALLED.replace("workflow: called", "workflow: extra"), encoding="utf-8")
    refused(live, "long.yaml:11:5", "workflow", "reload")
    names = {entry["workflow"] for entry in live.cli("workflows")["workflows"]}
    check("extra" not in names and "long" in names, "a wrong file changes nothing")
    (folder / "long.yaml").write_text(LONG % ("100ms", "new"), encoding="utf-8")
    (folder / "once.yaml").unlink()
    answer = live.cli("workflow", "reload")
    equal((answer["added"], answer["changed"], [entry["workflow"] for entry in answer["removed"]]),
          (["extra"], ["long"], ["once"]), "a right one says what it changed")
    later = begin(live, "long")
    wait_state(live, later, "done")
    equal(state_of(live, number), "open", "the run that is open waits as it began")
    live.push("imports", {"key": "nobody listens"})
    wait_state(live, begin(live, "extra", {"n": 1}), "done")
    wait_until("a push that nobody listens to waits", lambda: live.busy_jobs() == 2)
    live.cli("run", "cancel", number)
    wait_state(live, number, "cancelled")
    equal(live.books()[("new", "")], 1, "new runs are done by the new definition")


def test(live):

    live.workflows = {"tree": TREE, "caller": CALLER, "called": CALLED, "absent": ABSENT, "follower": FOLLOWER,
                      "once": ONCE, "mails": MAILS, "long": LONG % ("1h", "long")}
    live.sections["modes"] = ""
    live.start(cloud=False)
    test_tree(live)
    test_calls(live)
    test_unique(live)
    test_replay(live)
    test_cancel(live)
    test_reload(live)
    equal(live.stop_daemon(signal.SIGTERM), 0, "purserd stops in order")


run(test)
