#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Ten thousand runs that wait for an hour, in a real purserd: memory, disk, idle processor time, start with them, and
that none is gone after kill -9. usage: bench/open_runs.py FOLDER [RUNS]; PURSER_BUILD says which build."""
import os
import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/support"))
import live as lively  # noqa: E402

COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 10000
SENDERS = 16
IDLE_S = 10
TICKS = os.sysconf("SC_CLK_TCK")
WAITING = """workflow: waiting
mode: live
on:
  - queue: imports
steps:
  - {id: noted, log: noted}
  - {id: later, delay: 1h}
  - {id: counted, count: {book: woken}}
"""


def show(name, value, unit):
    print(f"{name} {value:.6g} {unit}", flush=True)


def memory(live, key):
    """KiB of the engine."""
    for line in pathlib.Path(f"/proc/{live.engine_pid()}/smaps_rollup").read_text().splitlines():
        if line.startswith(key + ":"):
            return float(line.split()[1])
    raise lively.Failed(f"no {key} in smaps_rollup")


def processor(live):
    """Seconds that guardian and engine have used."""
    total = 0
    for pid in (live.daemon.pid, live.engine_pid()):
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def open_runs(live):
    return next(row for row in live.cli("workflows")["workflows"] if row["workflow"] == "waiting")["open_runs"]


def waiting_jobs(live):
    return sum(row["waiting"] for row in live.cli("status")["queues"])


def send(live, count):
    with live.producer() as producer:
        for number in range(count):
            producer.push("imports", {"order": number, "name": "Harbour Tea", "total": "19.90"})


def push_all(live):
    senders = [threading.Thread(target=send, args=(live, COUNT // SENDERS)) for _ in range(SENDERS)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    lively.wait_until("all runs wait", lambda: waiting_jobs(live) == COUNT, 300)


def start_again(live):
    """Seconds until /healthz answered 200, and until /readyz did and every door was open."""
    start = time.monotonic()
    live.start_daemon(wait=False)
    healthy = None
    while healthy is None:
        try:
            if live.get("/healthz")[0] == 200:
                healthy = time.monotonic() - start
        except OSError:
            time.sleep(0.002)
    lively.wait_until("purserd is ready", live.ready)
    return healthy, time.monotonic() - start


def look(live, when):
    show(f"open-runs-rss-{when}", memory(live, "Rss"), "KiB")
    show(f"open-runs-anonymous-{when}", memory(live, "Anonymous"), "KiB")


def idle(live):
    before = processor(live)
    time.sleep(IDLE_S)
    show("open-runs-idle-cpu", (processor(live) - before) / IDLE_S * 100, "percent")


def check_all_open(live):
    lively.wait_until("the counts are there", lambda: waiting_jobs(live) == COUNT)
    if open_runs(live) != COUNT:
        raise lively.Failed(f"{open_runs(live)} runs are open, not {COUNT}")


def measure(live):
    live.workflows = {"waiting": WAITING}
    live.sections["modes"] = ""
    live.settings["store_bytes_max"] = "1GiB"
    show("open-runs-start-empty", start_again(live)[0] * 1e3, "ms")
    look(live, "before")
    before = live.metric("purser_store_used_bytes")
    start = time.monotonic()
    push_all(live)
    show("open-runs-begun", COUNT / (time.monotonic() - start), "runs/s")
    check_all_open(live)
    look(live, "after")
    lively.wait_until("the store has counted", lambda: live.metric("purser_store_used_bytes") > before)
    show("open-runs-disk", (live.metric("purser_store_used_bytes") - before) / COUNT, "bytes")
    idle(live)
    live.kill9("guardian")
    healthy, ready = start_again(live)
    show("open-runs-start", healthy * 1e3, "ms")
    show("open-runs-ready", ready * 1e3, "ms")
    check_all_open(live)
    show("open-runs-kept", open_runs(live), "runs")
    look(live, "restarted")
    if live.stop_daemon() != 0:
        raise lively.Failed("purserd did not stop in order")


def main():
    if len(sys.argv) < 2 or COUNT % SENDERS != 0:
        sys.exit(__doc__)
    live = lively.Live(folder=sys.argv[1])
    try:
        measure(live)
    finally:
        live.close()


main()
