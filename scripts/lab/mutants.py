# SPDX-License-Identifier: GPL-2.0
"""`make test-mutants`: how good are the tests? They have to notice that the driver is broken.

tests/mutants.toml lists single ways to break it, each with the tests that should notice. Each of
them is built in a directory of its own, and its tests run in a guest of its own. A mutant is caught
if a test fails, or the kernel complains, hangs or dies. Results are kept in the cache for as long
as the mutant, the driver, the kernel and the tests stay as they are.
"""

import concurrent.futures
import fnmatch
import glob
import json
import os
import queue
import tempfile
import time
import tomllib

from . import accelerator, cache, dmesg, image, kernel, kselftest, ktap, module, powercut, release
from .guest import Guest
from .say import Failure, say

LIST = os.path.join(kselftest.TESTS, "mutants.toml")
FIELDS = {"breaks", "file", "old", "new", "tests"}
# To build one, boot a guest and run a test, until it is known.
BUILD_SECONDS, TEST_SECONDS = 90, 20


class Mutant:
    def __init__(self, name, entry):
        self.name, self.entry = name, entry
        self.breaks, self.reason = entry["breaks"], entry.get("reason", "")
        # The newline at the end of its line goes with a text that is a whole line.
        self.change = (entry["file"], entry["old"].strip("\n"), entry["new"].strip("\n"))
        self.globs = [f"test_{glob}.sh" for glob in entry["tests"].split()]
        self.result = None

    def tests(self):
        """The files of its tests, in order."""
        paths = sorted(glob.glob(f"{kselftest.TESTS}/test_*_[0-9][0-9].sh"))
        return [path for path in paths if any(fnmatch.fnmatch(os.path.basename(path), glob) for glob in self.globs)]

    def key(self, driver, stock):
        texts = []
        for path in self.tests():
            with open(path) as file:
                texts.append([os.path.basename(path), file.read()])
        return cache.recipe_key(driver, stock.release, self.change, texts)

    @property
    def path(self):
        return cache.path("mutants", self.name + ".json")

    def load(self, key):
        """Take the result from the cache, if there is one for this key; returns how long it may take."""
        try:
            with open(self.path) as file:
                known = json.load(file)
        except (OSError, ValueError):
            return BUILD_SECONDS + TEST_SECONDS * len(self.tests())
        if known["key"] == key:
            self.result = known
        return known["seconds"]

    def save(self, key, seconds, outcome, why):
        self.result = {"key": key, "seconds": seconds, "outcome": outcome, "why": why}
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        with open(self.path, "w") as file:
            json.dump(self.result, file)

    @property
    def outcome(self):
        return self.result["outcome"] if self.result else "not run"


def mutants():
    with open(LIST, "rb") as file:
        return [Mutant(name, entry) for name, entry in tomllib.load(file).items()]


def complaints():
    """What is wrong with the list, and with what breaks the driver for power cuts, a line each."""
    with open(LIST, "rb") as file:
        entries = tomllib.load(file)
    for name, entry in entries.items():
        if missing := FIELDS - entry.keys() | entry.keys() - FIELDS - {"reason"}:
            yield f"mutant {name}: {' '.join(sorted(missing))}?"
            continue
        mutant = Mutant(name, entry)
        for glob in mutant.globs:
            if not any(fnmatch.fnmatch(os.path.basename(path), glob) for path in mutant.tests()):
                yield f"mutant {name}: there is no {glob}"
        for text in module.broken_texts([mutant.change]):
            yield f"mutant {name} is stale: {text}"
    for name, changes in powercut.BREAKS.items():
        for text in module.broken_texts(changes):
            yield f"BREAK={name} is stale: {text}"


def try_out(mutant, stock, accel, ko, payload):
    """Run a mutant's tests. Returns caught, survived or skipped, and by what; None if the guest did not boot."""
    names = [os.path.basename(path) for path in mutant.tests()]
    parser, left = ktap.Parser(), []

    def take(line):
        parser.feed(line)
        if line.startswith("leftover:"):
            left.append(line)

    guest = Guest(stock, accel, driver="ours", ko=ko, payload=[payload])
    guest.run(kselftest.command(names, 1), kselftest.SECONDS, take, kselftest.SILENT_SECONDS)
    if "booted" not in guest.read_status():
        say(f"{mutant.name}: {guest.verdict}")
        return None
    results = parser.results
    running = f" during {parser.running}" if parser.running else ""
    why = [f"{name} failed: {result.detail}" for name, result in results.items() if result.outcome == "fail"]
    why += [guest.verdict + running] if guest.verdict else []
    why += (dmesg.complaints(guest.dmesg, faults=True) + left)[:1]
    if why:
        return "caught", "; ".join(why)
    if all(result.outcome == "skip" for result in results.values()):
        return "skipped", f"no test ran; {guest.output}"
    return "survived", f"{guest.output}"


class Session:
    """As many mutants as time permits."""

    def __init__(self, stock, minutes, guests, build_only):
        self.stock, self.guests, self.build_only = stock, guests, build_only
        self.end = time.monotonic() + minutes * 60
        self.driver = release.driver()
        # Directories to build in.
        self.places = queue.SimpleQueue()
        for number in range(guests):
            self.places.put(f"mutant-{number}")
        if not build_only:
            image.GuestImage().get()
            self.accel = accelerator.choose(stock)

    def run(self, mutant, payload):
        key = mutant.key(self.driver, self.stock)
        seconds = mutant.load(key)
        if mutant.result and not self.build_only or seconds > self.end - time.monotonic():
            return
        begun = time.monotonic()
        place = self.places.get()
        try:
            ko = module.build_changed(self.stock, place, [mutant.change])
            if self.build_only:
                say(f"{mutant.name} compiles")
                return
            result = try_out(mutant, self.stock, self.accel, ko, payload)
        except Failure as failure:
            # The list is wrong.
            mutant.result = {"outcome": "error", "why": str(failure)}
            say(f"{mutant.name}: {failure}")
            return
        finally:
            self.places.put(place)
        if result:
            mutant.save(key, round(time.monotonic() - begun), *result)
            print(f"{mutant.outcome:8}  {mutant.name:26}  {mutant.result['why']}", flush=True)

    def all(self, chosen):
        with tempfile.TemporaryDirectory() as temporary:
            payload = os.path.join(temporary, "kselftest")
            if not self.build_only:
                kselftest.install(self.stock, payload)
            with concurrent.futures.ThreadPoolExecutor(self.guests) as pool:
                list(pool.map(lambda mutant: self.run(mutant, payload), chosen))


def report(chosen):
    """Say what came of them; returns whether nothing is left to do."""
    by = {}
    for mutant in chosen:
        by.setdefault(mutant.outcome, []).append(mutant)
    print()
    for outcome in ("survived", "skipped", "error"):
        for mutant in by.get(outcome, []):
            print(f"{outcome} {mutant.name}: {mutant.breaks}")
            print("    " + (mutant.reason or f"{' '.join(mutant.globs)}: {mutant.result['why']}"))
    if waiting := by.get("not run"):
        print(f"not run: {' '.join(mutant.name for mutant in waiting)}")
    explained = sum(bool(mutant.reason) for mutant in by.get("survived", []))
    tried = len(chosen) - len(by.get("not run", []))
    print(f"{len(by.get('caught', []))} of {tried} mutants caught, {explained} that survived have a reason, "
          f"{len(by.get('not run', []))} were not run")  # fmt: skip
    return len(by.get("caught", [])) + explained == len(chosen)


def run(series, globs, minutes, guests, build_only):
    """Try mutants, by name; returns whether all were caught, or have a reason, or with `build_only` compile."""
    globs = " ".join(globs).split()
    chosen = [mutant for mutant in mutants() if any(fnmatch.fnmatch(mutant.name, glob) for glob in globs)]
    if not chosen:
        raise Failure(f"no mutant matches MUTANTS={' '.join(globs)}; they are in {LIST}")
    for complaint in complaints():
        say(complaint)
    Session(kernel.Kernel(series).get(), minutes, guests, build_only).all(chosen)
    if build_only:
        return not any(mutant.outcome == "error" for mutant in chosen)
    return report(chosen)
