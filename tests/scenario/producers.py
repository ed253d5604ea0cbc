#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# CTEST
"""Producers over ZeroMQ: the program printed in docs/protocol.md as it stands, every answer, and bytes that are no
message. What is accepted is worked off once; nothing of the rest is kept and nothing stops."""
import json
import pathlib
import re
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from live import ROOT, Failed, Producer, check, equal, run  # noqa: E402

MESSAGE_BYTES_MAX = 1 << 20
NOTES = """# SPDX-License-Identifier: MIT
workflow: notes
mode: live
on:
  - queue: notes
steps:
  - id: counted
    count: {book: notes}
"""
SEQUENCE = """# SPDX-License-Identifier: MIT
workflow: sequence
mode: live
on:
  - queue: sequence
steps:
  - id: seen
    count: {book: sequence, amount: "{{ trigger.body.n }}"}
"""


def test_printed_producer(live):
    """The python block of the page is taken out and run against the daemon."""
    page = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
    blocks = re.findall(r"(?ms)^```python\n(.*?)^```", page)
    equal(len(blocks), 1, "docs/protocol.md has one python block")
    program = live.folder / "producer.py"
    program.write_text(blocks[0], encoding="utf-8")
    done = subprocess.run(["/usr/bin/python3", program, f"tcp://127.0.0.1:{live.producer_port}", "notes"],
                          capture_output=True, text=True, timeout=60, check=False)
    equal((done.returncode, done.stderr), (0, ""), "the printed producer ends well")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    equal([answer[0] for answer in answers], ["accepted"] * 4, "its pushes are accepted")
    equal(answers[3][3:], [3, 1], "its batch tells three new jobs and one duplicate, as the page says")
    live.wait_idle()
    equal(live.books().get(("notes", "")), 6, "its six jobs were worked off, once each")


def test_hello(live):
    with Producer(live.producer_port, hello=False) as producer:
        for name, fields in (("ping", ()), ("push", ("imports", "", "", 0, 4, "application/json", b"{}"))):
            answer = producer.ask(name, *fields)
            check(answer[0] == "refused" and answer[2] == "unsupported" and "hello" in answer[3],
                  f"{name} before hello is refused and says why")
        equal(producer.ask("hello", 0, "old")[0::2][:2], ["refused", "unsupported"], "version 0 is refused")
        answer = producer.ask("hello", 99, "new")
        equal((answer[0], answer[2]), ("welcome", 1), "version 99 is answered with the one both speak")
        equal(answer[4:], [MESSAGE_BYTES_MAX, 256], "welcome tells the bounds")
        equal(producer.ask("ping"), ["pong", producer.sequence], "ping is answered with pong")
        equal(producer.ask("hello", 1, "x" * 65)[0::2][:2], ["refused", "too-large"], "a name of 65 bytes is refused")


def is_refused(producer, what, error, words, *push):
    answer = producer.ask("push", *push)
    equal((answer[0], answer[2]), ("refused", error), f"{what}: refused as {error}")
    for word in words:
        if word not in answer[3]:
            raise Failed(f"{what}: the answer does not name {word!r}: {answer[3]}")


def test_wrong_pushes(live):
    json_type, good = "application/json", b'{"amount":1}'
    before = live.metric("purser_pushes_refused_total")
    with live.producer() as producer:
        for what, error, words, push in (
                ("an unknown queue", "invalid", ["nowhere", "imports"], ("nowhere", "", "", 0, 4, json_type, good)),
                ("a queue of our own", "invalid", ["flow"], ("flow", "", "", 0, 4, json_type, good)),
                ("priority 8", "invalid", ["7"], ("imports", "", "", 0, 8, json_type, good)),
                ("a time before 1970", "invalid", ["due_ms"], ("imports", "", "", -1, 4, json_type, good)),
                ("a key without order", "invalid", ["ordered"], ("imports", "", "k", 0, 4, json_type, good)),
                ("another content type", "unsupported", [json_type], ("imports", "", "", 0, 4, "text/xml", good)),
                ("broken JSON", "malformed", ["line 1", "column"], ("imports", "", "", 0, 4, json_type, b'{"a":')),
                ("NaN", "malformed", ["line 1"], ("imports", "", "", 0, 4, json_type, b'{"a":NaN}')),
                ("two msgpack values", "malformed", ["msgpack"],
                 ("imports", "", "", 0, 4, "application/msgpack", b"\x01\x02")),
                ("an id of 257 bytes", "too-large", ["256"], ("imports", "i" * 257, "", 0, 4, json_type, good)),
                ("a key of 401 bytes", "too-large", ["400"], ("ordered", "", "k" * 401, 0, 4, json_type, good))):
            is_refused(producer, what, error, words, *push)
        equal(producer.push("ordered", {"amount": 0}, id="i" * 256, key="k" * 400)[0], "accepted",
              "an id of 256 and a key of 400 bytes are accepted")
    equal(live.metric("purser_pushes_refused_total") - before, 11, "each refusal was counted")


def job(job_id, amount, key=""):
    return [job_id, key, json.dumps({"amount": amount}).encode()]


def test_dedup(live):
    with live.producer() as producer:
        answer = producer.push("imports", {"amount": 10}, id="once")
        equal((answer[0], answer[3:]), ("accepted", [1, 0]), "a push is accepted")
        equal(producer.push("imports", {"amount": 77}, id="once")[0], "duplicate", "its id again is a duplicate")
        equal(producer.push("ordered", {"amount": 20}, id="once")[0], "accepted", "ids belong to their queue")
        answer = producer.ask("push_many", "imports", "application/json",
                              [job("once", 88), job("a", 100), job("a", 99), job("", 1000), job("", 1000)])
        equal((answer[0], answer[3:]), ("accepted", [3, 2]), "a batch leaves out what is known, also from itself")
        batch = [job(f"b{number}", 1) for number in range(256)]
        equal(producer.ask("push_many", "imports", "application/json", batch)[3:], [256, 0], "256 jobs are a batch")
        equal(producer.ask("push_many", "imports", "application/json", batch)[3:], [0, 256], "and known as a whole")
        for what, jobs in (("257 jobs", [job("", 1)] * 257), ("no jobs", []), ("jobs that are no list", 7),
                           ("a job of two fields", [["id", "key"]]), ("a payload as text", [["i", "", "{}"]])):
            answer = producer.ask("push_many", "imports", "application/json", jobs)
            equal((answer[0], answer[2]), ("refused", "malformed"), f"{what}: refused")
        answer = producer.ask("push_many", "imports", "application/json", [job("c1", 5), ["c2", "", b"no"]])
        check(answer[0] == "refused" and "job 2" in answer[3], "one bad job: none is kept, and it is named")
        equal(producer.push("imports", {"amount": 5}, id="c1")[0], "accepted", "the good one of it can come again")
    live.wait_idle()
    equal(live.books()["imports", ""], 10 + 20 + 100 + 2000 + 256 + 5, "all were worked off once")


def test_order(live):
    """Jobs of one key are worked off in the order they were accepted in: runs are numbered as they begin."""
    with live.producer() as producer:
        for number in range(40):
            if producer.push("sequence", {"n": number}, key=f"key-{number % 2}")[0] != "accepted":
                raise Failed(f"push {number} of a key was not accepted")
    live.wait_idle()
    runs = sorted(row["run"] for row in live.cli("runs", "--workflow", "sequence", "--limit", "1000")["runs"])
    seen = [int(live.cli("run", "show", run)["steps"][0]["result"]["amount"]) for run in runs]
    for key in (0, 1):
        equal([number for number in seen if number % 2 == key], list(range(key, 40, 2)),
              f"twenty jobs of key {key} were worked off in their order")


# --- bytes that are no message ---

def malformed_messages(pack):
    push = ["push", 7, "imports", "", "", 0, 4, "application/json", b"{}"]
    yield "an array said to hold 268435461 values", b"\xdd\x10\x00\x00\x85"
    yield "a map said to hold 2^32-1 pairs", b"\xdf\xff\xff\xff\xff"
    yield "bytes said to be 2 GB", b"\x92\xa4push\xc6\x7f\xff\xff\xff"
    yield "a huge count inside", b"\x92\xa4ping\xdd\x10\x00\x00\x85"
    yield "an empty message", b""
    yield "no array", pack({"push": 1})
    yield "an empty array", pack([])
    yield "no name", pack([1, 2, 3])
    yield "an unknown name", pack(["frobnicate", 3])
    yield "too few fields", pack(push[:-1])
    yield "too many fields", pack(push + [1])
    yield "bytes after the end", pack(push) + b"\x00"
    yield "a message cut off", pack(push)[:-1]
    yield "a text where a number belongs", pack(["ping", "7"])
    yield "a number where a text belongs", pack(push[:2] + [5] + push[3:])
    yield "a text where bytes belong", pack(push[:-1] + ["{}"])
    yield "a negative sequence", pack(["ping", -1])
    yield "a text that is not UTF-8", pack(["push", 7]).replace(b"\x92", b"\x99") + b"\xa2\xff\xfe" + pack("") * 2 + \
        pack(0) + pack(4) + pack("application/json") + pack(b"{}")
    yield "10,000 nested arrays", b"\x91" * 10000 + b"\x00"
    yield "an unused type byte", b"\xc1"
    yield "an answer of ours", pack(["pong", 7])
    yield "a console command", pack(["command", 7, "stop", "{}"])


def test_malformed(live):
    with live.producer() as producer:
        for what, message in malformed_messages(producer.msgpack.packb):
            answer = producer.raw(message)
            check(answer[0] == "refused" and len(answer[3]) > 10, f"{what}: refused: {answer[3]}")
        equal(producer.ask("ping"), ["pong", producer.sequence], "the same client is still answered")


def no_answer(live, what, send):
    """Nothing comes back, or a refusal; another client is served as before."""
    with Producer(live.producer_port, seconds=1) as producer:
        send(producer)
        try:
            answer = producer.receive()
        except TimeoutError:
            answer = ["refused"]
        equal(answer[0], "refused", f"{what}: not taken")
    with live.producer() as producer:
        equal(producer.ask("ping")[0], "pong", f"{what}: others are answered")


def test_frames(live):
    many = [b"", b"hello", b"\x92\xa4ping\x01"]
    no_answer(live, "three frames", lambda producer: producer.socket.send_multipart(many))
    no_answer(live, "1,000 frames", lambda producer: producer.socket.send_multipart([b"x"] * 1000))
    no_answer(live, "2 MiB in one frame", lambda producer: producer.socket.send(b"x" * (2 << 20)))
    with live.producer() as producer:
        payload = json.dumps({"amount": 0, "fill": "x" * (MESSAGE_BYTES_MAX - 200)}).encode()
        equal(producer.push("imports", payload)[0], "accepted", "a message just below the bound is accepted")


def test_other_protocols(live):
    for what, data in (("HTTP", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), ("noise", bytes(range(256)) * 64),
                       ("half a greeting", b"\xff" + bytes(8) + b"\x7f\x03")):
        with socket.create_connection(("127.0.0.1", live.producer_port), timeout=10) as connection:
            connection.sendall(data)
            time.sleep(0.1)
        with live.producer() as producer:
            equal(producer.ask("ping")[0], "pong", f"{what} on the producers' port: others are answered")


def test_one_who_never_reads(live):
    """A client that asks and never reads loses answers; everybody else is served."""
    with live.producer() as deaf:
        deaf.socket.setsockopt(deaf.zmq.RCVHWM, 1)
        for number in range(20000):
            try:
                deaf.socket.send(deaf.msgpack.packb(["ping", number]), deaf.zmq.NOBLOCK)
            except deaf.zmq.Again:
                break
        with live.producer() as producer:
            equal(producer.push("imports", {"amount": 0})[0], "accepted", "beside a client that never reads")


def test(live):
    live.sections["queues"] += "  notes: {}\n  sequence: {ordered: true}\n"
    live.workflows["notes"] = NOTES
    live.workflows["sequence"] = SEQUENCE
    live.start(cloud=False, mail=False)
    engine = live.engine_pid()
    for part in (test_printed_producer, test_hello, test_dedup, test_wrong_pushes, test_order, test_malformed,
                 test_frames, test_other_protocols, test_one_who_never_reads):
        part(live)
    check(live.metric("purser_peer_malformed_total") >= 21, "malformed messages were counted")
    live.wait_idle()
    equal(live.engine_pid(), engine, "nothing was stopped or started anew")
    equal(live.jobs(), [], "nothing is left over")
    equal(live.stop_daemon(), 0, "purserd stops in order")


run(test)
