# SPDX-License-Identifier: GPL-2.0
"""The kselftests in tests/, on the C driver (the oracle) and on ours.

They are built and installed as the kernel's own: with tests/ as
tools/testing/selftests/loop of the source. That directory is a mount of this
run's namespace, so the cached source stays as it is and runs don't meet.
"""

import concurrent.futures
import fnmatch
import math
import os
import re
import shutil
import subprocess
import tempfile

from . import accelerator, cache, dmesg, image, kernel, kernel_debug, ktap, module, test_index
from .guest import INSIDE, Guest
from .say import Failure, Step, say
from .tally import AGAIN, Tally

TESTS = os.path.join(module.REPO, "tests")
# For all tests of a driver, and for one that its own limit (tests/settings) cannot end.
SECONDS = 3600
SILENT_SECONDS = 360
# The driver of a tree to which `make series` has added ours.
TREE = "tree"
DRIVERS = {"c": "the C driver", "ours": "ours", TREE: "the tree's driver"}
# That run at the same time, and how many tests one runs: few enough that all are busy to the end.
GUESTS = 2
TESTS_A_GUEST = 72


def install(stock, where):
    """Build the tests, lay them and the kernel's runner out in a directory."""
    target = os.path.join(stock.source, "tools/testing/selftests/loop")
    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree(TESTS, copy, dirs_exist_ok=True)
        subprocess.run(["mount", "--bind", copy, target], check=True)
        try:
            install_of_tree(stock, where)
        finally:
            subprocess.run(["umount", target], check=True)


def install_of_tree(stock, where):
    """The same with the tests that are in the kernel's source."""
    tests = os.path.join(stock.source, "tools/testing/selftests")
    with Step("building the tests", cache.log(f"kselftest-{stock.series}")) as step:
        cross = ["ARCH=arm64", f"CC={stock.guest_cc}"] if stock.arch == "arm64" else []
        make = stock.guest_command("make", "-C", tests, "TARGETS=loop", "FORCE_TARGETS=1", *cross)
        step.run(*make, f"KHDR_INCLUDES=-isystem {stock.kdir}/usr/include", f"INSTALL_PATH={where}", "install")
    shutil.copy(os.path.join(INSIDE, "kselftests"), where)


def choose(where, globs):
    """Names of the installed tests that match any of some globs."""
    with open(os.path.join(where, "kselftest-list.txt")) as file:
        names = [line.split(":")[1].strip() for line in file if line.startswith("loop:")]
    chosen = [
        name for name in names
        if any(fnmatch.fnmatch(name, glob) or fnmatch.fnmatch(name.removesuffix(".sh"), glob) for glob in globs)
    ]  # fmt: skip
    if not chosen:
        raise Failure(f"no test matches TESTS={' '.join(globs)}")
    return chosen


def known_defects(series):
    """Tests that the C driver of a series must fail, and groups that it cannot run ("test_x_*"), with the reasons."""
    defects = {}
    with open(os.path.join(TESTS, "known-c-defects")) as file:
        for line in file:
            found = re.match(r"(\w+\*?)(?:\[(.*?)\])?: *(.*)", line)
            if found and series in (found[2] or series).split():
                defects[found[1]] = found[3]
    return defects


def is_lacking(driver, name, defects):
    """Whether a driver has nothing that a test could test."""
    return driver == "c" and any(fnmatch.fnmatch(name, group) for group in defects if group.endswith("*"))


def seconds_of_a_test():
    with open(os.path.join(TESTS, "settings")) as file:
        return int(re.search(r"^timeout=(\d+)", file.read(), re.MULTILINE)[1])


def command(tests, patience):
    """What runs tests in a guest."""
    words = ["env", f"LOOP_PATIENCE={patience}", "./kselftests"]
    if patience > 1:
        words += ["-o", str(seconds_of_a_test() * patience)]
    return words + [word for test in tests for word in ("-t", f"loop:{test}")]


class Run:
    """Tests on one driver, in one guest; more of them can be added, with what they showed."""

    def __init__(self, booted, accel, driver, ko, payload, tests, defects):
        self.driver, self.tests, self.defects = driver, tests, defects
        self.descriptions = test_index.descriptions()
        self.parser = ktap.Parser()
        self.problems = []
        self.unsteady = []
        patience = booted.patience
        # The guest has one name for the driver that comes with the kernel.
        self.guest = Guest(booted, accel, driver="c" if driver == TREE else driver, ko=ko, payload=[payload])
        self.guests = [self.guest]
        say(f"{len(tests)} tests on {DRIVERS[driver]}, {booted.release} ({accel.name})")
        self.guest.run(command(tests, patience), SECONDS * patience, self.take, SILENT_SECONDS * patience)
        if self.guest.verdict:
            where = f" during {self.parser.running}" if self.parser.running else ""
            self.problems.append(self.guest.verdict + where)
        self.problems += dmesg.complaints(self.guest.dmesg, faults=True)
        for problem in self.problems:
            say(f"{driver}: {problem}")

    def take(self, line):
        if line.startswith("leftover:"):
            self.problems.append(line)
        result = self.parser.feed(line)
        if result:
            about = result.detail or self.descriptions.get(result.name, "")
            print(f"{self.driver:5} {self.cell(result.name):10} {result.name:16}  {about}", flush=True)
            if self.cell(result.name) == "FAIL":
                print("".join(f"        {text}\n" for text in result.log[-20:]), end="", flush=True)

    def add(self, other):
        self.parser.results.update(other.parser.results)
        self.problems += other.problems
        self.guests += other.guests

    def failed(self, names):
        return [name for name in names if self.outcome(name) == "fail"]

    def again(self, names, start):
        """Run what failed once more; `start` begins another such run with some of the tests."""
        failed = self.failed(names)
        if not failed or len(failed) > AGAIN or self.problems:
            return
        say(f"{self.driver}: once more, by themselves: {' '.join(failed)}")
        other = start(failed)
        self.unsteady += [name for name in failed if other.outcome(name) != "fail"]
        self.add(other)

    def outcome(self, name):
        """pass, fail or skip, None if it was not to be run; with the C driver a known defect has to fail."""
        if is_lacking(self.driver, name, self.defects):
            return None
        result = self.parser.results.get(name)
        if result is None:
            return "fail"
        if self.driver == "c" and name in self.defects:
            return {"fail": "pass", "pass": "fail", "skip": "skip"}[result.outcome]
        return result.outcome

    def cell(self, name):
        if is_lacking(self.driver, name, self.defects):
            return "-"
        result = self.parser.results.get(name)
        if result is None:
            return "no result"
        if self.driver == "c" and name in self.defects:
            return {"fail": "defect", "pass": "STALE", "skip": "skip"}[result.outcome]
        return {"pass": "ok", "fail": "FAIL", "skip": "skip"}[result.outcome]


def report(runs, names, defects):
    """Print the table. Returns the tally."""
    width = max(len(name) for name in names)
    columns = ["C" if run.driver == "c" else run.driver for run in runs]
    print(f"\n{'test':{width}}  " + "".join(f"{column:11}" for column in columns).rstrip())
    for name in names:
        note = f"  # {defects[name]}" if name in defects else ""
        print(f"{name:{width}}  " + "".join(f"{run.cell(name):11}" for run in runs).rstrip() + note)
    tally = Tally()
    for run in runs:
        for name in names:
            outcome = run.outcome(name)
            tally += Tally(outcome == "pass", outcome == "fail", outcome == "skip")
        # What went wrong besides the tests counts as one more that failed.
        tally.failed += bool(run.problems)
        for problem in run.problems:
            print(f"{run.driver}: {problem}")
        for name in run.unsteady:
            print(f"{run.driver}: {name} failed first, and not when it was run again by itself")
        for guest in run.guests:
            print(f"{run.driver}: the logs are {guest.output} and {guest.dmesg}")
    return tally


def run_all(tests, start):
    """Run the tests of each driver in guests of their own, some at the same time; returns a run a driver."""
    runs = []
    # The tests wait more than they compute.
    with concurrent.futures.ThreadPoolExecutor(GUESTS) as pool:
        jobs = {}
        for driver, names in tests.items():
            # As many for each of the guests that run at the same time.
            at_once = max(1, GUESTS // len(tests))
            count = min(len(names), at_once * math.ceil(len(names) / at_once / TESTS_A_GUEST))
            jobs[driver] = [pool.submit(start, driver, names[first::count]) for first in range(count)]
        for guests in jobs.values():
            run, *others = [guest.result() for guest in guests]
            for other in others:
                run.add(other)
            runs.append(run)
    return runs


def run_tests(series, globs, drivers, debug=False):
    """Run the tests that match on the drivers, and perhaps a debug kernel; returns what report() takes."""
    stock = kernel.Kernel(series).get()
    booted = kernel_debug.DebugKernel(series).get() if debug else stock
    image.GuestImage(stock.arch).get()
    ko = module.build(booted) if "ours" in drivers else None
    accel = accelerator.choose(stock)
    defects = known_defects(stock.linux)
    with tempfile.TemporaryDirectory() as temporary:
        payload = os.path.join(temporary, "kselftest")
        install(stock, payload)
        tests = choose(payload, globs)
        names = [test.removesuffix(".sh") for test in tests]
        if "ours" in drivers and any(name.startswith("test_sample_") for name in names):
            shutil.copy(module.build_sample(booted), payload)
        to_run = {
            driver: mine for driver in drivers
            if (mine := [test for test in tests if not is_lacking(driver, test, defects)])
        }  # fmt: skip
        if not to_run:
            raise Failure(f"the C driver has nothing that TESTS={' '.join(globs)} could test; add DRIVERS=ours")

        def start(driver, part):
            return Run(booted, accel, driver, ko, payload, part, defects)

        runs = run_all(to_run, start)
        for run in runs:
            run.again(names, lambda failed: start(run.driver, [f"{name}.sh" for name in failed]))
        return runs, names, defects


def run_tests_of_tree(booted, accel, globs):
    """The tests that a kernel's source has, on the driver that it has, as run_tests()."""
    with tempfile.TemporaryDirectory() as temporary:
        payload = os.path.join(temporary, "kselftest")
        install_of_tree(booted, payload)
        tests = choose(payload, globs)
        names = [test.removesuffix(".sh") for test in tests]

        def start(driver, part):
            return Run(booted, accel, driver, None, payload, part, {})

        runs = run_all({TREE: tests}, start)
        for run in runs:
            run.again(names, lambda failed: start(TREE, [f"{name}.sh" for name in failed]))
        return runs, names, {}


def run(series, globs, drivers, debug=False):
    """run_tests(), reported; returns the tally."""
    return report(*run_tests(series, globs, drivers, debug))
