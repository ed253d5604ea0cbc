#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# CTEST
"""Webhooks that must not pass, and those that must pass once: each gets a clear answer and a count in a metric, and
the door stays open."""
import base64
import concurrent.futures
import http.client
import json
import pathlib
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from live import DATA, Failed, check, equal, raw_http, run, wait_until  # noqa: E402

REAL = (DATA / "shopify/orders_create_paid.shopify-app-js.json").read_bytes()
PATH = "/hooks/shopify-orders"


def order(number, **fields):
    found = {"id": number, "name": f"#{number}", "currency": "EUR", "total_price": "10.00",
             "created_at": "2026-11-22T09:30:00Z", "updated_at": "2026-11-22T09:30:00Z", "line_items": []}
    found.update(fields)
    return {name: value for name, value in found.items() if value is not None}


def packed(value):
    return json.dumps(value).encode()


def counted(live, name, more, what, **labels):
    """The metric's value is `more` than it was when `before` was taken; returns a function to call afterwards."""
    before = live.metric(name, **labels)
    return lambda: equal(live.metric(name, **labels) - before, more, what)


def refused(live, what, status, error, send, words=()):
    """One refusal: its status, what its text names, and its count."""
    then = counted(live, "purser_hooks_refused_total", 1, f"{what}: counted as {error}", error=error)
    found, headers, text = send()
    equal(found, status, f"{what}: {status}")
    for word in words:
        if word not in text:
            raise Failed(f"{what}: the answer does not name {word!r}: {text!r}")
    if status == 503 and "Retry-After" not in headers:
        raise Failed(f"{what}: no Retry-After")
    then()


# --- refusals ---

def test_signatures(live):
    good = live.sign(REAL)
    wrong = bytes([good[0] ^ 1]) + good[1:]
    for what, value in (("a wrong signature", base64.b64encode(wrong).decode()), ("a cut signature", "AAAA"),
                        ("a signature that is no base64", "***"), ("hex instead of base64", good.hex())):
        refused(live, what, 401, "unauthorized",
                lambda value=value: live.hook(REAL, headers={"X-Shopify-Hmac-Sha256": value}), ["signature"])
    refused(live, "the signature of another body", 401, "unauthorized",
            lambda: live.hook(REAL + b" ", headers={"X-Shopify-Hmac-Sha256": base64.b64encode(good).decode()}))
    refused(live, "the secret of another endpoint", 401, "unauthorized",
            lambda: live.hook(REAL, secret="stock.webhook"))
    for name in ("X-Shopify-Hmac-Sha256", "X-Shopify-Topic", "X-Shopify-Shop-Domain", "X-Shopify-Webhook-Id"):
        refused(live, f"no {name}", 400, "malformed", lambda name=name: live.hook(REAL, without=[name]), [name])


def test_wrong_requests(live):
    refused(live, "another content type", 415, "unsupported",
            lambda: live.hook(REAL, headers={"Content-Type": "text/plain"}), ["application/json"])
    refused(live, "another charset", 415, "unsupported",
            lambda: live.hook(REAL, headers={"Content-Type": "application/json; charset=latin1"}))
    refused(live, "no such endpoint", 404, "not-found", lambda: live.hook(REAL, path="/hooks/none"))
    refused(live, "no such page", 404, "not-found", lambda: live.hook(REAL, path="/"))
    refused(live, "GET", 405, "unsupported", lambda: live.hook(b"", method="GET"), ["POST"])
    refused(live, "PUT", 405, "unsupported", lambda: live.hook(REAL, method="PUT"))
    refused(live, "an unknown topic", 422, "invalid", lambda: live.hook(REAL, topic="orders/frobnicate"),
            ["X-Shopify-Topic", "orders/create"])
    refused(live, "another shop", 422, "invalid",
            lambda: live.hook(REAL, headers={"X-Shopify-Shop-Domain": "other.myshopify.com"}), ["Shop-Domain"])


def requests_refused(live, what, status, send):
    """A refusal by the HTTP server itself, counted by status class."""
    then = counted(live, "purser_http_requests_total", 1, f"{what}: counted as 4xx", status="4xx")
    found = send()
    equal(found, status, f"{what}: {status}")
    then()


def status_of(answer):
    """The status of a raw answer, 0 for none."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else 0


def test_sizes(live):
    big = packed(order(1, note="x" * (3 << 20)))
    requests_refused(live, "a body of 3 MiB", 413, lambda: status_of(raw_http(live.http_port, raw_head(live, big))))
    requests_refused(live, "a body past payload_bytes_max", 413,
                     lambda: live.hook(packed(order(1, note="x" * (1 << 20))))[0])
    whole = packed(order(1, note=""))
    full = packed(order(1, note="x" * ((1 << 20) - len(whole))))
    refused(live, "a body of payload_bytes_max, which leaves no room for its headers", 413, "too-large",
            lambda: live.hook(full), ["payload_bytes_max"])
    requests_refused(live, "headers of 17 KB", 431,
                     lambda: live.hook(REAL, headers={f"X-Long-{n}": "x" * 4000 for n in range(4)})[0])
    equal(live.hook(REAL, headers={f"X-Long-{n}": "x" * 4000 for n in range(20)})[0], 431, "headers of 80 KB: 431")
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [b"x" * 65536] * 24) + b"0\r\n\r\n"
    head = (f"POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
            "\r\n").encode()
    requests_refused(live, "1.5 MiB in chunks", 413, lambda: status_of(raw_http(live.http_port, head + chunked)))
    requests_refused(live, "no length", 411, lambda: status_of(raw_http(
        live.http_port, f"POST {PATH} HTTP/1.1\r\nHost: a\r\n\r\n".encode())))
    requests_refused(live, "two lengths", 400, lambda: status_of(raw_http(
        live.http_port, (f"POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"
                         "x").encode())))
    requests_refused(live, "a length and chunks", 400, lambda: status_of(raw_http(
        live.http_port, (f"POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                         "0\r\n\r\n").encode())))


def raw_head(live, body, length=None):
    """The head of a signed request, without its body."""
    lines = [f"POST {PATH} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body) if length is None else length}"]
    lines += [f"{name}: {value}" for name, value in live.hook_headers(body).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def test_truncated(live):
    accepted = live.metric("purser_hooks_accepted_total")
    body = packed(order(2))
    answer = raw_http(live.http_port, raw_head(live, body) + body[:-5], finish=True)
    check(status_of(answer) in (0, 400), "a body that ends too early is not accepted")
    body = packed(order(3))[:-20]
    refused(live, "a body cut before it was signed", 400, "malformed", lambda: live.hook(body), ["line 1"])
    started = time.monotonic()
    answer = raw_http(live.http_port, raw_head(live, REAL) + REAL[:10], seconds=60)
    check(status_of(answer) in (0, 400, 408) and time.monotonic() - started < 55,
          "a sender that stops in the middle is dropped")
    equal(live.metric("purser_hooks_accepted_total"), accepted, "nothing of them was accepted")


def test_json(live):
    deep = b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"
    for what, body in (("5,000 brackets deep", deep), ("a duplicate key", b'{"id":1,"id":2}'), ("NaN", b'{"id":NaN}'),
                       ("Infinity", b'{"id":-Infinity}'), ("not UTF-8", b'{"id":"\xff\xfe"}'),
                       ("an overlong UTF-8 form", b'{"id":"\xc0\xaf"}'), ("half a surrogate", b'{"id":"\\ud800"}'),
                       ("a comment", b'{"id":1 /* x */}'), ("bytes after the end", b'{"id":1}x'), ("no JSON", b"hello"),
                       ("a list", b"[1]"), ("a trailing comma", b'{"id":1,}'), ("a NUL", b'{"id":1}\0'),
                       ("an integer of 40 digits", b'{"id":' + b"9" * 40 + b"}")):
        refused(live, what, 400, "malformed", lambda body=body: live.hook(body), ["line", "column"])
    refused(live, "an empty body", 400, "malformed", lambda: live.hook(b""))


# --- orders that are JSON and odd ---

def row_of(live, key):
    rows = live.sql("SELECT currency, total, customer_id, email FROM orders WHERE order_id = ?", str(key))
    return rows[0] if rows else None


def test_odd_orders(live):
    big = 9007199254740993  # 2^53 + 1: a double would say ...992
    kept = {
        10: (order(10, total_price="12.34", email="guest10@customers.example"), ("EUR", 1234, None,
                                                                                "guest10@customers.example")),
        11: (order(11, currency="JPY", total_price="1234"), ("JPY", 1234, None, None)),
        12: (order(12, currency="KWD", total_price="1.234"), ("KWD", 1234, None, None)),
        13: (order(13, total_price="9999999999999.99"), ("EUR", 999999999999999, None, None)),
        14: (order(14, total_price="-5.00"), ("EUR", -500, None, None)),
        big: (order(big, customer={"id": big + 2}), ("EUR", 1000, str(big + 2), None)),
        9223372036854775807: (order(9223372036854775807), ("EUR", 1000, None, None)),
    }
    for key, (body, _) in kept.items():
        equal(live.hook(packed(body))[0], 200, f"order {key} is accepted")
    live.wait_idle()
    for key, (_, row) in kept.items():
        equal(row_of(live, key), row, f"order {key} is kept to the last digit")


def failing_run(live):
    """What the newest run of the order workflow says."""
    newest = live.cli("runs", "--workflow", "order-confirmation")["runs"][0]
    return newest["state"], json.dumps(live.cli("run", "show", newest["run"]))


def test_impossible_orders(live):
    bodies = {"an amount past 10^15": (order(20, total_price="99999999999999999999.00"), "total_price"),
              "an amount that is no number": (order(21, total_price="cheap"), "total_price"),
              "half a cent": (order(22, total_price="1.005"), "total_price"),
              "half a yen": (order(23, currency="JPY", total_price="10.50"), "total_price"),
              "an unknown currency": (order(24, currency="XYZZY"), "currency"),
              "no currency": (order(25, currency=None), "currency"),
              "no id": (order(26, id=None), "id"),
              "lines that are no list": (order(27, line_items="tea"), "line_items")}
    for what, (body, place) in bodies.items():
        then = counted(live, "purser_runs_failed_total", 1, f"{what}: counted as a failed run")
        equal(live.hook(packed(body))[0], 200, f"{what}: kept, for a person to look at")
        live.wait_idle()
        state, text = failing_run(live)
        equal(state, "failed", f"{what}: the run failed")
        if place not in text:
            raise Failed(f"{what}: the run does not name {place}: {text}")
        then()
    equal([row for key in range(20, 28) if (row := row_of(live, key))], [], "none of them is a row")


# --- once ---

def sent_twice(live, what, first, second, metric):
    then = counted(live, metric, 1, f"{what}: counted")
    jobs = live.metric("purser_runs_started_total")
    equal([live.hook(**first)[0], live.hook(**second)[0]], [200, 200], f"{what}: both are told yes")
    live.wait_idle()
    equal(live.metric("purser_runs_started_total") - jobs, 1, f"{what}: one run")
    then()


def test_duplicates(live):
    one, other = packed(order(30)), packed(order(30, note="changed"))
    sent_twice(live, "the same id and body", {"body": one, "webhook_id": "d-1"}, {"body": one, "webhook_id": "d-1"},
               "purser_hooks_duplicate_total")
    one, other = packed(order(31)), packed(order(32))
    sent_twice(live, "the same body with a new id", {"body": one, "webhook_id": "d-2"},
               {"body": one, "webhook_id": "d-3"}, "purser_hooks_conflict_total")
    equal(live.hook(packed(order(33)), webhook_id="d-4")[0], 200, "a new id is accepted")
    then = counted(live, "purser_hooks_conflict_total", 1, "the same id with another body: counted as a conflict")
    refused(live, "the same id with another body", 409, "conflict", lambda: live.hook(other, webhook_id="d-4"),
            ["X-Shopify-Webhook-Id", "another body"])
    then()
    live.wait_idle()
    equal(row_of(live, 32), None, "and the other body is no row")
    equal(live.hook(other, webhook_id="d-5")[0], 200, "with an id of its own the other body is accepted")
    live.wait_idle()
    check(row_of(live, 32) is not None, "and is a row")
    equal(live.hook(other, webhook_id="d-4")[0], 200, "a kept body is told yes under any id")


def test_fifty_at_once(live):
    body = packed(order(40, email="fifty@customers.example"))
    jobs, kept = live.metric("purser_runs_started_total"), live.metric("purser_hooks_accepted_total")
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        codes = list(pool.map(lambda _: live.hook(body, webhook_id="d-50")[0], range(50)))
    equal(codes, [200] * 50, "fifty at once: all are told yes")
    live.wait_idle()
    equal(live.metric("purser_runs_started_total") - jobs, 1, "fifty at once: one run")
    equal(live.metric("purser_hooks_accepted_total") - kept, 1, "fifty at once: one counted as accepted")
    mails = sum(mail["X-Envelope-To"] == "fifty@customers.example" for mail in live.mails())
    equal(mails, 1, "fifty at once: one mail")


def test_secrets(live):
    equal(live.hook(packed(order(50)), secret="shopify.old")[0], 200, "during a rotation the old secret is valid too")
    body = b'{"at":"2026-11-22T09:30:00Z"}'
    for form in ("", "sha256="):
        signature = form + live.sign(body, "stock.webhook").hex()
        equal(live.hook(body, path="/hooks/stock", headers={"X-Signature-256": signature})[0], 200,
              f"hmac-sha256 with {form or 'plain '}hex is accepted")
    refused(live, "hmac-sha256 with a wrong signature", 401, "unauthorized",
            lambda: live.hook(body, path="/hooks/stock", headers={"X-Signature-256": "00" * 32}))


def test_garbage(live):
    for data in (b"\0" * 200, b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300),
                 b"POST " + b"/" * 100000 + b" HTTP/1.1\r\n\r\n", b"POST /hooks/../../etc HTTP/1.1\r\nHost: a\r\n\r\n"):
        raw_http(live.http_port, data, seconds=20, finish=True)
    idle = [socket.create_connection(("127.0.0.1", live.http_port)) for _ in range(40)]
    try:
        equal(live.hook(packed(order(60)))[0], 200, "after garbage and beside 40 silent connections the door is open")
    except http.client.HTTPException as problem:
        raise Failed(f"after garbage the door is closed: {problem}") from problem
    finally:
        for connection in idle:
            connection.close()


def test(live):
    live.settings["http_read_ms"] = "3s"
    live.start()
    engine = live.engine_pid()
    for part in (test_signatures, test_wrong_requests, test_sizes, test_truncated, test_json, test_odd_orders,
                 test_impossible_orders, test_duplicates, test_fifty_at_once, test_secrets, test_garbage):
        part(live)
    equal(live.hook(REAL)[0], 200, "a good order is still accepted")
    wait_until("its row", lambda: row_of(live, 1073459972))
    live.wait_idle()
    equal(live.engine_pid(), engine, "nothing was stopped or started anew")
    equal(live.jobs("dead"), [], "no job was given up")
    equal(live.cli("store", "check")["clean"], True, "the store is whole")
    equal(live.stop_daemon(), 0, "purserd stops in order")


run(test)
