# SPDX-License-Identifier: GPL-2.0
"""`make bench`: what the drivers cost, beside the same I/O done without them.

Cases that have the same backing share a boot of one guest, in which the
neighbours of each case take turns. Guests that count instructions don't mind
each other and run side by side; those that measure time run alone.
"""

import fnmatch
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time

from lab import accelerator, cache, dmesg, kernel, module
from lab.guest import INSIDE, Guest
from lab.say import Failure, say

from . import rublk
from .cases import ALL, CASES, CPUS, INSTRUCTIONS, WALL
from .profile import run as run_profile
from .report import Report, progress

# Guests may run side by side and have a plugin, so everything may take long.
BOOT_SECONDS = 600
SECONDS = 14400
SILENT_SECONDS = 900
MEMORY_MIB = 4096


def choose(globs):
    found = [case for case in CASES if any(fnmatch.fnmatch(case.name, glob) for glob in globs)]
    if not found:
        raise Failure(f"no case matches CASE={' '.join(globs)}; CASE=list lists them")
    return found


def list_cases():
    for case in CASES:
        print(f"{case.name:26} {case.instrument:12}  {case.title}")


class Boot:
    """One guest and the cases that are measured in it."""

    def __init__(self, stock, accel, cases, payload, request):
        self.instrument = cases[0].instrument
        self.accelerator = accel
        self.results, self.problems, self.symbols = [], [], ""
        # The kernel would not boot on a host so busy that its test of the timer sees no interrupt.
        self.guest = Guest(
            stock, accel, cpus=CPUS[self.instrument], memory=MEMORY_MIB, payload=[self.stage(payload, request)],
            kernel_arguments="no_timer_check",
        )  # fmt: skip
        self.guest.boot_seconds = BOOT_SECONDS
        self.guest.image = cases[0].image

    def stage(self, payload, request):
        """The common payload with this boot's request."""
        where = tempfile.mkdtemp(prefix="boot-", dir=os.path.dirname(payload))
        for name in os.listdir(payload):
            os.link(os.path.join(payload, name), os.path.join(where, name))
        with open(os.path.join(where, "cases.json"), "w") as file:
            json.dump(request, file)
        return where

    def take(self, line):
        if line.startswith("symbols "):
            self.symbols = line.removeprefix("symbols ")
            return
        if not line.startswith("result "):
            say(line)
            return
        result = json.loads(line.removeprefix("result "))
        result["instrument"] = self.instrument
        self.results.append(result)
        progress(result)

    def run(self):
        self.guest.run(["python3", "bench.py", "cases.json"], SECONDS, self.take, SILENT_SECONDS)
        if self.guest.verdict:
            self.problems.append(f"{self.guest.verdict}; {self.guest.output} and {self.guest.dmesg} say more")
        self.problems += dmesg.complaints(self.guest.dmesg)
        return self


def git(*arguments):
    done = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", module.REPO, *arguments], capture_output=True, text=True
    )
    return done.stdout.strip()


def about(stock, accel, ko, built):
    """What has to be known to make sense of the figures."""
    changed = "+" if git("status", "--porcelain", "--", *module.sources()) else ""
    qemu = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True).stdout
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "kernel": stock.release,
        "commit": git("rev-parse", "--short", "HEAD") + changed if built else "?",
        "module": cache.recipe_key(open(ko, "rb").read().hex()),
        "qemu": qemu.split("\n")[0].removeprefix("QEMU emulator "),
        "wall": f"{accel.name}, {CPUS[WALL]} CPUs on a host of {os.cpu_count()}",
        "rublk": rublk.VERSION,
    }


def grouped(cases):
    """Cases by what they can share a boot by: instrument, backing and image, in order."""
    groups = {}
    for case in cases:
        groups.setdefault((case.instrument, case.backing, case.image), []).append(case)
    return groups


def stage(temporary, cases, ko, wanted):
    """The common payload, and which of the wanted neighbours there are."""
    common = os.path.join(temporary, "bench")
    os.mkdir(common)
    peer = rublk.find() if "rublk" in wanted and any("rublk" in case.neighbours for case in cases) else None
    shutil.copy(os.path.join(INSIDE, "bench.py"), common)
    shutil.copy(ko, os.path.join(common, "loop.ko"))
    subprocess.run(["strip", "--strip-debug", os.path.join(common, "loop.ko")], check=True)
    if peer:
        shutil.copy(peer, common)
    return common, [name for name in wanted if peer or name != "rublk"]


def side_by_side(boots):
    """Run boots, as many at a time as there are CPUs. Stopped, it leaves the guests to the lab's end."""
    waiting = iter(boots)

    def work():
        for boot in waiting:
            boot.run()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(os.cpu_count())]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def measure(stock, accel, cases, ko, wanted, rounds, boots):
    """Boot what has to be booted; adds the boots to a list, so that nothing is lost if this is stopped."""
    with tempfile.TemporaryDirectory() as temporary:
        common, there = stage(temporary, cases, ko, wanted)
        for (instrument, backing, _), group in grouped(cases).items():
            requests = [case.request([name for name in case.neighbours if name in there], rounds) for case in group]
            how = accelerator.ICOUNT if instrument == INSTRUCTIONS else accel
            boots.append(Boot(stock, how, group, common, {"backing": backing.spec(), "cases": requests}))
        side_by_side([boot for boot in boots if boot.instrument == INSTRUCTIONS])
        for boot in boots:
            if boot.instrument == WALL:
                boot.run()


def profile(stock, cases, ko, wanted):
    """Show where the instructions of an I/O go, case by case."""
    with tempfile.TemporaryDirectory() as temporary:
        common, there = stage(temporary, cases, ko, wanted)

        def boot(case, how, request):
            done = Boot(stock, how, [case], common, request).run()
            for problem in done.problems:
                say(problem)
            return done

        run_profile(cases, boot, there)


def report(head, cases, boots, arguments):
    """Tell what was measured; returns whether all could be."""
    results = [result for boot in boots for result in boot.results]
    problems = [problem for boot in boots for problem in boot.problems]
    problems += [f"{one['case']}, {one['neighbour']}: {one['error']}" for one in results if "error" in one]
    found = Report(head, cases, results)
    found.print()
    where = arguments.output or os.path.join(module.REPO, "build", arguments.kernel, "bench")
    found.save(where)
    for problem in problems:
        say(problem)
    say(f"{len(results)} measurements; they are in {where}.json, .md and .svg")
    return bool(results) and not problems


def run(arguments):
    """Measure the cases that match; returns whether all could be measured."""
    if arguments.cases == ["list"]:
        list_cases()
        return True
    start = time.monotonic()
    # CASE of the Makefile comes in one piece.
    cases = choose(" ".join(arguments.cases).split())
    stock = kernel.Kernel(arguments.kernel).get()
    for wanted in dict.fromkeys(case.image for case in cases):
        wanted().get()
    ko = arguments.ko or module.build(stock)
    if arguments.profile:
        profile(stock, cases, ko, arguments.neighbours)
        return True
    accel = accelerator.choose(stock)
    head = about(stock, accel, ko, not arguments.ko)
    boots = []
    try:
        measure(stock, accel, cases, ko, arguments.neighbours, arguments.rounds, boots)
    finally:
        good = report(head, cases, boots, arguments)
    say(f"that took {(time.monotonic() - start) / 60:.0f} minutes")
    return good
