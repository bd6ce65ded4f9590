# SPDX-License-Identifier: GPL-2.0
"""The guest's kernel log: what in it fails a run."""

import re

BAD = re.compile(
    r"WARNING:|BUG:|\bOops\b|Call Trace:|general protection fault|Kernel panic"
    r"|possible (recursive locking|circular locking|irq lock inversion|deadlock)"
    r"|INFO: (task .* blocked|possible|rcu_)|rcu: INFO|soft lockup|hung task"
    r"|KASAN|KFENCE|UBSAN|kmemleak: \d+ new|list_(add|del) corruption|refcount_t:"
    r"|sleeping function called|suspicious RCU usage|inconsistent lock state|unreferenced object"
    r"|ODEBUG|held lock freed|lock held when returning|workqueue: .* is flushing"
)
# So many lines behind what is told its trace has begun.
TO_THE_TRACE = 6
# How the lab has a guest that hangs show its tasks.
ASKED_FOR = "Kernel panic - not syncing: NMI: Not continuing"
TIMESTAMP = re.compile(r"^\[ *\d+\.\d+\] ")


def lines(path):
    with open(path, errors="replace") as file:
        return file.read().splitlines()


def complaints(path, faults=False):
    """The lines of a kernel log that no run may have.

    Where memory was made to be missing (`faults`) vmalloc() may say so, with a trace.
    """
    found, expected = [], 0
    for line in filter(TIMESTAMP.match, lines(path)):
        if ASKED_FOR in line:
            break
        expected = TO_THE_TRACE if faults and "vmalloc error:" in line else expected - 1
        if BAD.search(line) and not (expected > 0 and "Call Trace:" in line):
            found.append(line)
    return found


def about_loop(path):
    """The lines that the driver, or who uses its devices, wrote."""
    return [line for line in lines(path) if TIMESTAMP.match(line) and re.search(r"\bloop(\d|:)", line)]
