#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# CTEST
"""/metrics after real work, judged by promtool; its figures against what really happened; the health pages."""
import json
import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from live import DATA, ROOT, Failed, check, equal, http_ask, run, wait_until  # noqa: E402


def work(live):
    """Some of everything: an order, a refusal, pushes, Gemini in trouble, a mail refused and one in doubt."""
    order = json.loads((DATA / "shopify/orders_create_paid.shopify-app-js.json").read_bytes())
    live.hook(json.dumps(order).encode())
    live.hook(json.dumps(order).encode(), headers={"X-Shopify-Hmac-Sha256": "AAAA"})
    for number, address in ((1, "bounce@customers.example"), (2, "drop@customers.example")):
        live.hook(json.dumps(dict(order, id=number, email=address)).encode())
    with live.producer() as producer:
        producer.push("imports", {"amount": 1})
        producer.push("nowhere", {"amount": 1})
    live.wait_idle()
    live.fault("internal")
    live.hook(json.dumps(dict(order, id=3, email="plain@customers.example")).encode())
    live.wait_idle()
    live.no_fault("internal")


def test_promtool(live):
    tool = shutil.which("promtool")
    if tool is None:
        raise Failed("promtool is not installed; it comes with the Debian package prometheus")
    _, headers, text = live.get("/metrics")
    done = subprocess.run([tool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    equal((done.returncode, done.stdout + done.stderr), (0, ""), "promtool finds nothing to say about /metrics")
    check(headers["Content-Type"].startswith("text/plain; version=0.0.4"), "its type is Prometheus' text format")
    return text


def test_names(text):
    """Every metric of the table stands on the page, with a help line."""
    table = (ROOT / "proto/metrics.def").read_text(encoding="utf-8")
    names = re.findall(r'(?m)^METRIC\(\w+, \w+, \w+, "(\w+)"', table)
    check(len(names) > 40, f"the table names {len(names)} metrics")
    equal([name for name in names if f"# HELP {name} " not in text], [], "each of them stands on /metrics")
    for secret in ("customers.example", "myshopify", "foo@example.com"):
        if secret in text:
            raise Failed(f"/metrics tells {secret!r}")
    check(True, "no address, shop or customer stands there")


def test_figures(live):
    for name, wanted, labels in (
            ("purser_hooks_accepted_total", 4, {}), ("purser_hooks_refused_total", 1, {"error": "unauthorized"}),
            ("purser_http_requests_total", 4, {"status": "2xx"}), ("purser_http_requests_total", 1, {"status": "4xx"}),
            ("purser_pushes_accepted_total", 1, {}), ("purser_pushes_refused_total", 1, {"error": "invalid"}),
            ("purser_runs_started_total", 5, {}), ("purser_mails_sent_total", 2, {}),
            ("purser_jobs_doubted_total", 1, {}), ("purser_jobs_buried_total", 1, {"error": "refused"}),
            ("purser_queue_jobs", 1, {"queue": "publish", "state": "doubt"}), ("purser_outbox_rows", 0, {}),
            ("purser_store_corrupt_records_total", 0, {})):
        equal(live.metric(name, **labels), wanted, f"{name} {labels or ''} is {wanted}")
    check(live.metric("purser_steps_else_total") >= 1, "the plain text was counted as an else branch")
    check(live.metric("purser_resident_memory_bytes") > 1 << 20, "the resident memory is told")
    rows = sum(live.sql(f"SELECT count(*) FROM {table}")[0][0] for table in ("orders", "order_lines", "customers"))
    check(live.metric("purser_sink_rows_total") >= rows, "the rows of the sink were counted")


def test_monotonic(live, before):
    """A counter never falls."""
    after = live.metrics()
    table = (ROOT / "proto/metrics.def").read_text(encoding="utf-8")
    counters = set(re.findall(r'(?m)^METRIC\(\w+, COUNTER, \w+, "(\w+)"', table))
    fallen = [name for name, value in before.items() if name.split("{")[0] in counters and after[name] < value]
    equal(fallen, [], "no counter fell")


def test_pages(live):
    equal(live.get("/healthz")[0], 200, "/healthz: 200")
    equal(live.get("/readyz")[0], 200, "/readyz: 200")
    equal(live.get("/nothing")[0], 404, "an unknown page: 404")
    equal(http_ask(live.metrics_port, "POST", "/metrics", b"x")[0], 405, "POST /metrics: 405")
    equal(http_ask(live.http_port, "GET", "/metrics")[0], 404, "the webhooks' port tells no metrics")
    code, out, _ = live.console("metrics")
    check(code == 0 and "purser_build_info" in out, "purser metrics shows them too")


def test(live):
    live.start()
    before = live.metrics()
    work(live)
    wait_until("the bounced mail is given up", lambda: live.jobs("dead"))
    text = test_promtool(live)
    test_names(text)
    test_figures(live)
    test_monotonic(live, before)
    test_pages(live)
    equal(live.stop_daemon(), 0, "purserd stops in order")


run(test)
