# SPDX-License-Identifier: MIT
"""A whole Purser for black-box tests: purserd, purser-cloud and a real mail server in a folder of their own, all on
127.0.0.1. Every program is a direct child, so that none outlives the test and none is left to another's reaping.

    def test(live):
        live.start()
        check(live.hook(body)[0] == 200, "an order is accepted")

    run(test)

Run as a program, live.py is the mail server: see mail_server().
"""
import base64
import ctypes
import email
import email.policy
import hashlib
import hmac
import http.client
import itertools
import json
import os
import pathlib
import random
import re
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PURSER_BUILD", ROOT / "build/dev")).resolve()
BIN = BUILD / "bin"
DATA = ROOT / "tests/data"
SHOP = "demo.myshopify.com"
WAIT_S = 60  # a bound for machines under load, never a measure
PR_SET_PDEATHSIG = 1

LIMITS = """
limits:
  gemini/default: {window: {count: 100000, per: 1m}, per_day: 1000000, concurrency: 8}
  smtp/default: {window: {count: 100000, per: 1m}, concurrency: 8}
"""
HOOKS = f"""
hooks:
  shopify-orders:
    scheme: shopify
    topics: [orders/create, orders/paid]
    shop: {SHOP}
    secret: shopify/webhook
    old_secret: shopify/old
  stock:
    scheme: hmac-sha256
    secret: stock/webhook
"""
QUEUES = """
queues:
  imports: {attempts: 8, depth_max: 100000}
  ordered: {ordered: true, attempts: 8, depth_max: 100000}
"""
MODES = """
modes:
  order-confirmation: live
"""
# Every job of the queues is a run that counts once: a lost or doubled job changes the sum.
COUNTING = """# SPDX-License-Identifier: MIT
workflow: counting
mode: live
on:
  - queue: imports
  - queue: ordered
steps:
  - id: counted
    count: {book: imports, amount: "{{ trigger.body.amount }}"}
"""


class Failed(Exception):
    """A check did not hold; the message says which."""


def say(text):
    print(text, flush=True)


def check(condition, what):
    """Says what holds, or fails with it. `what` is a sentence that is true when all is well."""
    if not condition:
        raise Failed(what)
    say(f"  ok  {what}")


def equal(found, wanted, what):
    check(found == wanted, what if found == wanted else f"{what}: found {found!r}, wanted {wanted!r}")


def wait_until(what, condition, seconds=WAIT_S):
    """Waits for a condition; returns its value. The bound is generous: no test measures time with it."""
    until = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise Failed(f"{what}: not within {seconds} s")
        time.sleep(0.05)


def run(test, **options):
    """Runs test(live) with a folder of its own and ends the program: 0 when every check held."""
    live = Live(**options)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    problem = None
    try:
        test(live)
    except Failed as failure:
        problem = str(failure)
    except Exception:  # whatever else goes wrong in a test is a failure of the test
        problem = traceback.format_exc()
    finally:
        live.close(keep_logs=problem is not None)
    if problem is None:
        say("passed")
        sys.exit(0)
    say(f"FAILED: {problem}")
    sys.exit(1)


# --- the folder ---

_held_ports = []


def free_port():
    """A port nobody listens on, below those the kernel gives to clients; held against other tests by a name."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        name = socket.socket(socket.AF_UNIX)
        try:
            name.bind(f"\0purser-test-port-{port}")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            name.close()
            continue
        _held_ports.append(name)
        return port


def write_secret(path, text):
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")


def make_certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "30", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-keyout", folder / "mail.key", "-out", folder / "mail.crt"],
                   check=True, stderr=subprocess.DEVNULL)


def die_with_parent():
    """Between fork and exec: the child ends when the test does, however that ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Live:
    def __init__(self, folder=None, cloud_options=()):
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="purser-live-"))
        self.http_port, self.producer_port, self.metrics_port = free_port(), free_port(), free_port()
        self.cloud_port, self.mail_port = free_port(), free_port()
        self.secrets = {name: secrets.token_hex(24) for name in
                        ("gemini.key", "shopify.webhook", "shopify.old", "stock.webhook", "mail.password")}
        self.cloud_options = list(cloud_options)
        self.daemon = self.cloud = self.mail = None
        self.hook_ids = itertools.count(1)
        self.socket_path = self.folder / "data/control.sock"
        self.settings = {
            "shop_name": "Test shop", "data_dir": "data", "secrets_dir": "secrets", "workflows_dir": "workflows",
            "prompts_dir": ROOT / "config/prompts", "prices_file": ROOT / "config/prices.yaml",
            "http_port": self.http_port, "producer_port": self.producer_port, "metrics_port": self.metrics_port,
            "store_bytes_max": "64MiB", "store_disk_reserve_bytes": 0, "gemini_daily_requests_max": 1000000,
            "gemini_url": f"http://127.0.0.1:{self.cloud_port}", "gemini_key": "gemini/key",
            "mail_url": f"smtp://127.0.0.1:{self.mail_port}", "mail_from": "shop@shop.example",
            "mail_from_name": "Test shop", "mail_starttls": "true", "mail_user": "shop",
            "mail_password": "mail/password", "mail_ca_file": "mail.crt", "allow_plain_loopback": "true",
        }
        self.sections = {"hooks": HOOKS, "queues": QUEUES, "limits": LIMITS, "modes": MODES}
        self.workflows = {"order-confirmation": shipped_workflow(), "counting": COUNTING}
        self.make_folders()

    # --- files ---

    def make_folders(self):
        for name in ("data", "secrets", "workflows", "mails"):
            (self.folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, value in self.secrets.items():
            write_secret(self.folder / "secrets" / name, value)
        make_certificate(self.folder)
        self.mail_mode()

    def write_config(self):
        """purser.yaml and the workflows from what the test has set."""
        lines = [f"{key}: {json.dumps(value) if isinstance(value, str) and ' ' in value else value}"
                 for key, value in self.settings.items()]
        text = "\n".join(lines) + "\n" + "".join(self.sections.values())
        (self.folder / "purser.yaml").write_text(text, encoding="utf-8")
        for path in (self.folder / "workflows").glob("*.yaml"):
            path.unlink()
        for name, workflow in self.workflows.items():
            (self.folder / "workflows" / f"{name}.yaml").write_text(workflow, encoding="utf-8")
        return self.folder / "purser.yaml"

    # --- programs ---

    def spawn(self, name, *command):
        with open(self.folder / f"{name}.log", "ab") as log:
            return subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                    preexec_fn=die_with_parent)

    def start(self, cloud=True, mail=True):
        if mail:
            self.start_mail()
        if cloud:
            self.start_cloud()
        self.start_daemon()

    def start_mail(self):
        self.mail = self.spawn("mail", "/usr/bin/python3", __file__, self.folder, self.mail_port)
        self.wait_for_port("mail", self.mail, self.mail_port)

    def start_cloud(self):
        self.cloud = self.spawn("cloud", BIN / "purser-cloud", "--port", self.cloud_port, "--gemini-rpm", 100000,
                                "--gemini-rpd", 10000000, *self.cloud_options)
        self.wait_for_port("cloud", self.cloud, self.cloud_port)

    def start_daemon(self, wait=True):
        self.write_config()
        self.daemon = self.spawn("purserd", BIN / "purserd", "--config", self.folder / "purser.yaml")
        if wait:
            self.wait_ready()

    def wait_for_port(self, name, process, port):
        def listens():
            if process.poll() is not None:
                raise Failed(f"{name} ended with code {process.returncode} instead of listening on port {port}")
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0
        wait_until(f"{name} listens", listens)

    def ready(self):
        """Whether /readyz says yes and every door is open."""
        try:
            status, _, _ = self.get("/readyz")
        except (OSError, http.client.HTTPException):
            return False
        with socket.socket() as hooks, socket.socket() as producers:
            return status == 200 and hooks.connect_ex(("127.0.0.1", self.http_port)) == 0 and \
                producers.connect_ex(("127.0.0.1", self.producer_port)) == 0

    def wait_ready(self):
        def is_ready():
            if self.daemon.poll() is not None:
                raise Failed(f"purserd ended with code {self.daemon.returncode} instead of getting ready")
            return self.ready()
        wait_until("purserd is ready", is_ready)

    def engine_pid(self):
        """The engine's process id, or None between two lives."""
        try:
            children = pathlib.Path(f"/proc/{self.daemon.pid}/task/{self.daemon.pid}/children").read_text().split()
        except OSError:
            return None
        return next((int(child) for child in children if is_alive(int(child))), None)

    def wait_engine(self):
        return wait_until("there is an engine", self.engine_pid)

    def signal_engine(self, number):
        """The engine's pid once it is gone."""
        pid = self.wait_engine()
        os.kill(pid, number)
        wait_until("the engine is gone", lambda: not is_alive(pid))
        return pid

    def kill9(self, who, wait=True):
        """kill -9 of "engine" or "guardian"; with `wait` it returns when all that had to end with it is gone."""
        if who == "engine":
            self.signal_engine(signal.SIGKILL)
            return
        engine = self.engine_pid()
        self.daemon.kill()
        self.daemon.wait()
        if engine is not None and wait:
            wait_until("the engine dies with its guardian", lambda: not is_alive(engine))

    def stop_daemon(self, number=signal.SIGTERM, seconds=WAIT_S):
        """The exit code."""
        self.daemon.send_signal(number)
        try:
            return self.daemon.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"purserd did not stop within {seconds} s") from None

    def end_daemon(self):
        """Whatever state it is in, neither guardian nor engine are left."""
        if self.daemon is None or self.daemon.poll() is not None:
            return
        engine = self.engine_pid()
        self.daemon.kill()
        self.daemon.wait()
        while engine is not None and is_alive(engine):
            time.sleep(0.01)

    def close(self, keep_logs=False):
        self.end_daemon()
        for process in (self.cloud, self.mail):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        if keep_logs:
            for log in sorted(self.folder.glob("*.log")):
                lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
                say(f"--- the last lines of {log.name}")
                say("\n".join(lines[-40:]))
        if os.environ.get("PURSER_KEEP"):
            say(f"kept: {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def log_text(self, name="purserd"):
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    # --- webhooks ---

    def sign(self, body, secret="shopify.webhook"):
        return hmac.new(self.secrets[secret].encode(), body, hashlib.sha256).digest()

    def hook_headers(self, body, topic="orders/create", webhook_id=None, secret="shopify.webhook"):
        webhook_id = webhook_id or f"test-{os.getpid()}-{next(self.hook_ids)}"
        return {"Content-Type": "application/json", "X-Shopify-Topic": topic, "X-Shopify-Shop-Domain": SHOP,
                "X-Shopify-API-Version": "2026-07", "X-Shopify-Webhook-Id": webhook_id,
                "X-Shopify-Hmac-Sha256": base64.b64encode(self.sign(body, secret)).decode()}

    def hook(self, body, path="/hooks/shopify-orders", method="POST", headers=None, without=(), **how):
        """(status, headers, text) of a signed webhook; `headers` replace or add, `without` drops."""
        sent = self.hook_headers(body, **how)
        sent.update(headers or {})
        for name in without:
            del sent[name]
        return http_ask(self.http_port, method, path, body, sent)

    def get(self, path):
        return http_ask(self.metrics_port, "GET", path)

    # --- producers ---

    def producer(self, seconds=30):
        return Producer(self.producer_port, seconds=seconds)

    def push(self, queue, payload, id="", key=""):
        """One job by a client of its own; the daemon's answer."""
        with self.producer() as producer:
            return producer.push(queue, payload, id, key)

    # --- looking ---

    def console(self, *words):
        """(exit code, stdout, stderr) of the console."""
        done = subprocess.run([str(BIN / "purser"), "--socket", str(self.socket_path), *[str(word) for word in words]],
                              capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stdout, done.stderr

    def cli(self, *words):
        """What `purser --json WORDS` answers."""
        code, out, problem = self.console("--json", *words)
        if code != 0:
            raise Failed(f"purser {' '.join(map(str, words))}: exit code {code}: {problem.strip()} {out.strip()}")
        return json.loads(out)

    def jobs(self, state=None):
        """All jobs (of a state); fails when there are more than one answer holds."""
        words = ["jobs", "--limit", 1000] + (["--state", state] if state else [])
        answer = self.cli(*words)
        if answer["more"]:
            raise Failed("more jobs than one list can hold")
        return answer["jobs"]

    def books(self):
        """{(book, currency): amount}."""
        answer = self.cli("books")
        if not answer["complete"]:
            raise Failed("the books were not told completely")
        return {(book, currency): sums["amount"] for book, by_currency in answer["books"].items()
                for currency, sums in by_currency.items()}

    def sql(self, query, *values):
        """Rows of the SQLite file; none while the file or the table is not made."""
        path = self.folder / "data/shop.sqlite"
        if not path.exists():
            return []
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
        try:
            return database.execute(query, values).fetchall()
        except sqlite3.OperationalError as problem:
            if "no such table" in str(problem):
                return []
            raise
        finally:
            database.close()

    def metrics(self):
        """{name or name{labels}: value} of /metrics."""
        status, _, text = self.get("/metrics")
        if status != 200:
            raise Failed(f"/metrics answered {status}")
        found = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                found[name] = float(value)
        return found

    def metric(self, name, **labels):
        """The sum over all series of that name that have these labels; 0 when there is none."""
        total = 0
        for series, value in self.metrics().items():
            if series.split("{")[0] == name and all(f'{key}="{text}"' in series for key, text in labels.items()):
                total += value
        return total

    def busy_jobs(self):
        """Jobs that are neither dead nor in doubt, by the store's own count."""
        queues = self.cli("status")["queues"]
        if queues is None:
            return -1
        return sum(row[state] for row in queues for state in ("waiting", "ready", "leased", "parked"))

    def wait_idle(self, seconds=WAIT_S):
        wait_until("all jobs are worked off", lambda: self.busy_jobs() == 0, seconds)
        wait_until("all rows are in the sink", lambda: self.metric("purser_outbox_rows") == 0, seconds)

    # --- the outside world ---

    def mails(self):
        """The mails that the server took, in order of arrival, as email.message.EmailMessage."""
        return [email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
                for path in sorted((self.folder / "mails").glob("*.eml"))]

    def mail_mode(self, **modes):
        """Chances from 0 to 1: drop_kept (mail kept, answer lost), drop_lost (mail and answer lost), grey (451)."""
        draft = self.folder / "mail-mode.new"
        draft.write_text(json.dumps(modes), encoding="utf-8")
        draft.rename(self.folder / "mail-mode.json")

    def ask_cloud(self, path, **body):
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(f"http://127.0.0.1:{self.cloud_port}/_cloud/{path}", data)
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read().decode()
        return [json.loads(line) for line in text.splitlines()] if path == "effects" else json.loads(text)

    def fault(self, kind, service="gemini", probability=1.0, seconds=3600):
        self.ask_cloud("fault", service=service, kind=kind, for_ms=int(seconds * 1000), probability=probability)

    def no_fault(self, kind, service="gemini"):
        self.fault(kind, service, probability=0.0, seconds=0)


def is_alive(pid):
    """Neither gone nor a zombie that its parent has not asked about."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def shipped_workflow(**times):
    """The shipped order workflow with times that suit a test; a shop's are minutes."""
    text = (ROOT / "config/workflows/order-confirmation.yaml").read_text(encoding="utf-8")
    values = {"timeout": "5s", "unreachable_after": "4s", **times}
    for key, value in values.items():
        text, found = re.subn(rf"(?m)^(    {key}:).*$", rf"\1 {value}", text)
        if not found:
            raise Failed(f"the shipped workflow has no {key}")
    text = re.sub(r"(?m)^    retry:.*$", "    retry: {attempts: 20, first: 200ms, max: 2s}", text)
    return text


def http_ask(port, method, path, body=b"", headers=None, seconds=30):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        try:
            connection.request(method, path, body if body or method == "POST" else None, headers or {})
        except (BrokenPipeError, ConnectionResetError):
            if connection.sock is None:
                raise  # never connected, or gone before it was: there is no answer to read
            # Refused by its head: the answer came before the body was sent.
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode("utf-8", "replace")
    finally:
        connection.close()


def raw_http(port, data, seconds=30, finish=False):
    """Sends bytes as they are and reads to the end; `finish` closes the sending side."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        got = b""
        try:
            connection.sendall(data)
            if finish:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # refused before it was sent; the answer may be there all the same
        try:
            while True:
                part = connection.recv(65536)
                if not part:
                    return got
                got += part
        except (ConnectionResetError, TimeoutError):
            return got


class Producer:
    """A client in the protocol of docs/protocol.md."""

    def __init__(self, port, hello=True, seconds=30):
        import msgpack  # here, so that scripts without a producer do not need them
        import zmq
        self.zmq, self.msgpack = zmq, msgpack
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.RCVTIMEO, int(seconds * 1000))
        self.socket.setsockopt(zmq.SNDTIMEO, int(seconds * 1000))
        self.socket.connect(f"tcp://127.0.0.1:{port}")
        self.sequence = 0
        if hello:
            answer = self.ask("hello", 1, "live.py")
            if answer[0] != "welcome":
                self.close()
                raise Failed(f"hello was answered with {answer}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()
        self.context.term()

    def ask(self, name, *fields):
        """Sends a message with the next number and returns its answer as [name, number, ...]."""
        self.sequence += 1
        answer = self.raw(self.msgpack.packb([name, self.sequence, *fields]))
        if answer[1] != self.sequence:
            raise Failed(f"{name} {self.sequence} was answered with {answer}")
        return answer

    def raw(self, *frames):
        self.socket.send_multipart(frames)
        return self.receive()

    def receive(self):
        """The next answer; TimeoutError when none comes."""
        try:
            frames = self.socket.recv_multipart()
        except self.zmq.Again:
            raise TimeoutError("no answer") from None
        if len(frames) != 1:
            raise Failed(f"an answer has {len(frames)} frames")
        return self.msgpack.unpackb(frames[0])

    def push(self, queue, payload, id="", key="", due_ms=0, priority=4, content_type="application/json"):
        if not isinstance(payload, bytes):
            payload = json.dumps(payload).encode()
        return self.ask("push", queue, id, key, due_ms, priority, content_type, payload)


# --- the mail server ---

def mail_server(folder, port):
    """SMTP with STARTTLS and a login, both required. Mails become files. bounce*@ is refused, grey*@ put off,
    drop*@ kept and its answer lost; mail-mode.json gives chances for all others."""
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import AuthResult
    import logging
    import ssl

    logging.getLogger("mail.log").setLevel(logging.ERROR)
    folder = pathlib.Path(folder)
    password = (folder / "secrets/mail.password").read_text(encoding="utf-8").strip()

    class Keeper:
        count = 0

        def modes(self):
            return json.loads((folder / "mail-mode.json").read_text(encoding="utf-8"))

        async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802 (aiosmtpd's name)
            if address.startswith("bounce"):
                return "550 5.1.1 no such user"
            if address.startswith("grey") or random.random() < self.modes().get("grey", 0):
                return "451 4.7.1 try again later"
            envelope.rcpt_tos.append(address)
            return "250 OK"

        async def handle_DATA(self, server, _session, envelope):  # noqa: N802
            modes = self.modes()
            if random.random() < modes.get("drop_lost", 0):
                server.transport.abort()
                return "421 never sent"
            self.count += 1
            draft = folder / f"mails/draft-{os.getpid()}"
            draft.write_bytes(f"X-Envelope-To: {', '.join(envelope.rcpt_tos)}\r\n".encode() + envelope.content)
            draft.rename(folder / f"mails/{time.time_ns():020}-{self.count:06}.eml")
            if envelope.rcpt_tos[0].startswith("drop") or random.random() < modes.get("drop_kept", 0):
                server.transport.abort()
                return "421 never sent"
            return "250 2.0.0 kept"

    def login(_server, _session, _envelope, _mechanism, data):
        return AuthResult(success=data.login == b"shop" and data.password == password.encode(), handled=False)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "mail.crt", folder / "mail.key")
    controller = Controller(Keeper(), hostname="127.0.0.1", port=int(port), tls_context=context, require_starttls=True,
                            auth_required=True, authenticator=login, enable_SMTPUTF8=True)
    controller.start()
    threading.Event().wait()


if __name__ == "__main__":
    mail_server(sys.argv[1], sys.argv[2])
