# SPDX-License-Identifier: GPL-2.0
"""tests/INDEX.md: what each kselftest shows, from the DESCRIPTION and TOPIC in it."""

import glob
import itertools
import os
import re

TESTS = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "tests")
INDEX = os.path.join(TESTS, "INDEX.md")
HEAD = """# What the tests show

Made by `make tests/INDEX.md` from the DESCRIPTION in each test; a large group has a TOPIC in each, too.
"""


def values(variable):
    """What each test sets a variable to in a line of its own, by name; empty if it does not."""
    found = {}
    for path in sorted(glob.glob(f"{TESTS}/test_*_*.sh")):
        with open(path) as file:
            line = re.search(rf'^{variable}="(.*)"$', file.read(), re.MULTILINE)
        found[os.path.basename(path).removesuffix(".sh")] = line[1] if line else ""
    return found


def descriptions():
    """The DESCRIPTION of each test, by name; empty if it has none."""
    return values("DESCRIPTION")


def groups():
    """The names of the tests, by group."""
    for group, names in itertools.groupby(descriptions(), lambda name: name.rpartition("_")[0]):
        yield group.removeprefix("test_"), list(names)


def text():
    """What the index has to be."""
    parts = [HEAD]
    shows, topics = descriptions(), values("TOPIC")
    for group, names in groups():
        parts.append(f"\n## {group}\n")
        # In the order of the first test of each.
        for topic in dict.fromkeys(topics[name] for name in names):
            parts.append(f"\n### {topic}\n\n" if topic else "\n")
            parts += [f"- `{name.rpartition('_')[2]}` {shows[name]}\n" for name in names if topics[name] == topic]
    return "".join(parts)


def complaints():
    """What is wrong with the descriptions and the index, a line each."""
    lines = [f"tests/{name}.sh has no DESCRIPTION" for name, description in descriptions().items() if not description]
    topics = values("TOPIC")
    for _, names in groups():
        if any(topics[name] for name in names):
            lines += [f"tests/{name}.sh has no TOPIC, as others of its group have" for name in names if not topics[name]]
    if not os.path.exists(INDEX) or open(INDEX).read() != text():
        lines.append("tests/INDEX.md is out of date: run make tests/INDEX.md")
    return lines


if __name__ == "__main__":
    with open(INDEX, "w") as index:
        index.write(text())
