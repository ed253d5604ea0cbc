#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# CTEST
"""Rounds of kill -9 at random moments under load: webhooks, pushes, Gemini failing, the mail server's answers lost.

kill9.py [--rounds N] [--seed N]     6 rounds by default; 300 are the long run, about twelve minutes

At the end the faults stop and the work drains. Then: acknowledged jobs lost 0, mails doubled 0, every order with an
address has its mail or a listed doubt, every order stands in the table once, the books equal a recount."""
import argparse
import collections
import json
import os
import pathlib
import random
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from live import DATA, Failed, check, equal, run, say, wait_until  # noqa: E402

BODIES = [path for path in sorted((DATA / "shopify").glob("order*.json")) if path.stat().st_size < 20000]
GEMINI_FAULTS = ("outage", "internal", "overloaded", "garbage", "truncated", "html", "dropped", "limited")
ORDERS_PER_S, PUSHES_PER_S = 12, 40
ENGINE_KILLS_MAX = 2  # per guardian: after five deaths it would go to safe mode, and should
ANSWER_S = 1  # a push without an answer by then is sent again with its id
DRAIN_S = 300


class Load:
    """Sends until told to stop; what is not acknowledged is sent again, the same, as the outside world does."""

    def __init__(self, live, seed):
        self.live, self.random = live, random.Random(seed)
        self.stopping = threading.Event()
        self.problems = []
        self.orders = {}  # id: address or None; acknowledged ones
        self.pushes = {}  # id: amount; acknowledged ones
        self.repeats = collections.Counter()
        self.number = 0
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.guard, args=(work,)) for work in
                        (self.send_orders, self.send_orders, self.send_pushes)]

    def guard(self, work):
        try:
            work()
        except Exception as problem:  # a thread's end must not pass for silence
            self.problems.append(f"{work.__name__}: {problem!r}")

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(timeout=120)
            if thread.is_alive():
                self.problems.append("a sender did not end within two minutes")

    # --- orders ---

    def next_order(self):
        with self.lock:
            self.number += 1
            number, guest = self.number, self.random.random() < 0.1
            order = json.loads(self.random.choice(BODIES).read_bytes())
            amount = self.random.randrange(1, 1000000)
        key = 9007199254740993 + number
        address = None if guest else f"order{number}@customers.example"
        order.update(id=key, name=f"#K{number}", email=address, contact_email=address, currency="EUR",
                     total_price=f"{amount // 100}.{amount % 100:02}")
        if number % 3:
            order["customer"] = {"id": 9100000000000000000 + number % 500, "email": address}
        else:
            order["customer"] = None
        return str(key), address, order

    def deliver(self, body, topic, webhook_id):
        """Until it is acknowledged; a second acknowledged one must be as good as none."""
        while True:
            try:
                status, _, text = self.live.hook(body, topic=topic, webhook_id=webhook_id)
            except OSError:
                status = 0
            except Exception as problem:  # http.client has many names for a connection that died
                status = 0
                if "HTTPException" not in [kind.__name__ for kind in type(problem).__mro__]:
                    raise
            if status == 200:
                return
            if status not in (0, 503):
                raise Failed(f"a good webhook was answered {status}: {text}")
            self.repeats["webhooks"] += 1
            time.sleep(0.05)

    def send_orders(self):
        while not self.stopping.is_set():
            key, address, order = self.next_order()
            body = json.dumps(order).encode()
            self.deliver(body, "orders/create", f"create-{key}")
            self.orders[key] = address
            if self.random.random() < 0.3:
                self.deliver(body, "orders/create", f"create-{key}")
            if self.random.random() < 0.5:
                self.deliver(body, "orders/paid", f"paid-{key}")
            time.sleep(self.random.expovariate(ORDERS_PER_S / 2))

    # --- pushes ---

    def push_one(self, producer, key, amount):
        """Until it is acknowledged; the producer to go on with."""
        while True:
            try:
                producer = producer or self.live.producer(seconds=ANSWER_S)
                answer = producer.push("ordered", {"amount": amount}, id=key, key=f"key-{amount % 7}")
                if answer[0] in ("accepted", "duplicate"):
                    return producer
                if answer[0] == "refused" and answer[2] == "unsupported":
                    raise TimeoutError("a new engine, which wants to hear hello first")
                if answer[0] != "full":
                    raise ValueError(f"a good push was answered {answer}")
            except (TimeoutError, Failed):
                if producer:
                    producer.close()
                producer = None
            self.repeats["pushes"] += 1
            time.sleep(0.05)

    def send_pushes(self):
        producer, number = None, 0
        while not self.stopping.is_set():
            number += 1
            key, amount = f"push-{number}", self.random.randrange(1, 1000000)
            producer = self.push_one(producer, key, amount)
            self.pushes[key] = amount
            time.sleep(self.random.expovariate(PUSHES_PER_S))
        if producer:
            producer.close()


# --- rounds ---

def make_trouble(live, chance):
    for kind in GEMINI_FAULTS:
        live.no_fault(kind)
    live.fault(chance.choice(GEMINI_FAULTS), probability=chance.choice((0.2, 0.5, 1.0)), seconds=60)
    live.mail_mode(**chance.choice(({}, {"drop_kept": 0.05}, {"drop_lost": 0.05}, {"grey": 0.2})))


def stop_trouble(live):
    for kind in GEMINI_FAULTS:
        live.no_fault(kind)
    live.mail_mode()


def rounds(live, load, count, chance):
    """The times from kill to ready, in seconds."""
    times, engine_kills = [], 0
    for number in range(count):
        make_trouble(live, chance)
        time.sleep(chance.uniform(0.05, 1.2))
        who = "engine" if engine_kills < ENGINE_KILLS_MAX and chance.random() < 0.5 else "guardian"
        started = time.monotonic()
        live.kill9(who, wait=chance.random() < 0.5)  # a new guardian may come before the old engine is gone
        if who == "guardian":
            engine_kills = 0
            live.start_daemon()
        else:
            engine_kills += 1
            live.wait_ready()
        times.append(time.monotonic() - started)
        if load.problems:
            raise Failed(load.problems[0])
        if (number + 1) % 10 == 0:
            say(f"  round {number + 1}: {len(load.orders)} orders, {len(load.pushes)} pushes acknowledged")
    return sorted(times)


# --- the account ---

def job_of(mail):
    """The job's number in a Message-ID like <job-17.purser@shop.example>."""
    return int(mail["Message-ID"].split("-")[1].split(".")[0])


def doubts(live):
    return {row["id"] for row in live.jobs("doubt") if row["queue"] == "publish"}


def account_mails(live, load):
    mails = live.mails()
    doubtful = doubts(live)
    delivered = collections.Counter(job_of(mail) for mail in mails)
    addressed = collections.Counter(mail["X-Envelope-To"] for mail in mails)
    wanted = {address for address in load.orders.values() if address}
    doubled = [key for key, times in (delivered + addressed).items() if times > 1]
    equal(doubled, [], "mails doubled: 0")
    check(set(addressed) <= wanted, "every mail belongs to an acknowledged order")
    without = wanted - set(addressed)
    equal(len(set(delivered) | doubtful), len(wanted), f"mails delivered {len(mails)} + listed doubts without a mail "
          f"{len(doubtful - set(delivered))} = orders with an address {len(wanted)}")
    equal(len(without), len(doubtful - set(delivered)), "each order without a mail is a listed doubt")
    return len(mails), len(doubtful), len(doubtful & set(delivered))


def account_rows(live, load):
    kept = collections.Counter(key for (key,) in live.sql("SELECT order_id FROM orders"))
    equal(sorted(set(load.orders) - set(kept)), [], f"acknowledged orders lost: 0 of {len(load.orders)}")
    check(set(kept) <= set(load.orders) and max(kept.values(), default=1) == 1, "every order is in the table once")


def account_books(live, load):
    books = live.books()
    wanted = {("orders", ""): live.sql("SELECT count(*) FROM orders")[0][0],
              ("revenue", "EUR"): live.sql("SELECT sum(total) FROM orders")[0][0],
              ("new_customers", ""): live.sql("SELECT count(DISTINCT customer_id) FROM orders")[0][0],
              ("imports", ""): sum(load.pushes.values())}
    equal(books, wanted, f"the books equal a recount of rows and of {len(load.pushes)} acknowledged pushes")


def test_rounds(live, count, seed):
    chance = random.Random(seed)
    live.start()
    load = Load(live, seed + 1)
    load.start()
    try:
        times = rounds(live, load, count, chance)
    finally:
        load.stop()
    if load.problems:
        raise Failed(load.problems[0])
    stop_trouble(live)
    wait_until("all work is done after the faults", lambda: live.busy_jobs() == 0, DRAIN_S)
    live.wait_idle(DRAIN_S)
    account_rows(live, load)
    mails, doubtful, arrived = account_mails(live, load)
    account_books(live, load)
    equal(live.jobs("dead"), [], "no job was given up")
    equal(live.cli("store", "check")["clean"], True, "the store is whole")
    equal(live.stop_daemon(), 0, "purserd stops in order")
    p50, p99 = times[len(times) // 2], times[min(len(times) - 1, len(times) * 99 // 100)]
    say(f"kill9: rounds {count}, seed {seed}: orders {len(load.orders)}, pushes {len(load.pushes)}, lost 0, doubled 0, "
        f"mails {mails}, doubts {doubtful} (of them arrived {arrived}), sent again {dict(load.repeats)}, "
        f"kill to ready p50 {p50:.2f} s, p99 {p99:.2f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    options = parser.parse_args()
    say(f"seed {options.seed}")
    run(lambda live: test_rounds(live, options.rounds, options.seed))


main()
