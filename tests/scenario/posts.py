#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# CTEST: long
"""Posts on Instagram and Facebook by the real daemon: a draft of the calendar goes out once through the shipped
workflow, though the answer to publishing is lost and the engine is killed while it waits for it; what a post's answer
said is used by the steps behind it; a token that has expired parks the post and nothing else."""
import datetime
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from live import ROOT, check, equal, run, wait_until, write_secret  # noqa: E402

MEDIA = "https://shop.example/tea.jpg"
CHANNELS = """
channels:
  instagram: {{slots: ["{minute} {hour} * * *"], zone: UTC}}
"""
GATES = """  instagram/default: {window: {count: 10000, per: 1m}, concurrency: 4}
  facebook/default: {window: {count: 10000, per: 1m}, concurrency: 4}
"""
POST = """# SPDX-License-Identifier: MIT
workflow: post
mode: live
on:
  - manual: true
steps:
  - id: out
    switch: "{{ trigger.body.where }}"
    cases:
      instagram:
        - id: picture
          instagram: {caption: "{{ trigger.body.text }}", media: "https://shop.example/a.jpg"}
          retry: {attempts: 20, first: 1s, max: 2s}
      carousel:
        - id: pictures
          instagram:
            kind: carousel
            caption: "{{ trigger.body.text }}"
            media: "https://shop.example/1.jpg https://shop.example/2.jpg"
          retry: {attempts: 20, first: 1s, max: 2s}
      facebook:
        - id: words
          facebook: {text: "{{ trigger.body.text }}", link: "https://shop.example/a"}
          retry: {attempts: 20, first: 1s, max: 2s}
  - id: seen
    when: "{{ trigger.body.where ~= 'facebook' and steps.out.result.result.id }}"
    insights: instagram
    with: {post: "{{ steps.out.result.result.id }}"}
  - id: liked
    when: "{{ trigger.body.where == 'facebook' }}"
    insights: facebook
    with: {post: "{{ steps.out.result.result.id }}"}
"""


def counts(live):
    return live.ask_cloud("counts")


def begin(live, where, text):
    return live.cli("workflow", "run", "post", "--input", json.dumps({"where": where, "text": text}))["run"]


def show(live, run_id):
    return live.cli("run", "show", run_id, "--whole")


def wait_done(live, run_id):
    wait_until(f"run {run_id} is done", lambda: show(live, run_id)["state"] == "done", seconds=120)
    return show(live, run_id)


def published(live, service):
    return [row for row in live.ask_cloud("effects") if row["service"] == service and row["what"] == "published"]


def test_posts(live):
    counted = live.metric("purser_posts_published_total")
    for where, service in (("instagram", "instagram"), ("carousel", "instagram"), ("facebook", "facebook")):
        before = len(published(live, service))
        shown = wait_done(live, begin(live, where, f"All is well: {where}"))
        check("engagement" in json.dumps(shown), f"{where}: insights tell how it does")
        rows = published(live, service)
        equal((len(rows) - before, rows[-1]["text"]), (1, f"All is well: {where}"), f"{where}: one post, as written")
    equal(live.metric("purser_posts_published_total") - counted, 3, "three posts are counted")


def test_lost(live):
    for where, service, kills in (("instagram", "instagram", False), ("instagram", "instagram", True),
                                  ("carousel", "instagram", True), ("facebook", "facebook", False),
                                  ("facebook", "facebook", True)):
        text = f"Lost: {where} {kills}"
        before = len(published(live, service))
        live.fault("publish-lost", "meta")
        run_id = begin(live, where, text)
        wait_until(f"{text} is published", lambda: len(published(live, service)) > before)
        if kills:
            live.kill9("engine")
        live.no_fault("publish-lost", "meta")
        if kills:
            live.wait_ready()
        wait_done(live, run_id)
        equal([row["text"] for row in published(live, service)[before:]], [text],
              f"{where}: one post, the answer lost{' and the engine killed' if kills else ''}")


def test_expired_token(live):
    live.fault("key", "meta")
    run_id = begin(live, "instagram", "Later")
    wait_until("the post is parked", lambda: [job for job in live.jobs("parked") if job["error"] == "auth"])
    check(show(live, run_id)["state"] not in ("done", "failed"), "with a token that has expired a post waits")
    calls = counts(live)["meta_calls"]
    time.sleep(3)
    equal(counts(live)["meta_calls"], calls, "and nothing asks again and again")
    live.no_fault("key", "meta")
    for job in live.jobs("parked"):
        live.cli("job", "revive", job["id"])
    wait_done(live, run_id)
    check(True, "once the token is mended it goes out")


def test_calendar(live, slot):
    """The shipped workflow, a draft in a slot that is about to come."""
    live.cli("calendar", "add", "instagram", "Our first flush has arrived. #tea", "--media", MEDIA, "--at", "next")
    before = len(published(live, "instagram"))
    live.fault("publish-lost", "meta")
    wait_until("the slot comes and its draft is published", lambda: len(published(live, "instagram")) > before,
               seconds=240)
    live.kill9("engine")
    live.no_fault("publish-lost", "meta")
    live.wait_ready()
    wait_until("the workflow knows that it is out", lambda: live.books().get(("posts", "")) == 1)
    rows = published(live, "instagram")[before:]
    equal([row["text"] for row in rows], ["Our first flush has arrived. #tea"],
          f"the draft of the slot at {slot} went out once")


def test(live):
    at = datetime.datetime.fromtimestamp(time.time() + 90, datetime.timezone.utc)
    # A clock that nobody sets is believed when an earlier life has written down a time before it.
    (live.folder / "data/clock").write_text(str(int(time.time() * 1000) - 60000), encoding="utf-8")
    live.settings |= {"instagram_url": f"http://127.0.0.1:{live.cloud_port}", "instagram_user": "17841400000000000",
                      "instagram_token": "meta/instagram", "instagram_timeout_ms": "3s",
                      "facebook_url": f"http://127.0.0.1:{live.cloud_port}", "facebook_page": "104000000000000",
                      "facebook_token": "meta/facebook", "facebook_timeout_ms": "3s"}
    write_secret(live.folder / "secrets/meta.instagram", "IGtoken")
    write_secret(live.folder / "secrets/meta.facebook", "EAAtoken")
    live.sections["limits"] += GATES
    live.sections["channels"] = CHANNELS.format(minute=at.minute, hour=at.hour)
    live.sections["modes"] += "  social-post: live\n"
    live.workflows["post"] = POST
    live.workflows["social-post"] = (ROOT / "config/workflows/social-post.yaml").read_text(encoding="utf-8")
    live.start()
    test_calendar(live, at.strftime("%H:%M"))
    test_posts(live)
    test_lost(live)
    test_expired_token(live)
    end = counts(live)
    equal((end["instagram_doubled"], end["facebook_doubled"], end["meta_violations"]), (0, 0, 0),
          "nothing was published twice, and no limit was passed")
    equal((live.jobs("doubt"), live.jobs("dead")), ([], []), "no job is in doubt, and none died")


run(test)
