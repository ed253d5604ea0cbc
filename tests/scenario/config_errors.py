#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# CTEST
"""Mistakes in configuration and workflows: purserd names file, line and column and what would be right, starts nothing
and ends with 3. Secrets are looked at when they are used: what is wrong with one is told there."""
import json
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from live import BIN, COUNTING, HOOKS, LIMITS, MODES, Failed, check, equal, run, wait_until, write_secret  # noqa: E402

NOT_STARTED = 3


def purserd(*words):
    return subprocess.run([BIN / "purserd", *words], capture_output=True, text=True, timeout=60, check=False)


def place_of(path, needle):
    """LINE:COLUMN of the first place where the text stands."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if needle in line:
            return f"{number}:{line.index(needle) + 1}"
    raise Failed(f"the test looks for {needle!r}, which is not in {path}")


class Mistakes:
    def __init__(self, live):
        self.live = live
        self.good = (dict(live.settings), dict(live.sections), dict(live.workflows))

    def find(self, what, needle, words, file="purser.yaml", **change):
        """With `change` made, purserd names the place of `needle` and all `words`."""
        live = self.live
        live.settings, live.sections, live.workflows = (dict(part) for part in self.good)
        for part, values in change.items():
            getattr(live, part).update(values)
        live.write_config()
        path = live.folder / file
        wanted = f"{path}:{place_of(path, needle)}: "
        for options in (["--check"], []):
            done = purserd("--config", live.folder / "purser.yaml", *options)
            if done.returncode != NOT_STARTED or wanted not in done.stderr:
                raise Failed(f"{what}: code {done.returncode}, wanted {NOT_STARTED} and {wanted!r}: {done.stderr!r}")
            for word in words:
                if word not in done.stderr:
                    raise Failed(f"{what}: {word!r} is not named: {done.stderr!r}")
        check(True, f"{what}: {done.stderr.strip().split(': ', 2)[2]}")


def test_settings(mistakes):
    for what, needle, words, values in (
            ("an unknown key", "http_prot", ['"http_prot"', '"http_port"'], {"http_prot": 1}),
            ("a number out of range", "9000", ["box", "8191"], {"box": 9000}),
            ("a word where a number belongs", "many", ["publish_window"], {"publish_window": "many"}),
            ("a size without a unit that exists", "5KB", ["payload_bytes_max"], {"payload_bytes_max": "5KB"}),
            ("yes for a flag", "yes", ["true", "false"], {"mail_starttls": "yes"}),
            ("a word that is no choice", "loud", ["log_level", "debug"], {"log_level": "loud"}),
            ("a zone that does not exist", "Europe/Nowhere", ["shop_zone"], {"shop_zone": "Europe/Nowhere"}),
            ("clear http to a real host", "http://gemini.example", ["gemini_url"],
             {"gemini_url": "http://gemini.example"})):
        mistakes.find(what, needle, words, settings=values)


def test_sections(mistakes):
    find = mistakes.find
    find("an unknown scheme", "shopfy", ["shopify", "hmac-sha256"],
         sections={"hooks": HOOKS.replace("scheme: shopify", "scheme: shopfy")})
    find("an unknown key of a hook", "sekret", ['"secret"'],
         sections={"hooks": HOOKS.replace("secret: stock", "sekret: stock")})
    find("a hook without a topic", "shopify-orders:", ["topic"],
         sections={"hooks": re.sub(r"(?m)^    topics:.*\n", "", HOOKS)})
    find("a limit of an unknown service", "gemnii/default", ["gemini"],
         sections={"limits": LIMITS.replace("gemini/", "gemnii/")})
    find("a mode of an unknown workflow", "order-confirmtion", ["order-confirmation"],
         sections={"modes": MODES.replace("confirmation", "confirmtion")})
    find("a mode that is none", "lively", ["live", "shadow", "off"],
         sections={"modes": MODES.replace("live", "lively")})
    find("a key given twice", "shop_zone: UTC", ["shop_zone"], sections={"modes": f"{MODES}shop_zone: UTC\n"},
         settings={"shop_zone": "Europe/Berlin"})


def test_workflows(mistakes):
    def find(what, needle, words, text):
        mistakes.find(what, needle, words, file="workflows/counting.yaml", workflows={"counting": text})

    find("an unknown field", "modes", ['"mode"'], COUNTING.replace("mode:", "modes:"))
    find("an unknown skill", "cuont", ["count"], COUNTING.replace("count:", "cuont:"))
    find("a bad cron", '"0 25 * * *', ["hour", "0-23"],
         COUNTING.replace("queue: ordered", 'schedule: {cron: "0 25 * * *"}'))
    find("a schedule that never fires", '"0 0 30 2 *', ["never"],
         COUNTING.replace("queue: ordered", 'schedule: {cron: "0 0 30 2 *"}'))
    find("an unknown queue", "improts", ["imports"], COUNTING.replace("imports\n", "improts\n", 1))
    find("an unknown webhook", "shopfy-orders", ["shopify-orders"],
         COUNTING.replace("queue: imports", "webhook: shopfy-orders"))
    find("an expression without quotes", "{{", ["quotes"], COUNTING.replace('"{{', "{{").replace('}}"', "}}"))
    find("an unknown name in an expression", "triger", ["trigger"], COUNTING.replace("trigger", "triger"))
    find("a tab", "\tbook", ["YAML"], COUNTING.replace("count: {book", "count:\n\tbook"))


def test_no_file(live):
    done = purserd("--config", live.folder / "none.yaml")
    check(done.returncode == NOT_STARTED and "none.yaml" in done.stderr, f"no file: {done.stderr.strip()}")
    for words in (["--frobnicate"], ["--print", "nothing"], ["extra"]):
        equal(purserd(*words).returncode, 2, f"purserd {' '.join(words)}: 2")


def test_secrets(live, mistakes):
    """A missing secret, or one that others can read: the endpoint says 503, and a person hears which and why."""
    live.settings, live.sections, live.workflows = mistakes.good
    path = live.folder / "secrets/shopify.webhook"
    path.unlink()
    live.start_daemon()
    body = json.dumps({"id": 1}).encode()
    status, headers, text = live.hook(body)
    check(status == 503 and "Retry-After" in headers and "secret" in text, "a missing secret: 503, send it again later")
    check("shopify/webhook" in live.log_text() and "0600" in live.log_text(),
          "the log names it and what would be right")
    equal(live.metric("purser_hooks_refused_total", error="no-secret"), 1, "and it is counted")
    check(live.secrets["stock.webhook"] not in live.log_text(), "no value of a secret is in the log")
    signature = live.sign(body, "stock.webhook").hex()
    equal(live.hook(body, path="/hooks/stock", headers={"X-Signature-256": signature})[0], 200,
          "the other endpoint works all the same")
    write_secret(path, live.secrets["shopify.webhook"])
    wait_until("the secret is found without a restart", lambda: live.hook(body)[0] == 200)
    check(True, "once the file is there it is used, without a restart")
    equal(live.stop_daemon(), 0, "purserd stops in order")
    os.chmod(path, 0o644)
    live.start_daemon()
    equal(live.hook(json.dumps({"id": 2}).encode())[0], 503, "a secret that others can read is not used")
    check("chmod 600" in live.log_text(), "and the log says what to do")
    equal(live.stop_daemon(), 0, "purserd stops in order")


def test(live):
    mistakes = Mistakes(live)
    live.write_config()
    done = purserd("--config", live.folder / "purser.yaml", "--check")
    equal((done.returncode, done.stderr), (0, ""), "a good configuration passes --check")
    equal("warning: secret" in done.stdout, False, "with all secrets there is nothing to warn of")
    hidden = live.folder / "secrets" / "shopify.webhook"
    hidden.rename(live.folder / "kept")
    done = purserd("--config", live.folder / "purser.yaml", "--check")
    (live.folder / "kept").rename(hidden)
    warned = "warning: secret shopify/webhook" in done.stdout
    equal((done.returncode, warned), (0, True), "--check names a missing secret")
    test_settings(mistakes)
    test_sections(mistakes)
    test_workflows(mistakes)
    test_no_file(live)
    test_secrets(live, mistakes)


run(test)
