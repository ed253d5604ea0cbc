#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# CTEST: lines of functions, files and columns
"""A function has at most 70 lines and six parameters, a file 800 lines, a line 120 columns."""
import re

import lint

FUNCTION_MAX, FILE_MAX, LINE_MAX, PARAMETERS_MAX = 70, 800, 120, 6
# Parameters of a callback type that an outside library prescribes.
PRESCRIBED = {"on_access": "libmicrohttpd's MHD_AccessHandlerCallback"}
NOT_CODE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", re.M)


def functions(text):
    """(name, parameter count, first line, last line) of every function body at file scope."""
    depth, start, head = 0, 0, 0
    for match in re.finditer(r"[{};]", text):
        symbol, at = match.group(), match.start()
        if symbol == "{":
            if depth == 0:
                start = at
            depth += 1
        elif symbol == "}":
            depth -= 1
            if depth == 0:
                found = re.search(r"(\w+)\s*\(((?:[^()]|\([^()]*\))*)\)\s*$", text[head:start])
                if found:
                    plain = re.sub(r"\([^()]*\)", "", found.group(2))
                    first = lint.line_of(text, head + found.start())
                    yield found.group(1), plain.count(",") + 1, first, lint.line_of(text, at)
                head = at + 1
        elif depth == 0:
            head = at + 1


def check_file(path, text):
    findings = []
    lines = text.split("\n")
    if len(lines) - 1 > FILE_MAX:
        findings.append(f"{path}: {len(lines) - 1} lines; at most {FILE_MAX}")
    if path.suffix in (".c", ".h", ".py"):
        findings += [f"{path}:{number}: {len(line)} columns; at most {LINE_MAX}"
                     for number, line in enumerate(lines, 1) if len(line) > LINE_MAX]
    if path.suffix in (".c", ".h"):
        plain = NOT_CODE.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), lint.code(text))
        for name, parameters, first, last in functions(plain):
            if last - first + 1 > FUNCTION_MAX:
                findings.append(f"{path}:{first}: {name}() has {last - first + 1} lines; at most {FUNCTION_MAX}")
            if parameters > PARAMETERS_MAX and name not in PRESCRIBED:
                findings.append(f"{path}:{first}: {name}() has {parameters} parameters; at most {PARAMETERS_MAX}")
    return findings


def check(root):
    return [finding for path in lint.files(root, ".c", ".h", ".py", ".def")
            for finding in check_file(path, lint.read(root, path))]


def self_check():
    body = "\n".join(f'    call("}}{{", \'{{\', {i}); /* {{ */' for i in range(70))
    lint.plant(check, {"proto/a.c": "static int\nlong_one(int a, void (*b)(int, int))\n{\n" + body + "\n}\n"},
               "long_one() has 73 lines")
    lint.plant(check, {"proto/a.c": "void f(int a, int b, int c, int d, int e, int f, int g)\n{\n}\n"}, "7 parameters")
    lint.plant(check, {"proto/a.c": "int x;\n" * 801}, "801 lines")
    lint.plant(check, {"proto/a.c": "int " + "x" * 120 + ";\n"}, "columns")


self_check()
lint.finish(check(lint.ROOT))
