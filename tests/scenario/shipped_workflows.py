#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# CTEST: the shipped workflows: each has a page, rehearsals that pass, and nothing that leaves before it is switched on
"""Every file of config/workflows is checked, has at least two rehearsals, which pass, is live only when nothing of it
leaves the box, and has a page in docs/workflows that tells what the owner wants to know."""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PURSER = pathlib.Path(os.environ.get("PURSER_BUILD", ROOT / "build/dev")).resolve() / "bin/purser"
PAGES = ROOT / "docs/workflows"
REHEARSALS_MIN = 2
WORDS_MAX = 450  # a page
TOLD = ("Begins", "Needs", "Keeps", "When a service is away", "Rehearsals", "Switch it on")
OUTSIDE = "email|telegram|generate|http|instagram|facebook|insights|shopify"
problems = []


def check(holds, sentence):
    if not holds:
        problems.append(sentence)


def console(*words):
    done = subprocess.run([PURSER, *words], capture_output=True, text=True, cwd=ROOT, check=False)
    return done.returncode, done.stdout + done.stderr


def check_rehearsals(path):
    code, text = console("workflow", "check", path)
    check(code == 0, f"{path}: workflow check ends with {code}: {text}")
    code, text = console("workflow", "test", path)
    found = re.search(r"(\d+) passed, (\d+) failed", text)
    check(code == 0 and found is not None and found.group(2) == "0", f"{path}: workflow test ends with {code}: {text}")
    passed = int(found.group(1)) if found else 0
    check(passed >= REHEARSALS_MIN, f"{path}: {passed} rehearsals; write at least {REHEARSALS_MIN}")
    return passed


def check_mode(path):
    """Idea 9: nothing leaves until it is switched on."""
    text = path.read_text(encoding="utf-8").split("\ntests:", 1)[0]
    mode = re.search(r"^mode: (\w+)", text, re.M).group(1)
    outside = set(re.findall(rf"^\s+(?:- )?({OUTSIDE}):", text, re.M))
    check(mode == "shadow" or (mode == "live" and not outside), f"{path}: mode {mode}, although it has {outside}")


def check_page(name):
    page = PAGES / f"{name}.md"
    if not page.exists():
        problems.append(f"docs/workflows/{name}.md is missing")
        return
    text = page.read_text(encoding="utf-8")
    check(text.startswith(f"# {name}\n"), f"{page}: its title is not the workflow's name")
    check(len(text.split()) <= WORDS_MAX, f"{page}: {len(text.split())} words; a page has at most {WORDS_MAX}")
    for title in TOLD:
        check(f"\n## {title}" in text or f"**{title}" in text, f"{page}: does not say: {title}")
    check(f"({name}.md)" in (PAGES / "README.md").read_text(encoding="utf-8"), f"docs/workflows/README.md lacks {name}")


def main():
    paths = sorted((ROOT / "config/workflows").glob("*.yaml"))
    check(len(paths) >= 10, f"only {len(paths)} workflows are shipped")
    for path in paths:
        relative = path.relative_to(ROOT)
        passed = check_rehearsals(relative)
        check_mode(path)
        check_page(path.stem)
        print(f"{relative}: {passed} rehearsals")
    for page in PAGES.glob("*.md"):
        check(page.stem == "README" or (ROOT / f"config/workflows/{page.stem}.yaml").exists(),
              f"{page}: there is no such workflow")
    for problem in problems:
        print(problem)
    print("FAILED" if problems else "passed")
    return 1 if problems else 0


sys.exit(main())
