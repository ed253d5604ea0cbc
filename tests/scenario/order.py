#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# CTEST
"""The main job on real order bodies: rows in SQLite, exactly one mail per order with an address, books equal to a
recount of the rows; with Gemini there, gone, and talking nonsense."""
import collections
import decimal
import json
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from live import DATA, ROOT, SHOP, check, equal, run, wait_until  # noqa: E402

PLAIN = re.search(r'else:\s*\n\s*paragraph:\s*"([^"]+)"',
                  (ROOT / "config/workflows/order-confirmation.yaml").read_text(encoding="utf-8")).group(1)
FILES = sorted((DATA / "shopify").glob("order*.json"))


def minor(text):
    return int(decimal.Decimal(text) * 100)


def real_bodies():
    """{order id: (bytes, order)}; a later file with an id that was sent already is the same order."""
    found = {}
    for path in FILES:
        body = path.read_bytes()
        order = json.loads(body)
        found.setdefault(str(order["id"]), (body, order))
    return found


def address_of(order):
    return order.get("email") or order.get("contact_email")


def text_of(mail):
    return " ".join(mail.get_body(("plain",)).get_content().split())


def check_rows(live, orders):
    rows = {row[0]: row[1:] for row in live.sql(
        "SELECT order_id, name, email, currency, total, customer_id, shop FROM orders")}
    equal(set(rows), set(orders), f"{len(orders)} orders are {len(orders)} rows")
    for key, order in orders.items():
        customer = (order.get("customer") or {}).get("id")
        wanted = (order["name"], address_of(order), order["currency"], minor(order["total_price"]),
                  str(customer) if customer is not None else None, SHOP)
        found = rows[key]
        if (found[0], found[1] or None, *found[2:]) != (wanted[0], wanted[1] or None, *wanted[2:]):
            equal(found, wanted, f"row of order {key}")
    lines = collections.Counter(key for (key,) in live.sql("SELECT order_id FROM order_lines"))
    equal(lines, collections.Counter({key: len(order["line_items"]) for key, order in orders.items()}),
          "every order has the rows of its lines")


def check_books(live):
    """The books against a recount of the rows."""
    wanted = {("orders", ""): live.sql("SELECT count(*) FROM orders")[0][0],
              ("new_customers", ""): live.sql("SELECT count(*) FROM customers")[0][0]}
    for currency, total in live.sql("SELECT currency, sum(total) FROM orders GROUP BY currency"):
        wanted["revenue", currency] = total
    equal(live.books(), wanted, "the books equal a recount of the rows")


def check_mails(live, addresses):
    mails = live.mails()
    equal(collections.Counter(mail["X-Envelope-To"] for mail in mails), collections.Counter(addresses),
          f"{len(addresses)} orders with an address are {len(addresses)} mails, one each")
    check(len({mail["Message-ID"] for mail in mails}) == len(mails), "no two mails share a Message-ID")


def test_real_orders(live):
    orders = real_bodies()
    for path in FILES:
        topic = "orders/paid" if "orders_paid" in path.name else "orders/create"
        equal(live.hook(path.read_bytes(), topic=topic)[0], 200, f"{path.name} is accepted")
    for body, order in orders.values():
        if live.hook(body, topic="orders/paid")[0] != 200:
            equal(False, True, f"orders/paid of {order['name']} is accepted")
    live.wait_idle()
    check_rows(live, {key: order for key, (_, order) in orders.items()})
    check_mails(live, [address_of(order) for _, order in orders.values() if address_of(order)])
    check_books(live)
    check(not any(PLAIN in text_of(mail) for mail in live.mails()), "every mail has a line of Gemini's own")
    for order in (order for _, order in orders.values() if address_of(order)):
        text = next(text_of(mail) for mail in live.mails() if mail["X-Envelope-To"] == address_of(order))
        check(order["name"] in text and order["line_items"][0]["title"] in text and
              f"{order['total_price']} {order['currency']}" in text,
              f"the mail of {order['name']} ({order['id']}) names its number, lines and total")


def order_number(number):
    order = json.loads((DATA / "shopify/orders_create_paid.shopify-app-js.json").read_bytes())
    order.update(id=7000000000000000000 + number, name=f"#T{number}", email=f"t{number}@customers.example")
    order["customer"]["id"] = 9007199254740993 + number
    return order


def send(live, numbers):
    for number in numbers:
        equal(live.hook(json.dumps(order_number(number)).encode())[0], 200, f"order #T{number} is accepted")


def mails_of(live, numbers):
    wanted = {f"t{number}@customers.example" for number in numbers}
    return [mail for mail in live.mails() if mail["X-Envelope-To"] in wanted]


def test_gemini(live, kind, numbers):
    live.fault(kind)
    send(live, numbers)
    wait_until(f"the mails of orders during '{kind}'", lambda: len(mails_of(live, numbers)) == len(numbers), 120)
    live.wait_idle()
    check(all(PLAIN in text_of(mail) for mail in mails_of(live, numbers)), f"Gemini '{kind}': the plain text is used")
    equal(len(mails_of(live, numbers)), len(numbers), f"Gemini '{kind}': one mail an order")
    live.no_fault(kind)


def test_cloud_shop(live):
    """Orders as purser-cloud's Shopify cuts, signs and sends them: ids past 2^53, guests, create and paid."""
    before = len(live.sql("SELECT 1 FROM orders"))
    live.ask_cloud("orders", count=12, rate=1200)
    wait_until("orders are placed", lambda: live.ask_cloud("counts")["orders"] == 12)
    wait_until("all webhooks are delivered", lambda: live.ask_cloud("pending")["deliveries"] == 0)
    live.wait_idle()
    sent = {line["order_id"]: line["name"] for line in live.ask_cloud("effects") if line["what"] == "order"}
    kept = dict(live.sql("SELECT order_id, name FROM orders"))
    check(all(kept.get(key) == name for key, name in sent.items()), "12 orders of purser-cloud stand in the table")
    equal(len(kept), before + 12, "and no others")
    check(any(int(key) > 2 ** 53 for key in sent), "ids past 2^53 are among them, to the last digit")
    mails = collections.Counter(mail["X-Envelope-To"] for mail in live.mails())
    equal([mails[f"customer{name[1:]}@example.com"] for name in sent.values()], [1] * 12, "one mail for each")


def test(live):
    hook = f"http://127.0.0.1:{live.http_port}/hooks/shopify-orders"
    live.cloud_options += ["--hook", f"orders/create={hook}", "--hook", f"orders/paid={hook}",
                           "--hook-secret-file", live.folder / "secrets/shopify.webhook"]
    for path in FILES:
        live.cloud_options += ["--template", path]
    live.start()
    test_real_orders(live)
    test_gemini(live, "outage", range(1, 4))
    test_gemini(live, "garbage", range(4, 7))
    wait_until("the breaker lets Gemini in again",
               lambda: all(gate["state"] == "ok" for gate in live.cli("limits")["gates"]), 120)
    send(live, [7])
    live.wait_idle(120)
    check(PLAIN not in text_of(mails_of(live, [7])[0]), "after the trouble Gemini writes again")
    test_cloud_shop(live)
    check_books(live)
    equal(live.cli("store", "check")["clean"], True, "the store is whole")
    equal(live.jobs("dead"), [], "no job was given up")
    equal(live.stop_daemon(), 0, "purserd stops in order")


run(test)
