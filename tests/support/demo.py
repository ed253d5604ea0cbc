#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The demonstration behind ./run: a shop, a mail server, a simulated Gemini and Shopify, and purserd between them.

What is shown is counted where it ends: rows in SQLite, mails in the mail server's folder, orders in the sender's log.
"""
import argparse
import base64
import collections
import ctypes
import datetime
import email
import email.policy
import hashlib
import hmac
import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, prog="./run")
    parser.add_argument("--once", action="store_true", help="show it, check it and end")
    parser.add_argument("--home", type=pathlib.Path, default="data/demo", help="folder of all that is written")
    parser.add_argument("--port", type=int, default=8420, help="the first of the ports")
    return parser.parse_args()


OPTIONS = arguments()
ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("PURSER_BUILD", ROOT / "build/release")) / "bin"
HOME = ROOT / OPTIONS.home
PORTS = {"webhooks": OPTIONS.port, "producers": OPTIONS.port + 1, "metrics": OPTIONS.port + 2,
         "Gemini and Shopify": OPTIONS.port + 10, "mail": OPTIONS.port + 11}
SHOP = "demo.myshopify.com"
MAIL_USER = "harbour-tea"
# In the demo an outage is felt after seconds, in a shop after minutes.
STEP_TIMES = {"timeout": "3s", "unreachable_after": "8s"}
LIMITS = """
limits:
  gemini/default: {window: {count: 120, per: 1m}, per_day: 100000, concurrency: 4}
  smtp/default: {window: {count: 300, per: 1m}, concurrency: 4}
"""
NORMAL, DURING, AFTER = 12, 4, 4  # orders of the first three acts
PAID_BACK = 500  # minor units, of one order
WAIT_S = 120
WORKED_QUEUES = ("flow", "ai", "publish", "persist")


class Failed(Exception):
    """The demonstration did not come out right; the message says how."""


def say(text=""):
    print(text, flush=True)


def write_secret(path, text):
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")


# --- setting up ---

def check_ports():
    for use, port in PORTS.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                raise Failed(f"port {port} ({use}) on 127.0.0.1 is taken; is a demo running already?")


def make_secrets():
    folder = HOME / "secrets"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("gemini.key", "shopify.webhook", "stock.webhook", "mail.password"):
        if not (folder / name).exists():
            write_secret(folder / name, secrets.token_hex(24))


def make_certificate():
    if (HOME / "mail.crt").exists():
        return
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "3650", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-keyout", HOME / "mail.key", "-out", HOME / "mail.crt"], check=True, stderr=subprocess.DEVNULL)
    os.chmod(HOME / "mail.key", 0o600)


def socket_path():
    """A UNIX socket's path has room for 107 bytes; a clone far down the tree needs another place."""
    path = HOME / "store/control.sock"
    if len(os.fsencode(path)) < 100:
        return path
    folder = pathlib.Path(f"/tmp/purser-demo-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / "control.sock"


def make_config():
    """The demo's purser.yaml with its folders below data/demo and the real mail server."""
    values = {"data_dir": "store", "secrets_dir": "secrets", "workflows_dir": "workflows",
              "prompts_dir": ROOT / "config/prompts", "limits_file": "", "prices_file": ROOT / "config/prices.yaml",
              "http_port": PORTS["webhooks"], "producer_port": PORTS["producers"], "metrics_port": PORTS["metrics"],
              "control_socket": str(socket_path()), "gemini_daily_requests_max": 100000,
              "gemini_url": f"http://127.0.0.1:{PORTS['Gemini and Shopify']}",
              "mail_url": f"smtp://127.0.0.1:{PORTS['mail']}", "mail_starttls": "true", "mail_user": MAIL_USER,
              "mail_password": "mail/password", "mail_ca_file": "mail.crt"}
    text = (ROOT / "config/demo/purser.yaml").read_text(encoding="utf-8")
    text = re.sub(r"(?ms)^limits:\n(?:[ \t#].*?\n|\n)*", "", text)
    for key, value in values.items():
        line = f"{key}: {value}" if value != "" else f'{key}: ""'
        text, found = re.subn(rf"(?m)^{key}:.*$", line.replace("\\", r"\\"), text)
        if not found:
            text = f"{line}\n{text}"
    text = re.sub(r"(?m)^(\s+shop:).*$", rf"\1 {SHOP}", text)
    (HOME / "purser.yaml").write_text(text + LIMITS, encoding="utf-8")


def make_workflows():
    """Copies of the shipped workflows; the orders' one does not wait as long for Gemini."""
    folder = HOME / "workflows"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path in (ROOT / "config/workflows").glob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        if path.stem == "order-confirmation":
            for key, value in STEP_TIMES.items():
                text = re.sub(rf"(?m)^(\s+{key}:).*$", rf"\1 {value}", text)
        (folder / path.name).write_text(text, encoding="utf-8")


def trust_clock():
    """Schedules wait for a clock that is synchronised, or later than one that was. A container may know neither."""
    path = HOME / "store/clock"
    if not path.exists():
        path.write_text(f"{time.time_ns() // 1000000}\n", encoding="utf-8")


def make_all():
    (HOME / "store").mkdir(parents=True, exist_ok=True)
    trust_clock()
    make_secrets()
    make_certificate()
    make_config()
    make_workflows()


# --- the programs ---

def die_with_parent():
    """In the child: a demonstration that is killed takes its programs with it (PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, int(signal.SIGTERM))


class Programs:
    """Started in order, stopped in reverse; each writes to its own log."""

    def __init__(self):
        self.running = []

    def start(self, name, *command):
        log = open(HOME / f"{name}.log", "ab")
        process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   cwd=ROOT, start_new_session=True, preexec_fn=die_with_parent)
        log.close()
        self.running.append((name, process))

    def wait_for_port(self, name, port):
        for _ in range(300):
            for known, process in self.running:
                if process.poll() is not None:
                    raise Failed(f"{known} ended with code {process.returncode}; see {HOME / known}.log")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.1)
        raise Failed(f"{name} does not listen on port {port}; see {HOME / name}.log")

    def stop(self):
        """The exit codes by name."""
        codes = {}
        while self.running:
            name, process = self.running.pop()
            process.send_signal(signal.SIGTERM)
            try:
                codes[name] = process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                codes[name] = process.wait()
        return codes


def start_all(programs):
    secret = HOME / "secrets/shopify.webhook"
    hook = f"http://127.0.0.1:{PORTS['webhooks']}/hooks/shopify-orders"
    templates = []
    for path in sorted((ROOT / "tests/data/shopify").glob("order*.json")):
        if "cancelled" not in path.name and "updated" not in path.name:  # new orders are neither
            templates += ["--template", path]
    programs.start("mail-server", "/usr/bin/python3", ROOT / "tests/support/smtp_server.py", "--port", PORTS["mail"],
                   "--certificate", HOME / "mail.crt", "--key", HOME / "mail.key", "--user", MAIL_USER,
                   "--password-file", HOME / "secrets/mail.password", "--mails", HOME / "mails")
    programs.wait_for_port("mail-server", PORTS["mail"])
    programs.start("purserd", BIN / "purserd", "--config", HOME / "purser.yaml")
    programs.wait_for_port("purserd", PORTS["webhooks"])
    programs.start("purser-cloud", BIN / "purser-cloud", "--port", PORTS["Gemini and Shopify"],
                   "--hook", f"orders/create={hook}", "--hook", f"orders/paid={hook}", "--hook-secret-file", secret,
                   "--seed", time.time_ns() % (1 << 48), "--gemini-rpm", 1000, "--gemini-rpd", 1000000,
                   "--log", HOME / "purser-cloud.jsonl", *templates)
    programs.wait_for_port("purser-cloud", PORTS["Gemini and Shopify"])


# --- looking ---

def console(*words):
    """What `purser WORDS --json` says."""
    done = subprocess.run([BIN / "purser", "--socket", socket_path(), "--json", *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"purser {' '.join(words)}: exit code {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def ask_cloud(path, **body):
    url = f"http://127.0.0.1:{PORTS['Gemini and Shopify']}/_cloud/{path}"
    data = json.dumps(body).encode() if body else None
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=10) as answer:
        return json.load(answer)


def query(sql):
    path = HOME / "store/shop.sqlite"
    if not path.exists():
        return []
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10) as database:
        try:
            return database.execute(sql).fetchall()
        except sqlite3.OperationalError:
            return []  # the table is made with its first row


class Ledger:
    """Orders sent, rows kept and mails delivered since this demonstration began."""

    def __init__(self):
        self.log = HOME / "purser-cloud.jsonl"
        self.log_start = self.log.stat().st_size if self.log.exists() else 0
        self.old_mails = {path.name for path in (HOME / "mails").glob("*.eml")}
        self.parsed = {}

    def orders(self):
        """{order id: name, like #1001}."""
        if not self.log.exists():
            return {}
        with open(self.log, "rb") as file:
            file.seek(self.log_start)
            lines = [json.loads(line) for line in file if line.endswith(b"\n")]
        return {line["order_id"]: line["name"] for line in lines if line["what"] == "order"}

    def rows(self):
        wanted = self.orders()
        return {key for (key,) in query("SELECT order_id FROM orders") if key in wanted}

    def mails(self):
        """(recipient, subject, text, message id) of each mail."""
        for path in sorted((HOME / "mails").glob("*.eml")):
            if path.name not in self.old_mails and path.name not in self.parsed:
                message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
                body = message.get_body(("plain",))
                self.parsed[path.name] = (message["X-Envelope-To"], message["Subject"],
                                          body.get_content() if body else "", message["Message-ID"])
        return list(self.parsed.values())


def fallback_text():
    text = (ROOT / "config/workflows/order-confirmation.yaml").read_text(encoding="utf-8")
    return re.search(r'else:\s*\n\s*paragraph:\s*"([^"]+)"', text).group(1)


def plain_count(ledger):
    """Mails that carry the plain template, white space aside."""
    wanted = " ".join(fallback_text().split())
    return sum(wanted in " ".join(text.split()) for _, _, text, _ in ledger.mails())


def wait_until(what, condition, seconds=WAIT_S):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return
        time.sleep(0.25)
    raise Failed(f"{what}: not within {seconds} s")


# --- the acts ---

def place(ledger, count):
    """Places orders and waits until each is a row and a mail."""
    before = len(ledger.orders())
    ask_cloud("orders", count=count, rate=240)
    wait_until(f"{count} orders sent", lambda: len(ledger.orders()) == before + count)
    wait_until("all webhooks accepted", lambda: ask_cloud("pending")["deliveries"] == 0)
    wait_until("a row for each order", lambda: len(ledger.rows()) == before + count)
    wait_until("a mail for each order", lambda: len(ledger.mails()) >= before + count)


def busy_jobs():
    """Jobs that Purser's own workers are about to do; other queues belong to whoever pushed into them."""
    return [job for job in console("jobs", "--limit", "1000")["jobs"]
            if job["queue"] in WORKED_QUEUES and job["state"] not in ("dead", "doubt")]


def finish_leftovers():
    """Runs of an earlier demonstration that was stopped in the middle go on first."""
    if busy_jobs():
        say("Finishing what an earlier demonstration left undone ...")
        wait_until("the work of an earlier demonstration (purser jobs lists it)", lambda: not busy_jobs())


def act_normal(ledger):
    say(f"\n1. {NORMAL} orders come in while all is well.")
    place(ledger, NORMAL)
    report(ledger)
    if plain_count(ledger) != 0:
        raise Failed("a mail has the plain text although Gemini was there")


def act_outage(ledger):
    say(f"\n2. Gemini is gone; {DURING} orders come in all the same.")
    ask_cloud("fault", service="gemini", kind="outage", for_ms=3600000, probability=1)
    place(ledger, DURING)
    report(ledger)
    say(f"   {plain_count(ledger)} mails took the plain text after {STEP_TIMES['unreachable_after']} without Gemini:")
    say(f"   \"{fallback_text()}\"")
    if plain_count(ledger) != DURING:
        raise Failed(f"{plain_count(ledger)} mails have the plain text, not {DURING}")


def gate_is_open(name):
    return any(gate["gate"] == name and gate["state"] == "ok" for gate in console("limits")["gates"])


def act_recovery(ledger):
    say(f"\n3. Gemini is back. When the breaker has ended its pause, {AFTER} more orders come in.")
    ask_cloud("fault", service="gemini", kind="outage", for_ms=0, probability=0)
    wait_until("the breaker's pause", lambda: gate_is_open("gemini/default"))
    place(ledger, AFTER)
    report(ledger)


def decimal(amount):
    """Minor units of a currency with cents, as Shopify writes money; nothing stays nothing."""
    return amount if amount is None else f"{amount // 100}.{amount % 100:02}"


def send_hook(topic, body):
    """A webhook as Shopify signs it; purser-cloud sends new orders only."""
    data = json.dumps(body).encode()
    secret = (HOME / "secrets/shopify.webhook").read_text(encoding="utf-8").strip()
    signature = base64.b64encode(hmac.digest(secret.encode(), data, hashlib.sha256)).decode()
    headers = {"Content-Type": "application/json", "X-Shopify-Topic": topic, "X-Shopify-Shop-Domain": SHOP,
               "X-Shopify-API-Version": "2026-07", "X-Shopify-Webhook-Id": secrets.token_hex(16),
               "X-Shopify-Hmac-Sha256": signature}
    url = f"http://127.0.0.1:{PORTS['webhooks']}/hooks/shopify-orders"
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=10) as answer:
        if answer.status != 200:
            raise Failed(f"the webhook {topic} was answered with {answer.status}")


def changed_order(order_id, now, **changes):
    """A later state of an order, from its row."""
    (name, mail, currency, total, subtotal, tax, discount, created), = query(
        "SELECT name, email, currency, total, subtotal, tax, discount, created_at FROM orders "
        f"WHERE order_id = '{int(order_id)}'")
    created = datetime.datetime.fromtimestamp(created / 1000, datetime.timezone.utc).isoformat()
    return {"id": int(order_id), "name": name, "email": mail, "currency": currency, "total_price": decimal(total),
            "current_total_price": decimal(total), "subtotal_price": decimal(subtotal), "total_tax": decimal(tax),
            "total_discounts": decimal(discount), "financial_status": "paid", "created_at": created, "updated_at": now,
            "line_items": [], **changes}


def cancel(order_id, now):
    order = changed_order(order_id, now, cancelled_at=now, financial_status="refunded")
    send_hook("orders/cancelled", order)
    return order


def pay_back(order_id, now):
    """The two webhooks of a refund, and the second one twice: Shopify may repeat itself."""
    order = changed_order(order_id, now, financial_status="partially_refunded")
    order["current_total_price"] = decimal(round(float(order["total_price"]) * 100) - PAID_BACK)
    payment = {"id": time.time_ns(), "kind": "refund", "status": "success", "amount": decimal(PAID_BACK),
               "currency": order["currency"]}
    refund = {"id": time.time_ns(), "order_id": int(order_id), "created_at": now, "transactions": [payment]}
    send_hook("orders/updated", order)
    for _ in range(2):
        send_hook("refunds/create", refund)
    return order


def act_changes(ledger):
    """An order is cancelled and another one partly paid back: the books follow."""
    before = book_sums()
    first, second = sorted(ledger.rows())[:2]
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    cancelled, refunded = cancel(first, now), pay_back(second, now)
    say(f"\n4. Order {cancelled['name']} is cancelled, and {decimal(PAID_BACK)} {refunded['currency']} of "
        f"{refunded['name']} are paid back.")
    wanted = collections.Counter(before)
    wanted["orders_cancelled", ""] += 1
    wanted["refunds", refunded["currency"]] += PAID_BACK
    wanted["revenue", refunded["currency"]] -= PAID_BACK
    wanted["revenue", cancelled["currency"]] -= round(float(cancelled["total_price"]) * 100)
    wait_until("the books follow", lambda: book_sums() == wanted)
    for book, currency in sorted(key for key in wanted if wanted[key] != before.get(key)):
        amounts = (before.get((book, currency), 0), wanted[book, currency])
        shown = [decimal(amount) if currency else str(amount) for amount in amounts]
        say(f"   {book:18} {shown[0]:>10} -> {shown[1]:>10} {currency}")


def show_plans():
    """What will happen by itself, and what the content calendar still lacks."""
    say("\nWhat comes next by itself (shadow: nothing leaves this machine):")
    for row in console("schedules")["schedules"][:6]:
        if row["held"]:
            raise Failed(f"the schedule of {row['workflow']} is held: {row['held']}")
        say(f"   {row['next'][0]}  {row['workflow']:14} {row['mode']:7} {row['cron']}")
    gaps = {channel["channel"]: sum(slot["gap"] for day in channel["days"] for slot in day["slots"])
            for channel in console("calendar")["channels"]}
    say("   The content calendar's week has empty slots: " +
        ", ".join(f"{channel} {count}" for channel, count in gaps.items()))


def report(ledger):
    counts = ask_cloud("counts")
    mails = ledger.mails()
    say(f"   orders sent                {len(ledger.orders()):6}   (webhooks answered 200: {counts['deliveries_ok']})")
    say(f"   rows in SQLite             {len(ledger.rows()):6}")
    say(f"   mails at the mail server   {len(mails):6}   ({len(mails) - plain_count(ledger)} with a personal line, "
        f"{plain_count(ledger)} plain)")


# --- the proof ---

def check_mails(ledger):
    wanted = collections.Counter(f"customer{name[1:]}@example.com" for name in ledger.orders().values())
    got = collections.Counter(to for to, _, _, _ in ledger.mails())
    if wanted != got:
        raise Failed(f"mails missing: {dict(wanted - got)}; too many: {dict(got - wanted)}")
    ids = [message_id for _, _, _, message_id in ledger.mails()]
    if len(set(ids)) != len(ids):
        raise Failed("two mails have the same Message-ID")


def book_sums():
    """{(book, currency): amount}; figures that are no money have no currency."""
    answer = console("books")
    if not answer["complete"]:
        raise Failed("purser books is not complete")
    return {(book, currency): sums["amount"] for book, sums_by_currency in answer["books"].items()
            for currency, sums in sums_by_currency.items()}


def check_books():
    """The books against a recount of the rows."""
    sums = book_sums()
    wanted = {("orders", ""): query("SELECT count(*) FROM orders")[0][0],
              ("orders_cancelled", ""): query("SELECT count(cancelled_at) FROM orders")[0][0]}
    standing = "SELECT currency, sum(total) FROM orders WHERE cancelled_at IS NULL GROUP BY currency"
    for currency, total in query(standing):
        wanted["revenue", currency] = total - sums.get(("refunds", currency), 0)
    for key, total in wanted.items():
        if sums.get(key) != total:
            raise Failed(f"book {key[0]} {key[1]}: {sums.get(key)}, but the rows give {total}")
    return wanted


def prove(ledger):
    wait_until("all jobs worked off", lambda: not busy_jobs())
    if ledger.rows() != set(ledger.orders()):
        raise Failed("the rows are not the orders")
    check_mails(ledger)
    wanted = check_books()
    checked = console("store", "check")
    if not checked["clean"]:
        raise Failed(f"purser store check: {checked}")
    say("\nChecked: each order is one row and exactly one mail; the store is whole; the books equal a recount:")
    for (book, currency), total in sorted(wanted.items()):
        say(f"   {book:18} {decimal(total) if currency else total:>10} {currency}")


def look_further():
    purser = BIN / "purser"
    if purser.is_relative_to(ROOT):
        purser = purser.relative_to(ROOT)
    place = os.path.relpath(HOME)
    call = f"{purser} --config {place}/purser.yaml"
    cloud = f"http://127.0.0.1:{PORTS['Gemini and Shopify']}/_cloud"
    say(f"""
Look further while it runs (everything is on 127.0.0.1 and in {place}/):
   {call} status          also: jobs, runs, run show ID, books, limits, metrics, schedules, calendar
   {call}                 the console's prompt
   curl -s http://127.0.0.1:{PORTS['metrics']}/metrics        also: /healthz, /readyz
   curl -s {cloud}/orders -d '{{"count":5}}'
   curl -s {cloud}/fault -d '{{"service":"gemini","kind":"outage","for_ms":60000}}'
   less {place}/mails/*.eml       the mails; {place}/*.log the programs
Ctrl-C stops it; ./run goes on with the same data.""")


def stay(programs):
    ledger = Ledger()
    shown = None
    while True:
        time.sleep(1)
        for name, process in programs.running:
            if process.poll() is not None:
                raise Failed(f"{name} ended with code {process.returncode}; see {HOME / name}.log")
        now = (len(ledger.orders()), len(ledger.rows()), len(ledger.mails()))
        if now != (shown or (0, 0, 0)):
            say(f"   since then: {now[0]} orders, {now[1]} rows, {now[2]} mails")
            shown = now


def demonstrate(programs, once):
    start_all(programs)
    say(f"Running: purserd, a mail server with STARTTLS and login, and purser-cloud as Gemini and Shopify. "
        f"Data: {os.path.relpath(HOME)}/")
    finish_leftovers()
    ledger = Ledger()
    act_normal(ledger)
    act_outage(ledger)
    act_recovery(ledger)
    act_changes(ledger)
    prove(ledger)
    show_plans()
    if not once:
        look_further()
        stay(programs)


def interrupt(_number, _frame):
    raise KeyboardInterrupt


def main():
    once = OPTIONS.once
    programs = Programs()
    problem = None
    signal.signal(signal.SIGTERM, interrupt)
    try:
        check_ports()
        make_all()
        demonstrate(programs, once)
    except Failed as failure:
        problem = str(failure)
    except KeyboardInterrupt:
        say("\nStopping ...")
        if once:
            problem = "interrupted"
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave half of them running
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    codes = programs.stop()
    for name, code in codes.items():
        if code != 0 and problem is None:
            problem = f"{name} ended with code {code}"
    if problem is not None:
        say(f"\nFAILED: {problem}")
        return 1
    say("Stopped in order." if codes else "")
    return 0


sys.exit(main())
