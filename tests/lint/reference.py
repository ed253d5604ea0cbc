#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# CTEST: docs/reference is what the tables say
"""Compares docs/reference/PAGE.md with what purserd prints from its tables; --write makes them equal."""
import difflib
import os
import pathlib
import subprocess
import sys
import tempfile

import lint

PAGES = ("messages", "config", "metrics", "commands", "errors", "jobs")


def printed(page):
    program = pathlib.Path(os.environ.get("PURSER_BUILD", lint.ROOT / "build/dev")) / "bin/purserd"
    return subprocess.run([program, "--print", page], check=True, capture_output=True, text=True).stdout


def compare(folder, page, text):
    path = folder / f"{page}.md"
    if not path.exists():
        return [f"{path.name} is missing; tests/lint/reference.py --write makes it"]
    lines = difflib.unified_diff(path.read_text(encoding="utf-8").splitlines(), text.splitlines(), path.name,
                                 "tables", "", "", 0, "")
    differs = list(lines)[:12]
    return [f"{path.name} differs; tests/lint/reference.py --write makes it equal", *differs] if differs else []


def self_check():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "errors.md").write_text("old\n", encoding="utf-8")
        if not compare(folder, "errors", "new\n") or not compare(folder, "jobs", "new\n"):
            sys.exit("self-check: a page that differs was not found")
        if compare(folder, "errors", "old\n"):
            sys.exit("self-check: an equal page was found to differ")


def main():
    self_check()
    reference = lint.ROOT / "docs/reference"
    if sys.argv[1:] == ["--write"]:
        reference.mkdir(parents=True, exist_ok=True)
        for page in PAGES:
            (reference / f"{page}.md").write_text(printed(page), encoding="utf-8")
        return
    lint.finish([finding for page in PAGES for finding in compare(reference, page, printed(page))])


main()
