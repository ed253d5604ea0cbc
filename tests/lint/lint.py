# SPDX-License-Identifier: MIT
"""What the checks of tests/lint share: the tracked sources, C text without comments and strings, and the ending."""
import os
import pathlib
import re
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("proto", "runtime", "flow", "connectors", "console", "store", "config", "actors", "daemon", "tests", "bench")
_TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def files(root, *suffixes):
    """Paths below root's source folders with one of the suffixes, sorted, relative to root."""
    found = []
    for folder in FOLDERS:
        for path in (root / folder).rglob("*"):
            if path.is_file() and path.suffix in suffixes and "__pycache__" not in path.parts:
                found.append(path.relative_to(root))
    return sorted(found)


def read(root, path):
    return (root / path).read_text(encoding="utf-8")


def _blank(match, keep_strings):
    text = match.group()
    if text[0] == '"' and keep_strings:
        return text
    blank = re.sub(r"[^\n]", " ", text)
    if text[0] in "\"'":
        return text[0] + blank[1:-1] + text[0]
    return blank


def code(text, keep_strings=False):
    """C text with comments (and the inside of strings) blanked, every line where it was."""
    return _TOKEN.sub(lambda match: _blank(match, keep_strings), text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def plant(check, tree, expected):
    """Runs check(root) over a temporary tree {path: text}; it must find something that contains `expected`."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for path, text in tree.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        found = check(root)
    if not any(expected in line for line in found):
        sys.exit(f"self-check: a planted violation was not found: {expected!r} in {found}")


def finish(findings):
    for finding in findings:
        print(finding)
    print(f"{os.path.basename(sys.argv[0])}: {len(findings)} findings")
    sys.exit(1 if findings else 0)
