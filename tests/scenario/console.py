#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# CTEST
"""Every console command against a working daemon: tables for people, JSON for programs, exit codes as documented
(0 done, 1 refused, 2 not understood, 3 no daemon there, 4 no answer in time)."""
import json
import os
import pathlib
import re
import signal
import stat
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from live import BIN, DATA, ROOT, Failed, check, equal, run, wait_until  # noqa: E402

NOBODY = 4611686018427387904  # an id that was never given
ONCE = {"job revive", "job cancel", "run cancel", "approve", "reject", "approval edit", "approval later",
        "calendar remove"}  # refused a second time
CHANNELS = """
channels:
  pictures: {slots: ["0 9 * * *", "0 19 * * *"], zone: Europe/Berlin}
"""
ASKED = """workflow: asked
mode: live
on: [manual: true]
steps:
  - {id: ok, approve: "{{ trigger.body.text }}"}
"""
CHOSEN = """workflow: chosen
mode: live
on:
  - manual: true
  - schedule: {cron: "0 3 29 2 *"}
steps:
  - {id: choose, variant: {experiment: captions, variants: {short: 1, long: 1}, unit: "{{ run.id }}"}}
"""


def test_commands(live, said):
    """`said`: for each command its words and a field that its JSON has."""
    table = (ROOT / "proto/commands.def").read_text(encoding="utf-8")
    commands = set(re.findall(r'(?m)^COMMAND\(\w+, "([a-z ]+)"', table))
    equal(set(said), commands - {"stop", "metrics"}, "every command of the table is tried here (stop, metrics: below)")
    for command, (words, field) in said.items():
        answer = live.cli(*words)
        check(field in answer, f"purser --json {command}: JSON with {field}")
        code, out, problem = live.console(*words)
        if command in ONCE:
            equal(code, 1, f"purser {command} a second time: refused")
            continue
        equal((code, problem), (0, ""), f"purser {command}: exit code 0")
        check(out.strip() != "" and not out.lstrip().startswith(("{", "[")), f"purser {command}: not JSON for people")


def begin(live, workflow, body):
    return live.cli("workflow", "run", workflow, "--input", json.dumps(body))["run"]


def test_people(live, run_id):
    """What nests is laid out, not printed as JSON."""
    live.cli("calendar", "add", "pictures", "A picture", "--title", "Tea", "--at", "2030-01-02T09:00")
    week = live.console("calendar", "--from", "2030-01-01")[1]
    check(re.search(r"(?m)^Wed 2030-01-02  09:00  #\d+ Tea$", week), "the week: a day, a slot and what stands in it")
    month = live.console("calendar", "--from", "2030-01-01", "--view", "month")[1]
    check("02 1/2" in month and "61 slots are free, the first 2030-01-01T09:00:00+01:00" in month,
          "the month: how many of a day's slots are taken, and what is free")
    whole = live.console("run", "show", run_id, "--whole")[1]
    check("this text is longer than a table's cell " * 9 in whole, "run show --whole: nothing is cut")
    for words in (["calendar"], ["schedules", "--count", 3], ["workflows"], ["run", "show", run_id],
                  ["run", "diff", run_id, run_id], ["experiment", "show", "captions"]):
        out = live.console(*words)[1]
        check("[" not in out and "{" not in out, f"purser {' '.join(map(str, words))}: no JSON in it")


def issue_words(live):
    """The commands of workflows, schedules, calendar and approvals, and what they need."""
    text = "this text is longer than a table's cell " * 9
    asked = [begin(live, "asked", {"text": text}) for _ in range(5)]
    chosen = [begin(live, "chosen", {}) for _ in range(2)]
    wait_until("five approvals are asked for", lambda: len(live.cli("approvals")["approvals"]) == 5)
    wait_until("the chosen are done",
               lambda: len(live.cli("runs", "--workflow", "chosen", "--state", "done")["runs"]) == 2)
    ids = sorted(row["id"] for row in live.cli("approvals")["approvals"])
    entries = [live.cli("calendar", "add", "pictures", f"text {number}")["id"] for number in range(3)]
    files = [live.folder / "workflows" / f"{name}.yaml" for name in ("order-confirmation", "chosen")]
    export = live.folder / "plan.ics"
    export.write_text(live.cli("calendar", "export")["ics"], encoding="utf-8")
    test_people(live, asked[0])
    return {
        "workflows": (["workflows"], "workflows"), "workflow run": (["workflow", "run", "chosen"], "run"),
        "workflow reload": (["workflow", "reload"], "unchanged"),
        "workflow check": (["workflow", "check", *files], "files"),
        "workflow test": (["workflow", "test", files[0]], "passed"),
        "workflow diff": (["workflow", "diff", *files], "steps"),
        "workflow shadow": (["workflow", "shadow", files[1]], "differing"),
        "run replay": (["run", "replay", chosen[0], "--from", "choose"], "run"),
        "run diff": (["run", "diff", *chosen], "steps"), "run cancel": (["run", "cancel", asked[4]], "message"),
        "schedules": (["schedules"], "schedules"), "schedule next": (["schedule", "next", "@daily"], "times"),
        "schedule explain": (["schedule", "explain", "@daily"], "words"), "expr": (["expr", "'a' .. 'b'"], "ab"),
        "calendar": (["calendar"], "channels"), "calendar drafts": (["calendar", "drafts"], "drafts"),
        "calendar add": (["calendar", "add", "pictures", "x"], "id"),
        "calendar move": (["calendar", "move", entries[0], "--at", "2030-03-01T09:00"], "slot"),
        "calendar edit": (["calendar", "edit", entries[1], "--text", "y"], "id"),
        "calendar remove": (["calendar", "remove", entries[2]], "removed"),
        "calendar export": (["calendar", "export"], "ics"),
        "calendar import": (["calendar", "import", "pictures", f"@{export}"], "unchanged"),
        "approvals": (["approvals"], "approvals"), "approval show": (["approval", "show", ids[0]], "content"),
        "approval edit": (["approval", "edit", ids[0], "Another"], "message"),
        "approval later": (["approval", "later", ids[1]], "message"), "approve": (["approve", ids[2]], "message"),
        "reject": (["reject", ids[3]], "message"), "experiments": (["experiments"], "experiments"),
        "experiment show": (["experiment", "show", "captions"], "metrics")}


def test_list_arguments(live):
    equal(len(live.cli("runs", "--limit", 1)["runs"]), 1, "runs --limit 1: one row")
    equal(live.cli("runs", "--workflow", "none")["runs"], [], "runs of an unknown workflow: none")
    equal({row["workflow"] for row in live.cli("runs", "--workflow=counting")["runs"]}, {"counting"},
          "runs --workflow=counting: only these")
    check(all(row["state"] == "doubt" for row in live.jobs("doubt")), "jobs --state doubt: only these")
    equal(live.cli("jobs", "--queue", "imports")["jobs"], [], "jobs --queue imports: none left")
    equal(list(live.cli("books", "--book", "revenue")["books"]), ["revenue"], "books --book revenue: only this one")


def test_push(live):
    path = live.folder / "job.json"
    path.write_text('{"amount": 3}', encoding="utf-8")
    before = live.books()["imports", ""]
    check("job" in live.cli("push", "imports", f"@{path}"), "push from a file")
    for words in (["push", "imports", '{"amount": 4}', "--id", "same"],) * 2:
        live.cli(*words)
    check(live.cli("--endpoint", f"tcp://127.0.0.1:{live.producer_port}", "push", "imports",
                   '{"amount": 5}')["outcome"] == "accepted", "push by the producers' door")
    live.cli("push", "ordered", '{"amount": 6}', "--key", "k")
    live.wait_idle()
    equal(live.books()["imports", ""] - before, 3 + 4 + 5 + 6, "what was pushed was worked off once")
    for what, words in (("an unknown queue", ["nowhere", "{}"]), ("a payload that is no JSON", ["imports", "{"]),
                        ("a key without order", ["imports", "{}", "--key", "k"])):
        code, _, problem = live.console("push", *words)
        check(code == 1 and problem.startswith("purser: "), f"push of {what}: 1, and says why: {problem.strip()}")


def test_usage(live):
    """What is not understood: 2, with the nearest right word."""
    for words, hint in ((["stauts"], "status"), (["job", "shwo", "1"], "job show"), (["job"], "job show"),
                        (["job", "show"], "id"), (["job", "show", "x"], "number"),
                        (["jobs", "--stat", "dead"], "state"),
                        (["jobs", "--limit", "many"], "limit"), (["status", "extra"], "extra"),
                        (["push", "imports", "@/nowhere/at/all"], "/nowhere/at/all"),
                        (["--timeout", "soon", "status"], "--timeout"), (["--socket"], "--socket")):
        code, _, problem = live.console(*words)
        check(code == 2 and problem.startswith("purser: ") and hint in problem,
              f"purser {' '.join(words)}: 2, naming {hint}: {problem.strip()}")
    for words in (["help"], ["--help"], ["help", "push"], ["--version"]):
        code, out, problem = live.console(*words)
        check((code, problem) == (0, "") and out, f"purser {' '.join(words)}: 0")
    check("Exit codes: 0 done, 1" in live.console("help")[1], "the help documents the exit codes")


def test_refusals(live):
    for words in (["job", "show", NOBODY], ["job", "revive", NOBODY], ["run", "show", NOBODY],
                  ["jobs", "--state", "odd"]):
        code, out, problem = live.console("--json", *words)
        check(code == 1 and problem.startswith("purser: ") and json.loads(out)["message"],
              f"purser {' '.join(map(str, words))}: 1, with a message")


def test_doubt(live, doubtful):
    """An owner lets a mail go again whose first one did arrive: that is the owner's decision."""
    def copies():
        return sum(f"-{doubtful}." in mail["Message-ID"] for mail in live.mails())

    equal(copies(), 1, "a doubtful mail that did arrive")
    live.cli("job", "revive", doubtful, "--resend")
    wait_until("the mail goes again, with the Message-ID it had", lambda: copies() == 2)
    check(True, "revived with --resend it goes again, with the Message-ID it had")


def test_shell(live):
    """Without a command a terminal gets a prompt, anything else a hint."""
    done = subprocess.run([BIN / "purser", "--socket", live.socket_path], input="status\n",
                          capture_output=True, text=True, check=False)
    equal(done.returncode, 2, "no command and no terminal: 2")
    main, side = os.openpty()
    shell = subprocess.Popen([BIN / "purser", "--socket", live.socket_path], stdin=side, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT)
    os.close(side)
    os.write(main, b"status\nnonsense\nrun\nlimits --json\nexit\n")
    out = shell.communicate(timeout=30)[0].decode()
    os.close(main)
    equal(shell.returncode, 0, "the prompt ends with 0")
    check("ingress" in out and '"gates"' in out, "the prompt carries out commands and goes on after a mistake")


def test_socket(live):
    mode = stat.S_IMODE(os.stat(live.socket_path).st_mode)
    equal(oct(mode), "0o600", "the control socket is the owner's alone")


def answer_hello_only(path, stop):
    """A daemon that welcomes and then says nothing more."""
    import msgpack
    import zmq
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        router.linger = 0
        router.bind(f"ipc://{path}")
        while not stop.is_set():
            if router.poll(50):
                peer, message = router.recv_multipart()
                name, sequence = msgpack.unpackb(message)[:2]
                if name == "hello":
                    router.send_multipart([peer, msgpack.packb(["welcome", sequence, 1, "silent", 1 << 20, 256])])


def test_silent_daemon(live):
    path, stop = live.folder / "silent.sock", threading.Event()
    thread = threading.Thread(target=answer_hello_only, args=(path, stop))
    thread.start()
    try:
        wait_until("the silent daemon is there", path.exists)
        done = subprocess.run([BIN / "purser", "--socket", path, "--timeout", "1", "status"], capture_output=True,
                              text=True, timeout=60, check=False)
    finally:
        stop.set()
        thread.join()
    check(done.returncode == 4 and done.stderr.startswith("purser: "),
          f"a daemon that does not answer in time: 4: {done.stderr.strip()}")


def test_no_daemon(live):
    pid = live.engine_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        code, _, problem = live.console("--timeout", "1", "status")
    finally:
        os.kill(pid, signal.SIGCONT)
    check(code == 3 and problem.startswith("purser: "), f"a daemon that does not even greet: 3: {problem.strip()}")
    code, out, _ = live.console("--config", live.folder / "purser.yaml", "status")
    check(code == 0 and out, "the socket is found through --config")
    code, _, _ = live.console("stop")
    equal(code, 0, "purser stop: 0")
    equal(live.daemon.wait(timeout=60), 0, "and the daemon ends with 0")
    code, _, problem = live.console("status")
    check(code == 3 and problem.startswith("purser: "), f"no daemon there: 3: {problem.strip()}")


def test(live):
    live.sections["channels"] = CHANNELS
    live.workflows.update(asked=ASKED, chosen=CHOSEN)
    live.start()
    live.mail_mode(drop_kept=1.0)
    order = json.loads((DATA / "shopify/orders_create_paid.shopify-app-js.json").read_bytes())
    for number, address in enumerate(("a@customers.example", "b@customers.example", "c@customers.example",
                                      "bounce@customers.example")):
        live.hook(json.dumps(dict(order, id=number + 1, email=address)).encode())
    live.push("imports", {"amount": 1})
    live.wait_idle()
    wait_until("three doubts and one dead", lambda: (len(live.jobs("doubt")), len(live.jobs("dead"))) == (3, 1))
    live.mail_mode()
    doubtful, dead = [row["id"] for row in live.jobs("doubt")], live.jobs("dead")[0]["id"]
    if not live.jobs("doubt")[0].get("run"):
        raise Failed("a job does not name its run")
    newest = live.cli("runs")["runs"][0]["run"]
    test_refusals(live)
    test_list_arguments(live)
    test_doubt(live, doubtful[2])
    test_push(live)
    test_commands(live, {
        "status": (["status"], "queues"), "jobs": (["jobs"], "jobs"),
        "job show": (["job", "show", doubtful[0]], "state"),
        "runs": (["runs"], "runs"), "run show": (["run", "show", newest], "steps"), "books": (["books"], "books"),
        "push": (["push", "imports", '{"amount": 0}'], "job"), "limits": (["limits"], "gates"),
        "limit try": (["limit", "try", "smtp"], "allowed"),
        "store check": (["store", "check"], "clean"), "job cancel": (["job", "cancel", dead], "done"),
        "job revive": (["job", "revive", doubtful[1], "--resend"], "done"), **issue_words(live)})
    test_usage(live)
    test_shell(live)
    test_socket(live)
    test_silent_daemon(live)
    test_no_daemon(live)


run(test)
