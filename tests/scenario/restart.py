#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# CTEST
"""Stopping and starting: an orderly stop under load, a second signal, a second daemon on the same data, a crash of the
engine with its record, and safe mode after too many of them. What was acknowledged is worked off whatever happened."""
import collections
import json
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from live import BIN, DATA, Failed, check, equal, run, wait_until  # noqa: E402

TEMPLATE = json.loads((DATA / "shopify/orders_create_paid.shopify-app-js.json").read_bytes())
DEATHS_MAX = 5  # in ten minutes; one more is safe mode


class Load:
    """Orders one after the other until told to stop; only acknowledged ones count."""

    def __init__(self, live, first):
        self.live, self.first = live, first
        self.acknowledged, self.answers = [], collections.Counter()
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.send)
        self.thread.start()

    def send(self):
        number = self.first
        while not self.stopping.is_set():
            body = json.dumps(dict(TEMPLATE, id=number, email=f"o{number}@customers.example")).encode()
            try:
                status = self.live.hook(body)[0]
            except Exception:  # refused, reset, cut off: the sender's view of a daemon that goes away
                status = 0
            self.answers[status] += 1
            if status == 200:
                self.acknowledged.append(number)
                number += 1
            else:
                time.sleep(0.01)

    def stop(self):
        self.stopping.set()
        self.thread.join(timeout=60)
        if self.thread.is_alive():
            raise Failed("the sender did not end")
        return self.acknowledged


def check_all_there(live, numbers, what):
    live.wait_idle(120)
    kept = {int(key) for (key,) in live.sql("SELECT order_id FROM orders")}
    equal([number for number in numbers if number not in kept], [], f"{what}: all {len(numbers)} orders are rows")
    doubtful = {row["id"] for row in live.jobs("doubt")}
    mails = collections.Counter(mail["X-Envelope-To"] for mail in live.mails())
    equal([to for to, count in mails.items() if count > 1], [], f"{what}: no mail is doubled")
    missing = [number for number in numbers if not mails[f"o{number}@customers.example"]]
    check(len(missing) <= len(doubtful), f"{what}: each has its mail or a listed doubt ({len(doubtful)})")
    odd = set(live.answers) - {0, 200, 503}
    equal(odd, set(), f"{what}: senders heard yes, not now, or nothing")


def test_stop_under_load(live, number, first):
    load = Load(live, first)
    wait_until("orders are coming in", lambda: len(load.acknowledged) > 20)
    started = time.monotonic()
    code = live.stop_daemon(number)
    took = time.monotonic() - started
    numbers = load.stop()
    live.answers.update(load.answers)
    equal(code, 0, f"{signal.Signals(number).name} under load: purserd ends with 0 (after {took:.1f} s)")
    check("stop" in live.log_text(), "the log says that it stopped")
    live.start_daemon()
    check_all_there(live, numbers, f"after {signal.Signals(number).name}")


def test_second_signal(live):
    """With work in hand that does not end (a mail server that is silent), a second signal ends at once."""
    load = Load(live, 20000)
    wait_until("orders are coming in", lambda: len(load.acknowledged) > 5)
    engine = live.wait_engine()
    live.daemon.send_signal(signal.SIGTERM)
    live.daemon.send_signal(signal.SIGTERM)
    code = live.daemon.wait(timeout=60)
    numbers = load.stop()
    live.answers.update(load.answers)
    check(code in (0, 5), f"two signals: purserd ends, with 0 or 5 (the stop was cut short): {code}")
    wait_until("its engine is gone too", lambda: not pathlib.Path(f"/proc/{engine}/exe").exists())
    live.start_daemon()
    check_all_there(live, numbers, "after two signals")


def test_second_daemon(live):
    done = subprocess.run([BIN / "purserd", "--config", live.folder / "purser.yaml"], capture_output=True, text=True,
                          timeout=60, check=False)
    check(done.returncode == 3 and "data" in done.stderr, f"a second daemon on the same data is refused: 3: "
          f"{done.stderr.strip().splitlines()[-1]}")
    other = live.folder / "other.yaml"
    text = re.sub(r"(?m)^(http|producer|metrics)_port:.*$", "", (live.folder / "purser.yaml").read_text())
    ports = "".join(f"{name}_port: {port + 1}\n" for name, port in (
        ("http", live.http_port), ("producer", live.producer_port), ("metrics", live.metrics_port)))
    other.write_text(f"{ports}control_socket: other.sock\n{text}", encoding="utf-8")
    done = subprocess.run([BIN / "purserd", "--config", other], capture_output=True, text=True, timeout=60, check=False)
    check(done.returncode == 3 and "data" in done.stderr, "also with ports and a socket of its own")
    free = "".join(line for line in ports.splitlines(True) if not line.startswith("http_port"))
    other.write_text(f"{free}control_socket: other.sock\n{text}\nhttp_port: {live.http_port}\n".replace(
        "data_dir: data\n", "data_dir: other\n"), encoding="utf-8")
    done = subprocess.run([BIN / "purserd", "--config", other], capture_output=True, text=True, timeout=60, check=False)
    check(done.returncode == 3 and str(live.http_port) in done.stderr, f"a port that is taken: 3, and it is named: "
          f"{next(line for line in done.stderr.splitlines() if 'listen' in line)}")
    equal(live.hook(json.dumps(dict(TEMPLATE, id=30000)).encode())[0], 200, "the first one works on")
    equal(live.console("status")[0], 0, "and answers the console")


def test_crash(live):
    load = Load(live, 40000)
    wait_until("orders are coming in", lambda: len(load.acknowledged) > 20)
    old = live.signal_engine(signal.SIGSEGV)
    record = live.folder / "data/panic"
    text = wait_until("the panic record is there", lambda: record.exists() and record.read_text(errors="replace"))
    for field in ("time: ", "version: ", f"signal: {signal.SIGSEGV.value}", "actor: ", "job: ", "backtrace:"):
        if field not in text:
            raise Failed(f"the panic record lacks {field!r}: {text}")
    check(True, "SEGV: the panic record tells time, version, signal, actor, job and backtrace")
    wait_until("the guardian has a new engine", lambda: live.engine_pid() not in (None, old))
    live.wait_ready()
    seen = len(load.acknowledged)
    wait_until("orders are coming in again", lambda: len(load.acknowledged) > seen + 20)
    numbers = load.stop()
    live.answers.update(load.answers)
    equal(live.daemon.poll(), None, "the guardian lives on")
    check_all_there(live, numbers, "after a crash")


def test_safe_mode(live):
    """After too many deaths work is taken in and kept, and nothing is handed out; a restart by a person ends it."""
    for _ in range(DEATHS_MAX + 1):
        old = live.signal_engine(signal.SIGKILL)
        wait_until("a new engine", lambda old=old: live.engine_pid() not in (None, old), 120)
    check("safe mode" in live.log_text(), f"{DEATHS_MAX + 1} deaths in ten minutes: safe mode, and the log says so")
    body = json.dumps(dict(TEMPLATE, id=50000, email="o50000@customers.example")).encode()
    wait_until("a webhook is taken in", lambda: hook_status(live, body) == 200, 120)
    time.sleep(1)
    check(live.sql("SELECT 1 FROM orders WHERE order_id = '50000'") == [], "safe mode: it is kept and not worked on")
    equal(live.stop_daemon(), 0, "purserd stops in order in safe mode")
    live.start_daemon()
    check_all_there(live, [50000], "after safe mode")


def hook_status(live, body):
    try:
        return live.hook(body)[0]
    except Exception:  # not listening yet
        return 0


def test(live):
    live.answers = collections.Counter()
    live.start()
    test_stop_under_load(live, signal.SIGTERM, 1)
    test_stop_under_load(live, signal.SIGINT, 10000)
    test_second_signal(live)
    test_second_daemon(live)
    test_crash(live)
    equal(live.stop_daemon(), 0, "purserd stops in order")
    live.start_daemon()
    test_safe_mode(live)
    equal(live.jobs("dead"), [], "no job was given up")
    equal(live.cli("store", "check")["clean"], True, "the store is whole")
    equal(live.stop_daemon(), 0, "purserd stops in order")


run(test)
