#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# CTEST: docs/reference is what the tables say
"""Compares docs/reference/PAGE.md and the JSON Schema of workflows with what purserd prints from its tables; --write
makes them equal."""
import difflib
import os
import pathlib
import subprocess
import sys
import tempfile

import lint

PAGES = {page: lint.ROOT / f"docs/reference/{page}.md"
         for page in ("messages", "config", "metrics", "commands", "errors", "jobs", "workflow")}
PAGES["schema"] = lint.ROOT / "config/schema/workflow.schema.json"


def printed(page):
    program = pathlib.Path(os.environ.get("PURSER_BUILD", lint.ROOT / "build/dev")) / "bin/purserd"
    return subprocess.run([program, "--print", page], check=True, capture_output=True, text=True).stdout


def compare(path, text):
    if not path.exists():
        return [f"{path.name} is missing; tests/lint/reference.py --write makes it"]
    lines = difflib.unified_diff(path.read_text(encoding="utf-8").splitlines(), text.splitlines(), path.name,
                                 "tables", "", "", 0, "")
    differs = list(lines)[:12]
    return [f"{path.name} differs; tests/lint/reference.py --write makes it equal", *differs] if differs else []


def self_check():
    with tempfile.TemporaryDirectory() as name:
        page = pathlib.Path(name) / "errors.md"
        page.write_text("old\n", encoding="utf-8")
        if not compare(page, "new\n") or not compare(page.with_name("jobs.md"), "new\n"):
            sys.exit("self-check: a page that differs was not found")
        if compare(page, "old\n"):
            sys.exit("self-check: an equal page was found to differ")


def main():
    self_check()
    if sys.argv[1:] == ["--write"]:
        for page, path in PAGES.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(printed(page), encoding="utf-8")
        return
    lint.finish([finding for page, path in PAGES.items() for finding in compare(path, printed(page))])


main()
