#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# CTEST
"""A Bot API that somebody else wrote (npm: telegram-test-api): questions, presses and edits pass through it, and it
keeps no call open. The package is installed below the build folder; that needs npm and a registry, and without them
this test fails rather than being passed over."""
import json
import pathlib
import shutil
import subprocess
import sys
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from live import BUILD, Failed, check, equal, free_port, run, wait_until, write_secret  # noqa: E402

PACKAGE = "telegram-test-api@4.2.1"
FOLDER = BUILD / "npm-telegram"
ANN, TOKEN = 4201, "666:foreign_token"
SERVER = """
const TelegramServer = require('telegram-test-api');
const server = new TelegramServer({port: Number(process.argv[2]), host: '127.0.0.1', storeTimeout: 3600});
server.start().then(() => console.log('listening'));
"""
WORKFLOW = """# SPDX-License-Identifier: MIT
workflow: ask
mode: live
on:
  - manual: true
steps:
  - id: ok
    approve: "{{ trigger.body.text }}"
  - id: mail
    when: "{{ steps.ok.result.approved }}"
    email: "owner@shop.example"
    with: {subject: "Approved", text: "{{ steps.ok.result.content }}"}
"""


def install():
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        raise Failed("npm and node are needed for telegram-test-api (Debian packages nodejs and npm)")
    marker = FOLDER / "installed"
    if not marker.exists() or marker.read_text(encoding="utf-8") != PACKAGE:
        FOLDER.mkdir(parents=True, exist_ok=True)
        (FOLDER / "package.json").write_text('{"private": true}', encoding="utf-8")
        done = subprocess.run([npm, "install", "--no-audit", "--no-fund", PACKAGE], cwd=FOLDER, capture_output=True,
                              text=True, timeout=400, check=False)
        if done.returncode != 0:
            raise Failed(f"npm cannot install {PACKAGE}: {(done.stderr or done.stdout).strip()[-600:]}")
        marker.write_text(PACKAGE, encoding="utf-8")
    (FOLDER / "serve.js").write_text(SERVER, encoding="utf-8")
    return node


class Foreign:
    """The server, and a user of it."""

    def __init__(self, live):
        self.port, self.seen = free_port(), []
        self.process = live.spawn("foreign", install(), FOLDER / "serve.js", self.port)
        live.wait_for_port("telegram-test-api", self.process, self.port)

    def close(self):
        self.process.kill()
        self.process.wait()

    def post(self, path, body):
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}/{path}", json.dumps(body).encode(),
                                       {"Content-Type": "application/json"})
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return json.loads(answer.read())

    def messages(self):
        """What the bot has sent to the user, as it stands now."""
        answer = self.post("getUpdatesHistory", {"token": TOKEN, "chatId": ANN})
        return [update for update in answer["result"] if str(update.get("message", {}).get("chat_id")) == str(ANN)]

    def press(self, message, data):
        user = {"id": ANN, "is_bot": False, "first_name": "Ann"}
        chat = {"id": ANN, "type": "private", "first_name": "Ann"}
        self.post("sendCallback", {"botToken": TOKEN, "from": user, "data": data,
                                   "message": {"message_id": message["messageId"], "chat": chat,
                                               "text": message["message"]["text"]}})


def question(foreign):
    for update in foreign.messages():
        markup = update["message"].get("reply_markup")
        markup = json.loads(markup) if isinstance(markup, str) else markup
        if markup and markup.get("inline_keyboard"):
            return update, markup["inline_keyboard"]
    return None


def test_talk(live, foreign):
    started = live.cli("workflow", "run", "ask", "--input", json.dumps({"text": "Fresh figs"}))["run"]
    asked, buttons = wait_until("the question has come", lambda: question(foreign))
    check("Fresh figs" in asked["message"]["text"], "it holds the text")
    equal([button["text"] for row in buttons for button in row], ["Approve", "Reject", "Edit", "Later"],
          "it has four buttons")
    for _ in range(3):
        foreign.press(asked, buttons[0][0]["callback_data"])
    wait_until("the run is done", lambda: live.cli("run", "show", started)["state"] == "done")
    live.wait_idle()
    equal(len(live.mails()), 1, "three presses are one mail")
    wait_until("the message was edited", lambda: any(
        "Approved by ann" in update["message"]["text"] for update in foreign.messages()))
    equal(live.jobs("dead"), [], "no job died")


def test(live):
    foreign = Foreign(live)
    try:
        live.settings |= {"telegram_url": f"http://127.0.0.1:{foreign.port}", "telegram_token": "telegram/token"}
        live.sections["limits"] += "  telegram/default: {window: {count: 1000, per: 1s}, concurrency: 8}\n"
        live.sections["approvers"] = f'\napprovers:\n  ann: {{telegram: "{ANN}", gets_asked: true}}\n'
        live.workflows["ask"] = WORKFLOW
        write_secret(live.folder / "secrets/telegram.token", TOKEN)
        live.start(cloud=False)
        test_talk(live, foreign)
    finally:
        foreign.close()


run(test)
