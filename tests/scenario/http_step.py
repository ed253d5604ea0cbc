#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# CTEST
"""The http step against an interface that counts what it does: a POST whose answer is lost is listed and not repeated,
a GET is, a stranger's host does not load, and no text of a customer becomes a header or an address."""
import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from live import BIN, LIMITS, Failed, check, equal, run, wait_until, write_secret  # noqa: E402

WORKFLOW = """# SPDX-License-Identifier: MIT
workflow: {name}
mode: live
on:
  - manual: true
steps:
  - id: call
    http: {{{fields}}}
    timeout: 3s
    retry: {{attempts: 4, first: 1s, max: 2s}}
"""


def workflow(name, url, more=""):
    return WORKFLOW.format(name=name, fields=f'url: "{url}"{more}')


def counts(live):
    found = live.ask_cloud("counts")
    return {name: found[f"http_{name}"] for name in ("requests", "done", "repeated")}


def grown(live, before):
    return {name: value - before[name] for name, value in counts(live).items()}


def begin(live, name, **body):
    """The number of the run that this begins."""
    return live.cli("workflow", "run", name, "--input", json.dumps(body))["run"]


def shown(live, number):
    return live.cli("run", "show", number, "--whole")


def ended(live, number, state):
    """The run's only step once the run has come to that state."""
    def is_over():
        found = shown(live, number)
        return found if found["state"] not in ("waiting", "running", "open") else None
    found = wait_until(f"run {number} ends", is_over)
    equal(found["state"], state, f"the run is {state}")
    return found


def step_of(found):
    return next(step for step in found["steps"] if step["step"] == "call")


def test_post(live):
    before = counts(live)
    found = ended(live, begin(live, "poster", n=5), "done")
    result = step_of(found)["result"]
    equal((result["status"], result["body"]["method"], result["body"]["body"]), (200, "POST", {"n": 5}),
          "a POST is done, and its JSON answer is the result")
    check(result["body"]["authorized"], "the secret went to the host it is listed with")
    equal(grown(live, before), {"requests": 1, "done": 1, "repeated": 0}, "it was done once")
    check(live.secrets["echo.token"] not in json.dumps(found), "the secret is not in the run")


def test_lost_post(live):
    before = counts(live)
    live.fault("dropped", "http")
    number = begin(live, "poster", n=6)
    doubts = wait_until("the POST is in doubt", lambda: live.jobs("doubt"))
    live.no_fault("dropped", "http")
    equal([row["run"] for row in doubts], [number], "a POST whose answer is lost is listed for a person")
    equal(grown(live, before), {"requests": 1, "done": 1, "repeated": 0}, "and was not sent again")
    live.cli("job", "revive", doubts[0]["id"], "--resend")
    ended(live, number, "done")
    equal(grown(live, before), {"requests": 2, "done": 2, "repeated": 1},
          "sent again by a person it carries the same Idempotency-Key")


def test_lost_get(live):
    before = counts(live)
    live.fault("dropped", "http")
    number = begin(live, "getter", id="a b/../c")
    wait_until("the first answer is lost", lambda: grown(live, before)["done"] >= 1)
    live.no_fault("dropped", "http")
    result = step_of(ended(live, number, "done"))["result"]
    equal(live.jobs("doubt"), [], "a GET whose answer is lost is in no doubt")
    check(grown(live, before)["done"] >= 2, "it is asked again")
    equal(result["body"]["path"], "/echo/things/a%20b%2F..%2Fc", "and an id in the address stays one piece of it")


def test_failures(live):
    before = counts(live)
    live.fault("internal", "http")
    number = begin(live, "poster", n=7)
    wait_until("the first 500", lambda: grown(live, before)["requests"] >= 1)
    live.no_fault("internal", "http")
    ended(live, number, "done")
    equal(grown(live, before)["done"], 1, "a POST answered 500 is sent again until it is done")
    live.fault("retry-after", "http")
    before = counts(live)
    number = begin(live, "poster", n=8)
    wait_until("the first 429", lambda: grown(live, before)["requests"] >= 1)
    live.no_fault("retry-after", "http")
    ended(live, number, "done")
    equal(grown(live, before)["done"], 1, "after 429 it waits as long as it was asked to, and is done")
    before = counts(live)
    step = step_of(ended(live, begin(live, "wherever", url=f"{live.base}/echo/status/404"), "failed"))
    check("HTTP 404" in json.dumps(step), "404 is the end, and says so")
    step = step_of(ended(live, begin(live, "wherever", url=f"{live.base}/echo/redirect"), "failed"))
    check("redirects" in json.dumps(step), "a redirect is not followed")
    equal(grown(live, before)["requests"], 2, "both were asked once")


def test_injection(live):
    before = counts(live)
    for note in ("a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\r\n\r\nGET /echo/evil HTTP/1.1"):
        found = ended(live, begin(live, "noted", note=note), "failed")
        check("X-Note" in json.dumps(step_of(found)), f"a header of {note!r} is refused by its name")
    for url in ("http://127.0.0.1:1/echo/x", f"http://127.0.0.1:{live.cloud_port}@127.0.0.2/", "file:///etc/passwd",
                f"https://127.0.0.1:{live.cloud_port}/echo/x", f"{live.base}/echo/x\r\nX-Evil: 1",
                f"{live.base}/echo/x y", f"{live.base}\\@127.0.0.2/echo/"):
        ended(live, begin(live, "wherever", url=url), "failed")
    equal(grown(live, before)["requests"], 0, "nothing of that was ever sent")
    step = step_of(ended(live, begin(live, "noted", note="fine"), "done"))
    equal(step["result"]["status"], 200, "and a plain note is")


def test_a_stranger_does_not_load(live):
    good = dict(live.workflows)
    for what, text, words in (
            ("a host that is not listed", workflow("poster", "https://evil.example/x"),
             ["poster.yaml:7", '"evil.example" is not listed under http_hosts', f"127.0.0.1:{live.cloud_port}"]),
            ("http where https belongs", workflow("poster", "http://api.example.com/x"), ["not listed as plain"]),
            ("the secret of another host", workflow("poster", "https://api.example.com/x", ", secret: echo/token"),
             ["does not belong to"])):
        live.workflows["poster"] = text
        path = live.write_config()
        done = subprocess.run([BIN / "purserd", "--check", "--config", path], capture_output=True, text=True,
                              timeout=60, check=False)
        if done.returncode != 3 or not all(word in done.stderr for word in words):
            raise Failed(f"{what}: code {done.returncode}: {done.stderr!r}")
        check(True, f"{what}: {done.stderr.strip().split(': ', 2)[2]}")
    live.workflows = good
    live.write_config()


def test(live):
    live.base = f"http://127.0.0.1:{live.cloud_port}"
    live.secrets["echo.token"] = "token-of-the-echo-service"
    write_secret(live.folder / "secrets/echo.token", live.secrets["echo.token"])
    live.sections["limits"] = LIMITS + "  http/default: {window: {count: 100000, per: 1m}, concurrency: 8}\n"
    live.sections["http_hosts"] = f"""
http_hosts:
  "127.0.0.1:{live.cloud_port}": {{plain: true, secret: echo/token}}
  api.example.com: {{}}
"""
    live.workflows["poster"] = workflow("poster", f"{live.base}/echo/orders",
                                        ', method: POST, body: "{{ trigger.body }}", secret: echo/token')
    live.workflows["getter"] = workflow("getter", f"{live.base}/echo/things/{{{{ urlencode(trigger.body.id) }}}}")
    live.workflows["wherever"] = workflow("wherever", "{{ trigger.body.url }}")
    live.workflows["noted"] = workflow("noted", f"{live.base}/echo/notes",
                                       ', headers: {X-Note: "{{ trigger.body.note }}"}')
    test_a_stranger_does_not_load(live)
    live.start()
    for part in (test_post, test_lost_post, test_lost_get, test_failures, test_injection):
        part(live)
    equal(live.cli("store", "check")["clean"], True, "the store is whole")
    equal(live.stop_daemon(), 0, "purserd stops in order")


run(test)
