#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# CTEST
"""Power cut on the store: every state a cut may leave must open, hold all that was acknowledged and no half commit.
Short by default; `powercut.py --states 20000` is the long run (docs/store.md has its result)."""
import argparse, os, pathlib, shutil, subprocess, sys, tempfile

parser = argparse.ArgumentParser()
parser.add_argument("--states", type=int, default=1500)
parser.add_argument("--commits", type=int, default=60)
parser.add_argument("--seed", type=int, default=1)
options = parser.parse_args()

build = pathlib.Path(os.environ.get("PURSER_BUILD", "build/dev"))
powercut = build / "bin" / "powercut"
if not powercut.exists():
    sys.exit(f"{powercut} is not built")
base = "/dev/shm" if os.path.isdir("/dev/shm") else None
work = pathlib.Path(tempfile.mkdtemp(prefix="purser-powercut-", dir=base))
try:
    environment = dict(os.environ, LD_PRELOAD=str((build / "tests" / "libpowercut_shim.so").resolve()),
                       POWERCUT_LOG=str(work / "log"))
    out = subprocess.run([powercut, "work", work / "db", str(options.commits)], env=environment, check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    assert out.count("ACK ") == options.commits, "the workload did not acknowledge every commit"
    # A shim that misses a kind of write would make every state fail or, worse, prove nothing: the log replayed whole
    # must acknowledge what the workload did.
    run = subprocess.run([powercut, "replay", work / "log", work / "image", str(options.states), str(options.seed)],
                         stdout=subprocess.PIPE, text=True)
    print(run.stdout.strip())
    if f"{options.commits} commits acknowledged" not in run.stdout:
        sys.exit("the write log does not hold the whole workload")
    lying = subprocess.run([powercut, "replay", work / "log", work / "lying", "200", str(options.seed), "lying"],
                           stdout=subprocess.PIPE, text=True)
    if lying.returncode == 0:
        sys.exit("a disk that lies about syncs was not found out: this test proves nothing")
    print("a disk that lies about syncs is found out:", lying.stdout.strip())
    sys.exit(run.returncode)
finally:
    shutil.rmtree(work)
