#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# CTEST
"""Shopify's own SDK (npm: @shopify/shopify-api) as an oracle for purser-cloud's Admin API: it fetches a token, asks and
changes an order, makes a subscription, and meets a revoked token and a spent bucket the way it would at Shopify. The
package is installed below the build folder; that needs npm and a registry, and without them this test fails rather than
being passed over."""
import json
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from live import BUILD, SHOP, Failed, check, equal, run, wait_until  # noqa: E402

PACKAGE = "@shopify/shopify-api@13.1.0"
FOLDER = BUILD / "npm-shopify-sdk"
# Reads commands as JSON lines, answers each with what the SDK gave or threw. Only the address is turned aside.
CLIENT = """
import {webcrypto} from 'node:crypto';
import {createInterface} from 'node:readline';

globalThis.crypto ??= webcrypto; // Debian 12's node has it under this name alone
const real = globalThis.fetch;
globalThis.fetch = (url, options) => real(String(url).replace(/^https:\\/\\/[^/]+/, process.argv[2]), options);
await import('@shopify/shopify-api/adapters/node');
const {setAbstractFetchFunc} = await import('@shopify/shopify-api/runtime');
setAbstractFetchFunc(globalThis.fetch);
const {shopifyApi, ApiVersion, LogSeverity} = await import('@shopify/shopify-api');
const version = Object.values(ApiVersion).filter(name => name !== 'unstable').pop();
const shopify = shopifyApi({apiKey: 'client-1', apiSecretKey: process.argv[3], scopes: ['read_orders'],
  hostName: '127.0.0.1', apiVersion: version, isEmbeddedApp: false,
  logger: {level: LogSeverity.Error, log: () => {}}});
let session;
for await (const line of createInterface({input: process.stdin})) {
  const {token, query, variables} = JSON.parse(line);
  try {
    if (token) {
      session = (await shopify.auth.clientCredentials({shop: token})).session;
      console.log(JSON.stringify({data: {scope: session.scope, lives_s: (session.expires - Date.now()) / 1000}}));
    } else {
      const answer = await new shopify.clients.Graphql({session}).request(query, {variables});
      console.log(JSON.stringify({data: answer.data, cost: answer.extensions.cost}));
    }
  } catch (problem) {
    console.log(JSON.stringify({thrown: problem.constructor.name, code: problem.response?.code ?? 0,
      text: JSON.stringify(problem.body ?? problem.message ?? '')}));
  }
}
"""


def install():
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        raise Failed("npm and node are needed for Shopify's SDK (Debian packages nodejs and npm)")
    marker = FOLDER / "installed"
    if not marker.exists() or marker.read_text(encoding="utf-8") != PACKAGE:
        FOLDER.mkdir(parents=True, exist_ok=True)
        (FOLDER / "package.json").write_text('{"private": true, "type": "module"}', encoding="utf-8")
        done = subprocess.run([npm, "install", "--no-audit", "--no-fund", PACKAGE], cwd=FOLDER, capture_output=True,
                              text=True, timeout=400, check=False)
        if done.returncode != 0:
            raise Failed(f"npm cannot install {PACKAGE}: {(done.stderr or done.stdout).strip()[-600:]}")
        marker.write_text(PACKAGE, encoding="utf-8")
    (FOLDER / "client.mjs").write_text(CLIENT, encoding="utf-8")
    return node


class Sdk:
    def __init__(self, live):
        self.process = subprocess.Popen([install(), "client.mjs", f"http://127.0.0.1:{live.cloud_port}", "hush"],
                                        cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise Failed("the SDK's process has ended")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)


def test_token(sdk):
    answer = sdk.ask(token=SHOP)
    check("read_orders" in answer["data"]["scope"] and 86000 < answer["data"]["lives_s"] < 86400,
          "the SDK fetches a token for a day by client credentials")


def test_queries(live, sdk):
    listed = sdk.ask(query="query { orders(first: 5, sortKey: UPDATED_AT) { nodes { id name tags } pageInfo "
                           "{ hasNextPage } } }")
    nodes = listed["data"]["orders"]["nodes"]
    equal(len(nodes), 3, "it lists the orders")
    equal(listed["cost"]["throttleStatus"]["restoreRate"], 100, "and hears what that cost")
    tagged = sdk.ask(query="mutation addTags($id: ID!, $tags: [String!]!) { tagsAdd(id: $id, tags: $tags) { "
                           "node { id } userErrors { field message } } }",
                     variables={"id": nodes[0]["id"], "tags": ["processed"]})
    equal(tagged["data"]["tagsAdd"], {"node": {"id": nodes[0]["id"]}, "userErrors": []}, "it tags one")
    refused = sdk.ask(query='mutation { tagsAdd(id: "gid://shopify/Order/1", tags: ["x"]) { '
                            'userErrors { message } } }')
    equal(refused["data"]["tagsAdd"]["userErrors"][0]["message"], "Order does not exist", "and none that is not there")
    make = {"query": "mutation($topic: WebhookSubscriptionTopic!, $sub: WebhookSubscriptionInput!) { "
                     "webhookSubscriptionCreate(topic: $topic, webhookSubscription: $sub) { webhookSubscription { id } "
                     "userErrors { field message } } }",
            "variables": {"topic": "ORDERS_CREATE", "sub": {"uri": "https://pi.example.net/hooks/o", "format": "JSON"}}}
    made = sdk.ask(**make)["data"]["webhookSubscriptionCreate"]
    check(made["webhookSubscription"]["id"].startswith("gid://shopify/WebhookSubscription/"), "it subscribes")
    again = sdk.ask(**make)["data"]["webhookSubscriptionCreate"]["userErrors"]
    check("already been taken" in again[0]["message"], "but not twice")
    tags = [order["tag_list"] for order in live.ask_cloud("shopify")["orders"] if "tag_list" in order]
    equal(tags, [["processed"]], "and the shop has the tag")


def test_failures(live, sdk):
    wrong = sdk.ask(query="query { shop { colour } }")
    equal(wrong["thrown"], "GraphqlQueryError", "a field that is not there is a query error to the SDK")
    wrong = sdk.ask(query="query { shop { name ")
    equal(wrong["thrown"], "GraphqlQueryError", "and so is a query that does not parse")
    live.fault("limited", "admin")
    wrong = sdk.ask(query="query { shop { name } }")
    check("THROTTLED" in wrong["text"], "a spent bucket is THROTTLED")
    live.no_fault("limited", "admin")
    live.ask_cloud("revoke", lives_ms=0)
    wrong = sdk.ask(query="query { shop { name } }")
    equal((wrong["thrown"], wrong["code"]), ("HttpResponseError", 401), "a revoked token is 401")
    sdk.ask(token=SHOP)
    equal(sdk.ask(query="query { shop { myshopifyDomain } }")["data"]["shop"]["myshopifyDomain"], SHOP,
          "and a new one works")


def test(live):
    live.start_cloud()
    live.ask_cloud("orders", count=3, rate=60000)
    wait_until("the orders are placed", lambda: live.ask_cloud("counts")["orders"] == 3)
    sdk = Sdk(live)
    try:
        test_token(sdk)
        wait_until("the orders have settled", lambda: len(sdk.ask(
            query="query { orders(first: 5) { nodes { id } } }")["data"]["orders"]["nodes"]) == 3)
        test_queries(live, sdk)
        test_failures(live, sdk)
    finally:
        sdk.close()


run(test)
