#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# CTEST: rows of the tables: unique, documented, used
"""Rows of the *.def tables have unique names and documented meanings; every metric and error is used somewhere."""
import re

import lint

ROW = re.compile(r"^([A-Z][A-Z_]+)\(", re.M)
STRING = re.compile(r'"((?:\\.|[^"\\])*)"')
# Tables whose rows end with a sentence; in others the text is a phrase that is shown behind a name.
SENTENCES = {"errors.def", "metrics.def", "commands.def", "client.def", "messages.def", "roster.def"}
# Rows that are told apart by their first two columns.
PAIRS = {"TRANSITION", "OPTION"}
# Macros that stand inside other rows.
INNER = {"FIELD", "ARGUMENT"}
# table: (prefix of the constant, why a row without a use is wrong)
USED = {"proto/metrics.def": ("METRIC_", "is never counted"), "proto/errors.def": ("ERROR_", "is never used")}


def rows(text):
    """(macro, identifier, whole row, line) of every top-level row."""
    plain = lint.code(text)
    for match in ROW.finditer(plain):
        if match.group(1) in INNER:
            continue
        depth, end = 0, match.end() - 1
        while end < len(plain):
            depth += {"(": 1, ")": -1}.get(plain[end], 0)
            end += 1
            if depth == 0:
                break
        body = text[match.end():end - 1]
        name = re.split(r"[,)]", plain[match.end():end])[0].strip()
        yield match.group(1), name, body, lint.line_of(plain, match.start())


def check_table(root, path, findings, constants):
    seen = {}
    for macro, name, body, line in rows(lint.read(root, path)):
        where = f"{path}:{line}"
        key = (macro, name)
        if macro in PAIRS:
            key += (body.split(",")[1].strip(),)
        if key in seen:
            findings.append(f"{where}: {macro}({name}) is there already, in line {seen[key]}")
        seen[key] = line
        texts = STRING.findall(body)
        if path.name in SENTENCES and not any(text.endswith((".", "?")) for text in texts):
            findings.append(f"{where}: {name} has no sentence that ends with a full stop")
        prefix, why = USED.get(str(path), (None, None))
        if prefix and prefix + name not in constants:
            findings.append(f"{where}: {prefix}{name} {why}")


def constants_of(text):
    """Constants that stand in the text, also those whose prefix a macro pastes on (METRIC_##name)."""
    found = set(re.findall(r"\b(?:METRIC|ERROR)_\w+", text))
    for prefix in set(re.findall(r"\b(METRIC_|ERROR_)##", text)):
        found |= {prefix + word for word in re.findall(r"\b[A-Z][A-Z_]+\b", text)}
    return found


def check(root):
    findings, constants = [], set()
    for path in lint.files(root, ".c", ".h"):
        if not str(path).startswith(("tests/", "bench/")):
            constants |= constants_of(lint.code(lint.read(root, path)))
    for path in lint.files(root, ".def"):
        check_table(root, path, findings, constants)
    return findings


def self_check():
    use = {"proto/a.c": "METRIC_ONE ERROR_OK"}
    lint.plant(check, {"proto/metrics.def": 'METRIC(TWO, "two", "Counts.")\n', **use}, "METRIC_TWO is never counted")
    lint.plant(check, {"proto/errors.def": 'ERROR(BAD, "bad", NONE, "It is bad.")\n', **use}, "ERROR_BAD is never used")
    lint.plant(check, {"proto/metrics.def": 'METRIC(ONE, "one", "Counts")\n', **use}, "ends with a full stop")
    twice = 'METRIC(ONE, "a", "A.")\n' * 2
    lint.plant(check, {"proto/metrics.def": twice, **use}, "is there already")


self_check()
lint.finish(check(lint.ROOT))
