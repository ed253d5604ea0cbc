#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# CTEST: the arrows between folders, from the #include lines
"""Each folder includes only what stands below it; third-party headers have one home; includes are rooted."""
import re
import sys

import lint

PROTO = {"proto"}
RUNTIME = PROTO | {"runtime"}
# What a part may include besides itself. The longest prefix of a path decides.
MAY = {
    "proto": set(),
    "proto/client": PROTO,
    "runtime": PROTO,
    "runtime/io": PROTO | {"runtime/io"},
    "flow": PROTO,
    "connectors": PROTO,
    "console": PROTO | {"proto/client", "flow", "connectors"},
    "store": RUNTIME,
    "config": RUNTIME | {"flow"},
    "actors": RUNTIME | {"store", "config", "flow", "connectors"},
    "daemon": RUNTIME | {"store", "config", "flow", "connectors", "actors"},
    "tests": None,
    "bench": None,
}
HOMES = {
    "msgpack": ("proto",), "jansson": ("proto",), "yaml": ("proto",), "zmq": ("runtime", "proto/client"),
    "pthread": ("runtime",), "lmdb": ("store",), "zlib": ("store",), "lua": ("flow",), "lauxlib": ("flow",),
    "lualib": ("flow",), "curl": ("runtime/io",), "microhttpd": ("runtime/io",), "sqlite3": ("runtime/io",),
    "openssl": ("runtime/io",), "cmocka": ("tests",),
}
SYSTEM = re.compile(r"^(?:[a-z0-9_]+|sys/[a-z0-9_]+|net/[a-z]+|netinet/[a-z]+|arpa/[a-z]+|linux/[a-z_]+)\.h$")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.M)


def part_of(path):
    parts = str(path).split("/")
    for length in (2, 1):
        part = "/".join(parts[:length])
        if part in MAY and len(parts) > length:
            return part
    return None


def sibling_of(path):
    """The own folder of an actor or a connector: the one its siblings may not look into."""
    parts = str(path).split("/")
    if parts[0] in ("actors", "connectors") and len(parts) > 2:
        return "/".join(parts[:2])
    return None


def check_own(path, target, where):
    here, there = part_of(path), part_of(target)
    if there is None:
        return [f'{where}: "{target}" is not rooted at the top folder']
    if MAY[here] is None or here == there:
        mine, other = sibling_of(path), sibling_of(target)
        if here == there and mine and other and mine != other and other != "actors/common":
            return [f"{where}: {mine} includes {other}; siblings talk by messages"]
        return []
    if there in MAY[here] or (there == "runtime/io" and "runtime" in MAY[here] | {here}):
        return []
    return [f"{where}: {here} must not include {there}"]


def check_system(path, target, where):
    name = re.split(r"[/.]", target)[0]
    homes = HOMES.get(name)
    if homes is None:
        return [] if SYSTEM.match(target) else [f"{where}: <{target}> has no home in tests/lint/layers.py"]
    if str(path).startswith("tests/") or str(path).startswith("bench/"):
        return []
    if any(str(path).startswith(home + "/") for home in homes):
        return []
    return [f"{where}: <{target}> belongs to {' and '.join(homes)}"]


def check(root):
    findings = []
    for path in lint.files(root, ".c", ".h", ".def"):
        text = lint.code(lint.read(root, path), keep_strings=True)
        for match in INCLUDE.finditer(text):
            where = f"{path}:{lint.line_of(text, match.start())}"
            if match.group(1) == "<":
                findings += check_system(path, match.group(2), where)
            elif "/" not in match.group(2) or ".." in match.group(2):
                if not str(path).startswith(("tests/", "bench/")) or ".." in match.group(2):
                    findings.append(f'{where}: "{match.group(2)}" is not rooted at the top folder')
            else:
                findings += check_own(path, match.group(2), where)
    return findings


def self_check():
    for path, line, expected in (
        ("proto/a.c", '#include "runtime/a.h"', "proto must not include runtime"),
        ("store/a.c", '#include "actors/x/a.h"', "store must not include actors"),
        ("runtime/io/a.c", '#include "runtime/pipe.h"', "runtime/io must not include runtime"),
        ("actors/one/a.c", '#include "actors/two/a.h"', "siblings talk by messages"),
        ("connectors/one/a.c", '#include "connectors/two/a.h"', "siblings talk by messages"),
        ("actors/one/a.c", '#include "a.h"', "is not rooted"),
        ("actors/one/a.c", '#include "../two/a.h"', "is not rooted"),
        ("actors/one/a.c", "#include <zmq.h>", "<zmq.h> belongs to"),
        ("store/a.c", "#include <curl/curl.h>", "<curl/curl.h> belongs to"),
        ("store/a.c", "#include <boost/any.hpp>", "has no home"),
    ):
        lint.plant(check, {path: line + "\n"}, expected)
    for path, line in (("actors/one/a.c", '#include "actors/common/a.h"'), ("runtime/a.c", '#include "runtime/io/a.h"'),
                       ("config/a.c", '#include "flow/a.h"'), ("store/a.c", '#include "runtime/io/a.h"')):
        if check_own(path, line.split('"')[1], "x"):
            sys.exit(f"self-check: {path} may well have {line}")


self_check()
lint.finish(check(lint.ROOT))
