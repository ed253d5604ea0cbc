#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# CTEST
"""Seeds of the simulated world: the invariants hold, the same seed gives the same trace, and a disk that forgets what
it acknowledged is found out. `seeds.py --seeds 2000 --days 7` is the long run (docs/testing.md has its result)."""
import argparse, os, pathlib, subprocess, sys

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--seeds", type=int, default=12)
parser.add_argument("--days", type=int, default=3)
options = parser.parse_args()
sim = pathlib.Path(os.environ.get("PURSER_BUILD", "build/dev")) / "bin" / "purser-sim"


def run(*arguments):
    return subprocess.run([sim, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


good = run("--seed", options.seed, "--seeds", options.seeds, "--days", options.days)
print(good.stdout.strip())
if good.returncode != 0 or good.stdout.count(" ok\n") != options.seeds:
    sys.exit("an invariant is broken")
twice = run("--seed", options.seed, "--seeds", 2, "--days", 1, "--twice")
if twice.returncode != 0:
    sys.exit("the same seed gave another trace")
bad = run("--seed", options.seed, "--seeds", 5, "--days", 2, "--forgetful")
if bad.returncode != 1 or "BREACH I" not in bad.stdout:
    sys.exit("a disk that forgets acknowledged commits was not found out: the invariants prove nothing")
print("a forgetful disk is found out:", bad.stdout.splitlines()[-1])
