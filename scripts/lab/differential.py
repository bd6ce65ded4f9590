# SPDX-License-Identifier: GPL-2.0
"""The differential run: the same random sequences on the C driver and on ours.

Two guests, one for each driver, execute what tests/loop_diff.c makes of each
seed, and tell what came of it. What one tells is to be what the other tells.
A sequence of which it is not is shortened to the lines that show it.
"""

import contextlib
import difflib
import os
import queue
import re
import shutil
import tempfile
import threading
import time

from . import accelerator, cache, dmesg, image, kernel, module
from .guest import INSIDE, Guest
from .kselftest import TESTS
from .say import Failure, Step, say
from .tally import AGAIN, Tally

# For all seeds together, and for one sequence.
SECONDS = 6 * 3600
SILENT_SECONDS = 600
# Seeds that are asked for at once: what is on its way when a guest dies.
PORTION = 20
# As many differing seeds are shortened; of the others the number is told.
SHORTENED = 8
CONTEXT_LINES = 6
# What takes time and is of no use here goes. On a busy host an emulated timer
# may seem not to work.
KERNEL_ARGUMENTS = "rcupdate.rcu_expedited=1 psi=0 no_timer_check"
DRIVERS = ("c", "ours")


def install(stock, where):
    """Build the program, lay out what the guest needs in a directory."""
    os.makedirs(where)
    sources = [os.path.join(TESTS, name) for name in sorted(os.listdir(TESTS)) if re.fullmatch(r"loop_diff.*\.c", name)]
    with Step("building loop_diff", cache.log(f"differential-{stock.series}")) as step:
        step.run(
            *stock.guest_command(stock.guest_cc), "-D_GNU_SOURCE=", "-O2", "-Wall", "-Wextra", "-isystem", f"{stock.kdir}/usr/include",
            *sources, "-o", os.path.join(where, "loop_diff"),
        )  # fmt: skip
    shutil.copy(os.path.join(INSIDE, "differential"), where)


class Died(Exception):
    """A guest is no more."""


class Sequence:
    """What a driver made of one: its name, its lines, the trace."""

    def __init__(self, name):
        self.name, self.lines, self.trace = name, [], []

    def leftovers(self):
        return [line for line in self.trace if line.startswith("leftover:")]


class Side:
    """A guest with one of the drivers; `finished` has the sequences as they are done, at last None."""

    def __init__(self, stock, accel, driver, ko, payload):
        self.driver = driver
        self.finished = queue.Queue()
        self.running = None
        self.other = []
        self.guest = Guest(
            stock, accel, driver=driver, ko=ko, payload=[payload], cpus=1,
            kernel_arguments=KERNEL_ARGUMENTS, asks=True,
        )  # fmt: skip
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            self.guest.run(["./differential"], SECONDS, self.take, SILENT_SECONDS)
        finally:
            self.finished.put(None)

    def take(self, line):
        if line.startswith("begin "):
            self.running = Sequence(line.split()[1])
        elif not self.running:
            self.other.append(line)
        elif line.startswith("done "):
            self.finished.put(self.running)
            self.running = None
        elif line.startswith("> "):
            self.running.lines.append(line[2:])
        else:
            self.running.trace.append(line)

    def send(self, text):
        try:
            self.guest.input.sendall(text.encode())
        except OSError:
            raise Died from None

    def next(self):
        """The next sequence that is done, None if the guest is no more."""
        sequence = self.finished.get()
        if sequence is None:
            self.finished.put(None)
        return sequence

    def end(self):
        """Let the guest go; returns what was wrong with it."""
        with contextlib.suppress(Died):
            self.send("quit\n")
        self.thread.join()
        problems = []
        if self.guest.verdict or self.running:
            where = f" during seed {self.running.name}" if self.running else ""
            problems.append((self.guest.verdict or "loop_diff gave up") + where)
            if self.running:
                problems += self.running.trace[-3:]
        problems += self.other
        return problems + dmesg.complaints(self.guest.dmesg)


def execute(sides, name, lines):
    """What the drivers make of a sequence of lines."""
    for side in sides:
        side.send("".join(f"{line}\n" for line in [f"sequence {name}", *lines, "."]))
    results = [side.next() for side in sides]
    if None in results:
        raise Died
    return results


def differ(results):
    return any(result.trace != results[0].trace for result in results) or any(result.leftovers() for result in results)


def shorten(sides, lines):
    """The least of some lines that still differ: nothing more can be left out. None if they don't."""
    if not differ(execute(sides, "again", lines)):
        return None
    size = len(lines) // 2
    while size:
        at = len(lines)
        while at > 0:
            rest = lines[: max(at - size, 0)] + lines[at:]
            if rest != lines and differ(execute(sides, "shorter", rest)):
                lines = rest
            at -= size
        size //= 2
    return lines


def show(results):
    """Print two traces, of what is the same only what is near to a difference."""
    traces = [result.trace for result in results]
    if traces[0] != traces[1]:
        for line in difflib.unified_diff(*traces, *("C", "ours"), n=CONTEXT_LINES, lineterm=""):
            print("    " + line)
    else:
        for line in results[0].leftovers():
            print("    both: " + line)


class Run:
    """Seeds on both drivers. Keeps the tally; `different` has the seeds whose traces are not the same."""

    def __init__(self, stock, accel, ko, payload):
        self.tally = Tally()
        self.problems = []
        self.different = []
        self.series = stock.series
        self.sides = [Side(stock, accel, driver, ko, payload) for driver in DRIVERS]

    def seeds(self, first, last):
        """Compare the traces of some seeds."""
        start = time.monotonic()
        asked = first
        for seed in range(first, last + 1):
            # The next portion is on its way before this one is done.
            while asked <= last and asked < seed + PORTION:
                end = min(asked + PORTION - 1, last)
                for side in self.sides:
                    side.send(f"seeds {asked} {end}\n")
                asked = end + 1
            results = [side.next() for side in self.sides]
            if None in results:
                self.tally.skipped += last - seed
                self.tally.failed += 1
                raise Died
            if differ(results):
                say(f"seed {seed}: the traces differ")
                self.tally.failed += 1
                self.different.append((seed, results))
            else:
                self.tally.passed += 1
            if (seed - first + 1) % 100 == 0:
                rate = (seed - first + 1) / (time.monotonic() - start)
                say(f"{seed - first + 1} sequences, {self.tally.failed} differ, {rate:.1f} per second")

    def explain(self, seed, results):
        print(f"\nseed {seed}:")
        lines = shorten(self.sides, results[0].lines)
        if lines is None:
            print("  does not differ when repeated; when it did:")
            show(results)
            if len(self.different) <= AGAIN:
                self.tally.failed -= 1
                self.tally.passed += 1
            return
        text = "".join(f"{line}\n" for line in lines)
        path = os.path.join(self.sides[-1].guest.dir, f"sequence-{seed}")
        with open(path, "w") as file:
            file.write(text)
        print(text, end="")
        show(execute(self.sides, "shortest", lines))
        print(f"  all of it: make test-differential KERNEL={self.series} SEEDS={seed}")
        print(f"  this: scripts/toolbox python3 -m lab differential --kernel {self.series} --sequence {path}", flush=True)

    def end(self):
        for side in self.sides:
            for problem in side.end():
                self.problems.append(f"{side.driver}: {problem}")


def parse_seeds(text):
    found = re.fullmatch(r"(\d+)(?:-(\d+))?", text)
    if not found or int(found[2] or found[1]) < int(found[1]):
        raise Failure(f"SEEDS={text}? A number, or a range: 1-300")
    return int(found[1]), int(found[2] or found[1])


def run(series, seeds, sequence=None, ko=None):
    """Run seeds ("1-300"), or the lines in a file; returns the tally."""
    first, last = parse_seeds(seeds)
    stock = kernel.Kernel(series).get()
    image.GuestImage(stock.arch).get()
    ko = ko or module.build(stock)
    accel = accelerator.choose(stock)
    with tempfile.TemporaryDirectory() as temporary:
        payload = os.path.join(temporary, "differential")
        install(stock, payload)
        start = time.monotonic()
        run = Run(stock, accel, ko, payload)
        try:
            if sequence:
                with open(sequence) as file:
                    lines = [line.strip() for line in file if line.strip()]
                results = execute(run.sides, "file", lines)
                print("\n".join(results[0].trace))
                show(results)
                run.tally = Tally(failed=1) if differ(results) else Tally(passed=1)
            else:
                run.seeds(first, last)
            for seed, results in run.different[:SHORTENED]:
                run.explain(seed, results)
        except Died:
            pass
        run.end()
    run.tally.failed += bool(run.problems)
    for problem in run.problems:
        print(problem)
    if run.different:
        print("seeds that differ: " + " ".join(str(seed) for seed, _ in run.different))
    for side in run.sides:
        print(f"{side.driver}: the logs are {side.guest.output} and {side.guest.dmesg}")
    print(f"{stock.release}: {time.monotonic() - start:.0f} s")
    return run.tally
