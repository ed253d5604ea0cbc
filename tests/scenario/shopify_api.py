#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# CTEST: long
"""Shopify's Admin API, whole: webhooks get lost and `reconcile` finds every order, a subscription is deleted and comes
back, tokens end and are revoked, the API fails in every way. Nothing is counted, mailed or noted twice."""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from live import LIMITS, ROOT, SHOP, check, equal, run, wait_until, write_secret  # noqa: E402

TOPICS = ["orders/create", "orders/paid", "orders/updated"]
HOOKS = f"""
hooks:
  shopify-orders:
    scheme: shopify
    topics: [{", ".join(TOPICS)}]
    shop: {SHOP}
    secret: shopify/webhook
"""
MODES = "\nmodes: {order-confirmation: live, order-changes: live, reconcile: live}\n"
DO = """# SPDX-License-Identifier: MIT
workflow: {name}
mode: live
on:
  - manual: true
steps:
  - id: did
    shopify: {{action: {name}, input: {fields}}}
    retry: {{attempts: 20, first: 1s, max: 2s}}
"""
ORDERS = 24


def shipped(name):
    """A shipped workflow, asked for by hand at once, and about orders that have just changed too."""
    text = (ROOT / f"config/workflows/{name}.yaml").read_text(encoding="utf-8").split("\ntests:")[0] + "\n"
    text = text.replace("on:\n", "on:\n  - manual: true\n", 1)
    return text.replace("        after:", "        settle_s: 0\n        after:").replace(
        "first: 30s, max: 5m", "first: 1s, max: 2s").replace("first: 5s, max: 5m", "first: 1s, max: 2s")


def ended(live, number, state="done"):
    def is_over():
        found = live.cli("run", "show", number, "--whole")
        return found if found["state"] not in ("waiting", "running", "open") else None
    found = wait_until(f"run {number} ends", is_over)
    equal(found["state"], state, f"run {number} of {found['workflow']} is {state}")
    return found


def do(live, name, **body):
    number = live.cli("workflow", "run", name, "--input", json.dumps(body))["run"]
    found = ended(live, number)
    return {step["step"]: step.get("result") for step in found["steps"]}


def counts(live, *names):
    found = live.ask_cloud("counts")
    return tuple(found[name] for name in names)


def shop(live):
    return live.ask_cloud("shopify")


def settle(live):
    wait_until("every webhook is delivered", lambda: live.ask_cloud("pending")["deliveries"] == 0)
    wait_until("every event is worked", lambda: not [row for row in live.jobs()
                                                     if row["state"] not in ("dead", "done")])


def in_books(live, orders):
    return wait_until(f"{orders} orders are in the books",
                      lambda: live.books().get(("orders", "")) == orders and live.books())


def test_webhooks_get_lost(live):
    do(live, "reconcile")
    live.fault("lost-hook", "shopify", probability=0.3)
    live.ask_cloud("orders", count=ORDERS, rate=6000)
    wait_until("the orders are placed", lambda: counts(live, "orders")[0] >= ORDERS)
    settle(live)
    live.no_fault("lost-hook", "shopify")
    lost = counts(live, "hooks_lost")[0]
    check(lost > 0, f"{lost} of {3 * ORDERS} webhooks were never sent")
    before = live.books().get(("orders", ""), 0)
    results = do(live, "reconcile")
    equal(len(results["found"]["orders"]), ORDERS, "the shop lists every order")
    in_books(live, ORDERS)
    check(True, f"{ORDERS - before} orders that no webhook told of are in the books, and each once")
    settle(live)
    equal(live.books()[("revenue", "EUR")], ORDERS * 1000, "the revenue is that of every order, once")
    wanted = {str(order["id"]) for order in shop(live)["orders"]}
    equal({row[0] for row in live.sql("select order_id from orders")}, wanted, "and every order has its row")
    requests = counts(live, "shopify_requests")[0]
    do(live, "reconcile")
    check(counts(live, "shopify_requests")[0] - requests <= 3, "what is known is not fetched again")
    equal(live.books()[("orders", "")], ORDERS, "nor counted")


def test_subscriptions_come_back(live):
    live.ask_cloud("unsubscribe", topic="orders/paid")
    results = do(live, "reconcile")
    hooks = results["hooks"]
    equal((hooks["checked"], hooks["restored"]), (3, 1), "a subscription that is gone is restored")
    equal(sorted(row["topic"] for row in shop(live)["subscriptions"]), ["ORDERS_CREATE", "ORDERS_PAID",
                                                                       "ORDERS_UPDATED"], "as it was")
    equal(do(live, "reconcile")["hooks"]["restored"], 0, "and then left alone")


def test_tokens_end(live):
    before = counts(live, "shopify_tokens")[0]
    live.ask_cloud("revoke", lives_ms=15000)
    order = shop(live)["orders"][0]["id"]
    do(live, "tag", order=order, tags="a")
    equal(counts(live, "shopify_tokens")[0], before + 1, "a token that was revoked is fetched anew")
    unauthorized = counts(live, "shopify_unauthorized")[0]
    wait_until("the token ends by itself", lambda: do(live, "tag", order=order, tags="b") is not None and
               counts(live, "shopify_tokens")[0] >= before + 3)
    equal(counts(live, "shopify_unauthorized")[0], unauthorized, "one that ends is replaced before Shopify refuses it")
    live.ask_cloud("revoke", lives_ms=0)
    text = live.log_text() + json.dumps(live.cli("runs"))
    check("shpat_" not in text and live.secrets["shopify.client"] not in text, "no token or secret is in a log or run")


def test_faults(live):
    order = shop(live)["orders"][1]["id"]
    for number, fault in enumerate(("dropped", "internal", "overloaded", "limited", "garbage", "html", "truncated",
                                    "retry-after", "outage")):
        live.fault(fault, "admin", probability=0.5)
        begun = [live.cli("workflow", "run", name, "--input", json.dumps(body))["run"] for name, body in
                 (("tag", {"order": order, "tags": f"t{number}"}), ("note", {"order": order, "note": f"<{number}>"}))]
        wait_until(f"{fault}: something was asked", lambda: counts(live, "faults")[0] > 0)
        live.no_fault(fault, "admin")
        for run_number in begun:
            ended(live, run_number)
    kept = shop(live)["orders"][1]
    equal(sorted(kept["tag_list"]), [f"t{number}" for number in range(9)], "every tag is there, once")
    equal(kept["note"].split("\n"), [f"<{number}>" for number in range(9)], "every note is there, once, in its order")
    equal(counts(live, "shopify_noted_same", "shopify_violations"), (0, 0), "nothing was written twice")
    equal(live.jobs("doubt") + live.jobs("dead"), [], "nothing is in doubt, nothing is dead")


def test(live):
    live.secrets["shopify.client"] = "client-secret-of-the-app"
    write_secret(live.folder / "secrets/shopify.client", live.secrets["shopify.client"])
    live.settings.update({"shopify_shop": SHOP, "shopify_url": f"http://127.0.0.1:{live.cloud_port}",
                          "shopify_client_id": "client-1", "shopify_client_secret": "shopify/client",
                          "shopify_hooks_url": f"http://127.0.0.1:{live.http_port}", "shopify_timeout_ms": "3s"})
    live.sections.update({"hooks": HOOKS, "modes": MODES, "limits": LIMITS +
                          "  shopify/default: {window: {count: 22, per: 20s}, concurrency: 2}\n"
                          "  telegram/default: {window: {count: 100000, per: 1m}, concurrency: 2}\n"})
    for topic in TOPICS:
        live.cloud_options += ["--hook", f"{topic}=http://127.0.0.1:{live.http_port}/hooks/shopify-orders"]
    live.cloud_options += ["--hook-secret-file", live.folder / "secrets/shopify.webhook"]
    fields = '{{order: "{{{{ trigger.body.order }}}}", {0}: "{{{{ trigger.body.{0} }}}}"}}'
    live.workflows.update({
        "order-changes": shipped("order-changes").replace(", orders/cancelled", ""),
        "reconcile": shipped("reconcile").split("  - id: told")[0],
        "tag": DO.format(name="tag", fields=fields.format("tags")),
        "note": DO.format(name="note", fields=fields.format("note"))})
    live.start()
    for part in (test_webhooks_get_lost, test_subscriptions_come_back, test_tokens_end, test_faults):
        part(live)
    equal(live.cli("store", "check")["clean"], True, "the store is whole")
    equal(live.stop_daemon(), 0, "purserd stops in order")


run(test)
