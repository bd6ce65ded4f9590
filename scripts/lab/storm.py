# SPDX-License-Identifier: GPL-2.0
"""Long storms: random calls by many processes at once, see tests/loop_storm.c.

Two guests share the seeds. Before, each makes a thousand devices, for which udev
is too slow in the kselftests. After each storm the module is unloaded, and what is there
in the kernel is compared with what was there before; see tests/storm.sh.
"""

import collections
import concurrent.futures
import os
import re
import shutil
import tempfile
import time

from . import accelerator, dmesg, image, kernel, kernel_debug, kselftest, module
from .guest import INSIDE, Guest
from .say import Failure, say
from .tally import Tally

# Calls of one seed.
PORTION = 25000
GUESTS = 2
# For so many calls at least one second, and for a seed that says nothing.
CALLS_A_SECOND = 20
SILENT_SECONDS = PORTION // CALLS_A_SECOND + 600
SKIP = 4


class Run:
    """A thousand devices, then some seeds, in one guest: the tally, counts by call, and what was wrong besides."""

    def __init__(self, booted, accel, driver, ko, payload, seeds, calls):
        self.tally, self.problems, self.log = Tally(), [], []
        self.counts = collections.defaultdict(lambda: [0, 0])
        self.done = set()
        self.guest = Guest(booted, accel, driver=driver, ko=ko, payload=[payload])
        command = ["env", f"LOOP_PATIENCE={booted.patience}", "./storm", str(calls), *map(str, seeds)]
        silence = SILENT_SECONDS * booted.patience
        self.guest.run(command, silence * len(seeds), self.take, silence)
        missing = [name for name in ("devices", *(f"seed {seed}" for seed in seeds)) if name not in self.done]
        if missing:
            self.tally.failed += len(missing)
            self.problems.append(f"{self.guest.verdict or 'no result'}, from {missing[0]} on")
        self.problems += dmesg.complaints(self.guest.dmesg)

    def take(self, line):
        if found := re.match(r"done (.*): (\d+)", line):
            name, status = found[1], int(found[2])
            self.done.add(name)
            self.tally += Tally(status == 0, status not in (0, SKIP), status == SKIP)
            counts = ", ".join(text.removeprefix("count: ") for text in self.log if text.startswith("count:"))
            say(f"{name}: {'ok' if status == 0 else 'FAILED'}" + (f"; before and after: {counts}" if counts else ""))
            if status:
                print("".join(f"    {text}\n" for text in self.log[-60:]), end="", flush=True)
            self.log = []
            return
        self.log.append(line)
        if found := re.match(r"(\w+) +(\d+) ok +(\d+) failed", line):
            self.counts[found[1]][0] += int(found[2])
            self.counts[found[1]][1] += int(found[3])


def report(runs):
    """Print how often which call succeeded, and what went wrong. Returns the tally."""
    tally, counts = Tally(), collections.defaultdict(lambda: [0, 0])
    for run in runs:
        tally += run.tally
        # What went wrong besides the storms counts as one more that failed.
        tally.failed += bool(run.problems)
        for name, (good, bad) in run.counts.items():
            counts[name][0] += good
            counts[name][1] += bad
    for name, (good, bad) in counts.items():
        print(f"{name:20} {good:9} ok {bad:9} failed")
    print(f"{sum(map(sum, counts.values()))} calls")
    for run in runs:
        for problem in run.problems:
            print(problem)
        print(f"the logs are {run.guest.output} and {run.guest.dmesg}")
    return tally


def run(series, calls, first, driver="ours", debug=False):
    """Make so many calls on a driver, in storms with the seeds from the first on; returns the tally."""
    if calls < 1:
        raise Failure(f"CALLS={calls}?")
    stock = kernel.Kernel(series).get()
    booted = kernel_debug.DebugKernel(series).get() if debug else stock
    image.GuestImage(stock.arch).get()
    ko = module.build(booted) if driver == "ours" else None
    accel = accelerator.choose(stock)
    count = -(-calls // PORTION)
    seeds = range(first, first + count)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        payload = os.path.join(temporary, "kselftest")
        kselftest.install(stock, payload)
        shutil.copy(os.path.join(INSIDE, "storm"), payload)
        say(f"{calls} calls on {driver if driver == 'ours' else 'the C driver'}, {booted.release} ({accel.name})")
        parts = [part for part in (seeds[n::GUESTS] for n in range(GUESTS)) if part]
        with concurrent.futures.ThreadPoolExecutor(len(parts)) as pool:
            portion = -(-calls // count)
            runs = list(pool.map(lambda part: Run(booted, accel, driver, ko, payload, part, portion), parts))
    tally = report(runs)
    print(f"{booted.release}: {time.monotonic() - start:.0f} s")
    return tally
