# SPDX-License-Identifier: GPL-2.0
"""What the checks of whole systems share (dropin.py, packages.py, machine.py).

A check is a function without arguments; its docstring says what it shows. The
program is called with --list, which prints the names of its checks, or with the
name of a driver and those of the checks to run. A line "ok NAME", "skip NAME:
WHY" or "FAIL NAME: WHY" ends each check.
"""

import subprocess
import sys
import time

# The name of the check that runs.
running = ""


class Wrong(Exception):
    """What was not as it has to be."""


class Skip(Exception):
    """What a check needs, and is not there."""


def sh(command, status=0, timeout=500):
    """Run a shell command; returns what it printed, fails if its status is not the one expected."""
    done = subprocess.run(
        command, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        stdin=subprocess.DEVNULL, timeout=timeout,
    )  # fmt: skip
    if done.returncode != status:
        raise Wrong(f"{command}: exit status {done.returncode}: {done.stdout}")
    return done.stdout.rstrip()


def shown(command, status=0, timeout=2000):
    """As sh, and prints the command and what it printed."""
    print(f"# {command}", flush=True)
    text = sh(command, status, timeout)
    print(text, flush=True)
    return text


def want(condition, complaint):
    if not condition:
        raise Wrong(complaint)


def has(text, *words):
    for word in words:
        want(word in text, f"'{word}' is missing in: {text}")


def chosen(checks):
    """Those of the checks that the command line names, in their order."""
    if sys.argv[1] == "--list":
        print("\n".join(check.__name__ for check in checks))
        sys.exit()
    return [check for check in checks if check.__name__ in sys.argv[2:]]


def run(check, after=lambda: None, tidy=lambda: ""):
    """Make a check, then those of `after`. If one fails `tidy` takes away what is left, and returns it in words."""
    global running
    running = check.__name__
    start = time.monotonic()
    try:
        check()
        after()
        verdict = f"ok {running}"
    except Skip as reason:
        verdict = f"skip {running}: {reason}"
    except (Wrong, OSError, LookupError, ValueError, subprocess.TimeoutExpired) as failure:
        left = tidy()
        verdict = f"FAIL {running}: {' / '.join(str(failure).splitlines())}" + (f" (left: {left})" if left else "")
    print(f"took {running}: {time.monotonic() - start:.1f} s", flush=True)
    print(verdict, flush=True)
