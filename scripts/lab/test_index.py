# SPDX-License-Identifier: GPL-2.0
"""tests/INDEX.md: what each kselftest shows, from the DESCRIPTION in it."""

import glob
import itertools
import os
import re

TESTS = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "tests")
INDEX = os.path.join(TESTS, "INDEX.md")
HEAD = """# What the tests show

Made by `make tests/INDEX.md` from the DESCRIPTION in each test.
"""


def descriptions():
    """The DESCRIPTION of each test, by name; empty if it has none."""
    found = {}
    for path in sorted(glob.glob(f"{TESTS}/test_*_*.sh")):
        with open(path) as file:
            line = re.search(r'^DESCRIPTION="(.*)"$', file.read(), re.MULTILINE)
        found[os.path.basename(path).removesuffix(".sh")] = line[1] if line else ""
    return found


def text():
    """What the index has to be."""
    parts = [HEAD]
    tests = descriptions().items()
    for group, members in itertools.groupby(tests, lambda test: test[0].rpartition("_")[0]):
        parts.append(f"\n## {group.removeprefix('test_')}\n\n")
        parts += [f"- `{name.rpartition('_')[2]}` {description}\n" for name, description in members]
    return "".join(parts)


def complaints():
    """What is wrong with the descriptions and the index, a line each."""
    lines = [f"tests/{name}.sh has no DESCRIPTION" for name, description in descriptions().items() if not description]
    if not os.path.exists(INDEX) or open(INDEX).read() != text():
        lines.append("tests/INDEX.md is out of date: run make tests/INDEX.md")
    return lines


if __name__ == "__main__":
    with open(INDEX, "w") as index:
        index.write(text())
