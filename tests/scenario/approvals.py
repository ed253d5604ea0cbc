#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# CTEST: long
"""Approvals with a real daemon and a simulated Telegram: however often and by whomever a button is pressed, one yes is
one mail; a changed text voids what was agreed to; a crash between question and answer loses neither; time decides when
nobody does; and the record says who decided when."""
import json
import pathlib
import sys
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from live import check, equal, run, wait_until, write_secret  # noqa: E402

ANN, BOB, STRANGER, GROUP = 4201, 4202, 6666, -1007
TOKEN = "7000001:test_token-0123456789"

WORKFLOW = """# SPDX-License-Identifier: MIT
workflow: ask
mode: live
on:
  - manual: true
steps:
  - id: ok
    approve: "{{ trigger.body.text }}"
    with: {title: "A post", platform: instagram, reason: "low confidence", EXTRA}
  - id: mail
    when: "{{ steps.ok.result.approved }}"
    email: "owner@shop.example"
    with: {subject: "{{ trigger.body.name }}", text: "{{ steps.ok.result.content }}"}
"""
HEARD = """# SPDX-License-Identifier: MIT
workflow: heard
mode: live
on:
  - message: telegram
steps:
  - id: counted
    count: heard
"""


def control(live, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{live.cloud_port}/_cloud/{path}", data=data, timeout=30) as answer:
        return json.loads(answer.read())


def questions(live, name):
    """Messages of the bot that hold this text, oldest first."""
    return [message for message in control(live, "telegram")["messages"]
            if name in (message.get("text") or message.get("caption") or "")]


def open_question(live, name):
    return next((message for message in reversed(questions(live, name))
                 if (message.get("reply_markup") or {}).get("inline_keyboard")), None)


def press(live, user, message, button):
    control(live, "press", {"user": user, "chat": message["chat_id"], "message_id": message["message_id"],
                            "button": button})


def begin(live, workflow, name):
    given = json.dumps({"name": name, "text": f"Text of {name}"})
    return live.cli("workflow", "run", workflow, "--input", given)["run"]


def ask(live, workflow, name):
    """(run, the question's message in the group)."""
    started = begin(live, workflow, name)
    return started, wait_until(f"{name} is asked", lambda: open_question(live, name))


def mails_of(live, name):
    return [mail for mail in live.mails() if mail["Subject"] == name]


def approval_of(live, started, every=True):
    words = ["approvals"] + (["--all"] if every else [])
    return next((row for row in live.cli(*words)["approvals"] if row["run"] == started), None)


def state_of(live, started):
    return live.cli("run", "show", started)["state"]


def wait_state(live, started, state):
    wait_until(f"run {started} is {state}", lambda: state_of(live, started) == state)


def test_one_effect(live):
    started, message = ask(live, "ask-one", "five presses")
    equal(message["chat_id"], GROUP, "the question is asked in the group")
    check("instagram" in message["text"] and "low confidence" in message["text"], "it says where and why")
    check("{secret}" not in json.dumps(control(live, "telegram")), "no placeholder gets out")
    for _ in range(5):
        press(live, ANN, message, "Approve")
    wait_state(live, started, "done")
    wait_until("the mail is there", lambda: mails_of(live, "five presses"))
    live.wait_idle()
    equal(len(mails_of(live, "five presses")), 1, "five presses are one mail")
    wait_until("the message says how it ended",
               lambda: any("Approved by ann" in text["text"] for text in questions(live, "Text of five presses")))
    check(open_question(live, "five presses") is None, "its buttons are gone")
    shown = live.cli("approval", "show", approval_of(live, started)["id"])
    equal([(vote["verb"], vote["via"], vote["who"], vote["name"]) for vote in shown["votes"]],
          [("approve", "telegram", str(ANN), "ann")], "one vote is kept: who and where")
    check(shown["votes"][0]["at_ms"] > 1600000000000 and shown["decided_ms"] >= shown["asked_ms"], "and when")


def test_strangers(live):
    started, message = ask(live, "ask-one", "a stranger")
    press(live, STRANGER, message, "Approve")
    control(live, "say", {"user": STRANGER, "chat": STRANGER, "text": "approve it"})
    wait_until("both are ignored", lambda: live.metric("purser_telegram_ignored_total") >= 2)
    equal(state_of(live, started), "open", "the run still waits")
    wait_until("the stranger is told so", lambda: any("not on the list" in toast["text"]
                                                      for toast in control(live, "telegram")["toasts"]))
    check(str(STRANGER) not in live.log_text(), "nobody's id is in the log")
    press(live, ANN, message, "Reject")
    wait_state(live, started, "done")
    live.wait_idle()
    equal(mails_of(live, "a stranger"), [], "a rejected text is not sent")


def test_forged_data(live):
    started, message = ask(live, "ask-one", "forged")
    data = message["reply_markup"]["inline_keyboard"][0][0]["callback_data"]
    for forged in (data[:-1] + ("0" if data[-1] != "0" else "1"), "p:a:0000000000000000:0000000000000000", "x:y"):
        press(live, ANN, message, forged)
    wait_until("each is answered", lambda: live.metric("purser_telegram_updates_total") > 0 and any(
        "leads nowhere" in toast["text"] for toast in control(live, "telegram")["toasts"]))
    equal(state_of(live, started), "open", "data that was not ours decides nothing")
    live.cli("approve", approval_of(live, started)["id"], "--note", "seen at the desk")
    wait_state(live, started, "done")
    live.wait_idle()
    equal(len(mails_of(live, "forged")), 1, "the console's yes is one mail")
    shown = live.cli("approval", "show", approval_of(live, started)["id"])
    equal([(vote["via"], vote["who"], vote.get("note")) for vote in shown["votes"]],
          [("console", "console", "seen at the desk")], "the console's vote is kept with its note")


def test_edit(live):
    started, message = ask(live, "ask-one", "an edit")
    press(live, BOB, message, "Edit")
    prompt = wait_until("a new text is asked for", lambda: next(iter(
        text for text in questions(live, "Reply to this message") if "an edit" in text["text"]), None))
    control(live, "say", {"user": BOB, "chat": prompt["chat_id"], "text": "A better text of an edit",
                          "reply_to": prompt["message_id"]})
    newer = wait_until("the new text is asked about", lambda: open_question(live, "A better text of an edit"))
    wait_until("the old question lost its buttons", lambda: not any(
        text["message_id"] == message["message_id"] and (text.get("reply_markup") or {}).get("inline_keyboard")
        for text in control(live, "telegram")["messages"]))
    old = message["reply_markup"]["inline_keyboard"][0][0]["callback_data"]
    press(live, ANN, message, old)
    wait_until("an old button is told so", lambda: any("has changed" in toast["text"]
                                                       for toast in control(live, "telegram")["toasts"]))
    equal(state_of(live, started), "open", "a yes to the old text is none")
    press(live, ANN, newer, "Approve")
    wait_state(live, started, "done")
    wait_until("the mail is there", lambda: mails_of(live, "an edit"))
    check("A better text" in mails_of(live, "an edit")[0].get_body(("plain",)).get_content(), "the edited text is sent")


def test_two(live):
    started, message = ask(live, "ask-two", "two people")
    press(live, ANN, message, "Approve")
    press(live, ANN, message, "Approve")
    wait_until("the first yes is kept", lambda: approval_of(live, started)["yes"] == 1)
    equal(state_of(live, started), "open", "one person pressing twice is one person")
    press(live, BOB, message, "Approve")
    wait_state(live, started, "done")
    live.wait_idle()
    equal(len(mails_of(live, "two people")), 1, "two yes are one mail")


def test_crash(live):
    started, message = ask(live, "ask-one", "a crash")
    live.kill9("engine")
    press(live, ANN, message, "Approve")
    live.wait_ready()
    wait_state(live, started, "done")
    live.wait_idle()
    equal(len(mails_of(live, "a crash")), 1, "a yes that was given while nobody listened is one mail")


def test_crash_while_offline(live):
    control(live, "fault", {"service": "telegram", "kind": "outage", "for_ms": 3600000})
    started = begin(live, "ask-one", "no telegram")
    number = wait_until("it stands in the console", lambda: approval_of(live, started, every=False))["id"]
    live.kill9("engine")
    live.wait_ready()
    code, _, problem = live.console("approve", number, "--hash", "0123456789abcdef")
    check(code != 0 and "changed" in problem, "the console refuses a hash of another text")
    short = live.cli("approval", "show", number)["short_hash"]
    live.cli("approve", number, "--hash", short)
    wait_state(live, started, "done")
    code, _, problem = live.console("approve", number)
    check(code != 0, "a second yes is refused")
    code, _, problem = live.console("reject", number)
    check(code != 0 and "Too late" in problem, "and so is a no")
    code, _, problem = live.console("approve", 1)
    check(code != 0 and "there is no approval 1" in problem, "an unknown approval is said to be unknown")
    control(live, "fault", {"service": "telegram", "kind": "outage", "for_ms": 0, "probability": 0})
    live.wait_idle(120)
    equal(len(mails_of(live, "no telegram")), 1, "without Telegram the console decides")
    check(open_question(live, "no telegram") is None, "nobody is asked afterwards")


def test_messages(live):
    before = live.books().get(("heard", ""), 0)
    control(live, "say", {"user": ANN, "chat": GROUP, "text": "hello purser"})
    control(live, "say", {"user": BOB, "chat": BOB, "text": "me too"})
    wait_until("two messages began runs", lambda: live.books().get(("heard", ""), 0) == before + 2)


def test_expiry(live, yes, no):
    wait_state(live, yes, "done")
    wait_state(live, no, "done")
    live.wait_idle(120)
    equal(len(mails_of(live, "time says yes")), 1, "at_expiry approve sends")
    equal(mails_of(live, "time says no"), [], "at_expiry reject does not")
    equal({approval_of(live, run)["state"] for run in (yes, no)}, {"expired"}, "both have expired")


def test(live):
    live.settings |= {"telegram_url": f"http://127.0.0.1:{live.cloud_port}", "telegram_token": "telegram/token",
                      "telegram_chat": f'"{GROUP}"', "telegram_poll_ms": "1s"}
    live.sections["limits"] += "  telegram/default: {window: {count: 1000, per: 1s}, concurrency: 8}\n"
    live.sections["approvers"] = f'\napprovers:\n  ann: {{telegram: "{ANN}"}}\n  bob: {{telegram: "{BOB}"}}\n'
    for name, extra in (("ask-one", "expires: 24h"), ("ask-two", "approvers: 2"),
                        ("ask-yes", "expires: 60s, at_expiry: approve"), ("ask-no", "expires: 60s")):
        live.workflows[name] = WORKFLOW.replace("workflow: ask", f"workflow: {name}").replace("EXTRA", extra)
    live.workflows["heard"] = HEARD
    write_secret(live.folder / "secrets/telegram.token", TOKEN)
    live.start()
    yes, no = begin(live, "ask-yes", "time says yes"), begin(live, "ask-no", "time says no")
    test_one_effect(live)
    test_strangers(live)
    test_forged_data(live)
    test_edit(live)
    test_two(live)
    test_crash(live)
    test_crash_while_offline(live)
    test_messages(live)
    test_expiry(live, yes, no)
    check(TOKEN not in live.log_text() and "test_token" not in live.log_text(), "the token is in no log")
    equal(live.jobs("dead"), [], "no job died")


run(test)
