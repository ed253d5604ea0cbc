#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# CTEST: calls, words and paths that must not be there
"""Banned calls, threads outside runtime, the environment outside daemon and console, left-over marks, machine paths."""
import re

import lint

CALLS = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|gets|alloca|strtok|atoi|atol|atof|tmpnam|mktemp)\s*\(")
PROGRAMS = re.compile(r"\b(system|popen)\s*\(")
SLEEPS = re.compile(r"\b(sleep|usleep|nanosleep|clock_nanosleep)\s*\(")
THREADS = re.compile(r"\b(pthread_\w+|thrd_create)\s*\(")
ENVIRONMENT = re.compile(r"\b(getenv|secure_getenv|setenv|putenv)\s*\(")
MARKS = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b")
MACHINE = re.compile(r"(?<![\w.])/(?:ro" + r"ot|wo" + r"rk|ho" + r"me)/\w")
SPDX = "SPDX-License-Identifier: MIT"


def homes(path, *folders):
    return str(path).startswith(folders)


def calls_of(path, text):
    plain = lint.code(text)
    rules = [(CALLS, "is banned")]
    if homes(path, "actors/", "flow/", "connectors/", "store/", "config/"):
        rules.append((SLEEPS, "sleeps; use a timer"))
    if not homes(path, "tests/", "bench/"):
        rules.append((PROGRAMS, "starts a shell"))
    if not homes(path, "runtime/", "tests/", "bench/"):
        rules.append((THREADS, "belongs to runtime"))
    if not homes(path, "daemon/", "console/", "tests/", "bench/"):
        rules.append((ENVIRONMENT, "belongs to daemon and console"))
    return [f"{path}:{lint.line_of(plain, match.start())}: {match.group(1)}() {why}"
            for rule, why in rules for match in rule.finditer(plain)]


def check(root):
    findings = []
    for path in lint.files(root, ".c", ".h", ".def", ".py", ".sh", ".yaml", ".md"):
        text = lint.read(root, path)
        if path.suffix in (".c", ".h"):
            findings += calls_of(path, text)
        if path.suffix in (".c", ".h", ".py", ".sh") and text.count(SPDX) < 1:
            findings.append(f"{path}: no line with {SPDX}")
        for rule, why in ((MARKS, "left-over mark"), (MACHINE, "path of one machine")):
            findings += [f"{path}:{lint.line_of(text, match.start())}: {why}: {match.group()}"
                         for match in rule.finditer(text)]
    return findings


def self_check():
    good = f"// {SPDX}\n"
    for path, text, expected in (
        ("store/a.c", "int f(void)\n{\n    return atoi(x);\n}\n", "atoi() is banned"),
        ("daemon/a.c", "system(x);", "system() starts a shell"),
        ("actors/a/a.c", "sleep(1);", "sleep() sleeps"),
        ("store/a.c", "pthread_create(a);", "pthread_create() belongs to runtime"),
        ("runtime/a.c", 'getenv("A");', "getenv() belongs to daemon"),
        ("store/a.c", "// TO" "DO later", "left-over mark"),
        ("store/a.c", '"/wo' + 'rk/x"', "path of one machine"),
    ):
        lint.plant(check, {path: good + text}, expected)
    lint.plant(check, {"store/a.c": "int x;\n"}, "no line with SPDX")
    if calls_of(lint.pathlib.Path("store/a.c"), 'x = "atoi(1)"; /* gets() */ snprintf(a); xstrtok(b);'):
        raise SystemExit("self-check: strings and comments are no calls")


self_check()
lint.finish(check(lint.ROOT))
