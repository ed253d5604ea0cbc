#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# CTEST
"""Shopify's own webhook validator (npm: @shopify/shopify-api) as an oracle: purserd takes what it calls valid and
refuses what it does not, and it calls valid what purser-cloud signs. The package is installed below the build folder;
that needs npm and a registry, and without them this test fails rather than being passed over."""
import base64
import http.server
import json
import pathlib
import shutil
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from live import BUILD, DATA, SHOP, Failed, check, equal, free_port, run, wait_until  # noqa: E402

PACKAGE = "@shopify/shopify-api@13.1.0"
FOLDER = BUILD / "npm-shopify"
# Reads cases as JSON lines, answers each with the validator's verdict.
VALIDATOR = """
import '@shopify/shopify-api/adapters/node';
import {shopifyApi, ApiVersion, LogSeverity} from '@shopify/shopify-api';
import {webcrypto} from 'node:crypto';
import {createInterface} from 'node:readline';

globalThis.crypto ??= webcrypto; // Debian 12's node has it under this name alone
const version = Object.values(ApiVersion).filter(name => name !== 'unstable').pop();
for await (const line of createInterface({input: process.stdin})) {
  const {secret, body, headers} = JSON.parse(line);
  const shopify = shopifyApi({apiKey: 'key', apiSecretKey: secret, scopes: ['read_orders'], hostName: '127.0.0.1',
    apiVersion: version, isEmbeddedApp: false, logger: {level: LogSeverity.Error, log: () => {}}});
  const verdict = await shopify.webhooks.validate({rawBody: body,
    rawRequest: {method: 'POST', url: '/webhooks', headers}});
  console.log(JSON.stringify({valid: verdict.valid, reason: verdict.reason ?? ''}));
}
"""


def install():
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        raise Failed("npm and node are needed for Shopify's validator (Debian packages nodejs and npm)")
    marker = FOLDER / "installed"
    if not marker.exists() or marker.read_text(encoding="utf-8") != PACKAGE:
        FOLDER.mkdir(parents=True, exist_ok=True)
        (FOLDER / "package.json").write_text('{"private": true, "type": "module"}', encoding="utf-8")
        done = subprocess.run([npm, "install", "--no-audit", "--no-fund", PACKAGE], cwd=FOLDER, capture_output=True,
                              text=True, timeout=400, check=False)
        if done.returncode != 0:
            raise Failed(f"npm cannot install {PACKAGE}: {(done.stderr or done.stdout).strip()[-600:]}")
        marker.write_text(PACKAGE, encoding="utf-8")
    (FOLDER / "validate.mjs").write_text(VALIDATOR, encoding="utf-8")
    return node


class Oracle:
    def __init__(self):
        self.node = install()

    def judge(self, cases):
        """(valid, reason) of each case: (secret, body bytes, headers)."""
        lines = [json.dumps({"secret": secret, "body": body.decode(), "headers": headers})
                 for secret, body, headers in cases]
        done = subprocess.run([self.node, "validate.mjs"], cwd=FOLDER, input="\n".join(lines) + "\n",
                              capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            raise Failed(f"the validator does not run: {done.stderr.strip()[-600:]}")
        verdicts = [json.loads(line) for line in done.stdout.splitlines()]
        equal(len(verdicts), len(cases), f"the validator judged {len(cases)} requests")
        return [(verdict["valid"], verdict["reason"]) for verdict in verdicts]


# --- purserd beside the validator ---

def bodies():
    for path in sorted((DATA / "shopify").glob("order*.json")):
        yield path.name, path.read_bytes()
    yield "letters of all lengths", json.dumps({"id": 1, "note": "é太郎🍵\u2028"}, ensure_ascii=False).encode()
    yield "escaped letters and slashes", rb'{"id":2,"note":"\u00e9\ud83c\udf75","url":"https:\/\/a\/b"}'
    yield "white space and line ends", b'{\r\n\t"id" : 3 ,\n "note" : " "\r\n}\n'


def variants(live, body):
    """(what, headers) for one body."""
    good = live.hook_headers(body)
    signature = good["X-Shopify-Hmac-Sha256"]
    yield "signed", good
    yield "lower case header names", {name.lower(): value for name, value in good.items()}
    for what, value in (("another signature", base64.b64encode(bytes(32)).decode()),
                        ("a cut signature", signature[:-4]), ("a longer signature", signature + "AAAA"),
                        ("a signature in hex", live.sign(body).hex())):
        yield what, dict(good, **{"X-Shopify-Hmac-Sha256": value})
    yield "signed by another secret", dict(good, **{
        "X-Shopify-Hmac-Sha256": base64.b64encode(live.sign(body, "stock.webhook")).decode()})
    yield "the signature of one byte less", dict(good, **{
        "X-Shopify-Hmac-Sha256": base64.b64encode(live.sign(body[:-1])).decode()})
    for name in ("X-Shopify-Hmac-Sha256", "X-Shopify-Topic", "X-Shopify-Shop-Domain", "X-Shopify-Webhook-Id",
                 "X-Shopify-API-Version"):
        yield f"without {name}", {key: value for key, value in good.items() if key != name}


def test_same_verdicts(live, oracle):
    secret = live.secrets["shopify.webhook"]
    cases = [(f"{name}, {what}", body, headers) for name, body in bodies() for what, headers in variants(live, body)]
    verdicts = oracle.judge([(secret, body, headers) for _, body, headers in cases])
    wanted = {"": {200}, "invalid_hmac": {401}, "missing_hmac": {400}, "missing_headers": {400}}
    seen = {}
    for (what, body, headers), (valid, reason) in zip(cases, verdicts):
        if valid != (reason == ""):
            raise Failed(f"{what}: the validator says {valid} because of {reason!r}")
        status = live.hook(body, headers=headers, without=[name for name in live.hook_headers(body)
                                                           if name not in headers])[0]
        if status not in wanted.get(reason, ()):
            raise Failed(f"{what}: the validator says {reason or 'valid'}, purserd {status}")
        seen[reason or "valid"] = seen.get(reason or "valid", 0) + 1
    check(seen.get("valid") and seen.get("invalid_hmac") and seen.get("missing_hmac"),
          f"purserd and Shopify's validator say the same of {len(cases)} requests: {seen}")


# --- purser-cloud before the validator ---

class Catcher(http.server.BaseHTTPRequestHandler):
    caught = []

    def do_POST(self):  # noqa: N802 (a name of http.server)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.caught.append((body, dict(self.headers.items())))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def test_cloud_signs_well(live, oracle, server):
    hook = f"http://127.0.0.1:{server.server_port}/hooks"
    live.cloud_options += ["--hook", f"orders/create={hook}", "--hook", f"orders/paid={hook}",
                           "--hook-secret-file", live.folder / "secrets/shopify.webhook"]
    for path in sorted((DATA / "shopify").glob("order*.json")):
        live.cloud_options += ["--template", path]
    live.start_cloud()
    live.ask_cloud("orders", count=10, rate=6000)
    wait_until("purser-cloud delivers twenty webhooks", lambda: len(Catcher.caught) >= 20)
    verdicts = oracle.judge([(live.secrets["shopify.webhook"], body, headers) for body, headers in Catcher.caught])
    equal(set(verdicts), {(True, "")}, f"Shopify's validator calls all {len(verdicts)} of purser-cloud valid")
    check(all(headers["X-Shopify-Shop-Domain"] == SHOP for _, headers in Catcher.caught), "from the shop it plays")


def test(live):
    oracle = Oracle()
    live.start(cloud=False)
    test_same_verdicts(live, oracle)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Catcher)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        test_cloud_signs_well(live, oracle, server)
    finally:
        server.shutdown()
        server.server_close()
    equal(live.stop_daemon(), 0, "purserd stops in order")


run(test)
