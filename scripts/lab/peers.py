# SPDX-License-Identifier: GPL-2.0
"""`make test-peers`: suites that others wrote, on the C driver and on ours.

Their files come from Debian's source packages (xfstests: a checkout), their programs
from its packages; how each is run is scripts/guest/peers.py. A test that does worse on ours than on
the C driver fails. What each test showed is kept in the cache by kernel and
driver, so that a run that was stopped, or was of a slice, is gone on with.
"""

import collections
import concurrent.futures
import fnmatch
import glob
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

from . import accelerator, apt, cache, dmesg, image, kernel, module
from .guest import INSIDE, Guest
from .say import Failure, Step, say
from .tally import AGAIN, Tally

PROGRAM = os.path.join(INSIDE, "peers.py")
# No test may take longer (see TEST_SECONDS there), and so many guests may die.
SILENT_SECONDS = 1200
DEATHS = 5
# From best to worst: of a splat, or a death of the guest, there is more to say than that a test failed.
OUTCOMES = ("pass", "skip", "fail", "splat", "died")
# By suite: the files that are kept of its source package, and the command that builds some of them first. The
# programs among them are linked with no library that the guest may lack.
SOURCES = {
    "util-linux": (
        ("tests", "test_ismounted", "test_md5", "test_mkfds", "test_mount_context", "test_sysinfo"),
        "./configure --disable-all-programs --enable-libuuid --enable-libblkid --enable-libmount --disable-shared "
        "--disable-nls --without-python --without-systemd --without-ncurses --without-ncursesw --without-tinfo "
        "--disable-asciidoc && make -j2 test_ismounted test_md5 test_mkfds test_mount_context test_sysinfo",
    ),
    "mdadm": (("test", "tests"), ":"),
    "btrfs-progs": (("tests",), ":"),
    "systemd": ((), ""),
    "stress-ng": ((), ""),
    "xfstests": ((), "make distclean && make -j2 && find . -name '*.o' -delete"),
}
# What Debian lacks, and comes from a checkout.
CHECKOUT = "xfstests"


class PeersImage(image.Image):
    """The guests' root file system with what the suites call."""

    name = "peers"
    recipe = 1
    packages = (
        f"{image.GuestImage.packages},acl,eject,mdadm,stress-ng,systemd-tests,util-linux-extra,uuid-runtime,xz-utils,"
        # of xfstests
        "gawk,hostname,libaio1t64,libcap2-bin,liburing2,login,passwd,perl,quota"
    )
    # xfstests' users
    options = tuple(
        f"--customize-hook=chroot $1 useradd --badname --create-home {user}" for user in ("fsgqa", "fsgqa2", "123456-fsgqa")
    )
    key = cache.recipe_key(recipe, packages, options, apt.SUITE, image.SIZE_MIB)


class PeersGuest(Guest):
    image = PeersImage


class Files(cache.Entry):
    """A suite's own files, of the source package."""

    gib = 1

    def __init__(self, suite):
        self.suite, self.name = suite, f"suite-{suite}"
        self.key = cache.recipe_key(SOURCES[suite], apt.SUITE)

    def make(self):
        keep, build = SOURCES[self.suite]
        with tempfile.TemporaryDirectory(dir=self.dir) as place, Step(
            f"making the suite of {self.suite}", cache.log(self.name)
        ) as step:
            if keep:
                apt.source(step, self.suite, place)
                step.run("sh", "-c", build, cwd=place)
            for name in keep:
                shutil.move(os.path.join(place, name), self.dir)
        return list(keep)


class Checkout(Files):
    """xfstests, copied from a checkout and built in a Debian that is there for that only."""

    packages = (
        "autoconf,automake,gawk,gcc,libacl1-dev,libaio-dev,libattr1-dev,libc6-dev,libcap-dev,libtool,liburing-dev,make,"
        "pkg-config,uuid-dev,xfslibs-dev"
    )

    def __init__(self, tree):
        super().__init__(CHECKOUT)
        self.tree = os.path.realpath(tree)
        if not os.path.isfile(os.path.join(self.tree, "check")):
            raise Failure(f"there is no xfstests in XFSTESTS={tree}")
        # Without what begins with a dot, .git among it.
        names = sorted(glob.glob("**", root_dir=self.tree, recursive=True))
        files = [path for path in (os.path.join(self.tree, name) for name in names) if os.path.isfile(path)]
        self.key = cache.recipe_key(self.key, self.packages, names, digest(*files))

    def make(self):
        with Step(f"building {self.tree}", cache.log(self.name)) as step:
            step.run(
                "mmdebstrap", "--mode=root", "--variant=essential", f"--include={self.packages}",
                '--aptopt=APT::Install-Recommends "false";' + apt.PROXY,
                f"--customize-hook=cp -r {shlex.quote(self.tree)} $1/suite && rm -rf $1/suite/.git",
                f"--customize-hook=chroot $1 sh -c {shlex.quote(f'cd /suite && {SOURCES[self.suite][1]}')}",
                f"--customize-hook=cp -a $1/suite/. {self.dir}",
                apt.SUITE, "/dev/null", f"deb {apt.mirror()} {apt.SUITE} main",
            )  # fmt: skip
        return ["check", "ltp/fsstress", "tests/generic/group.list"]


def worst(parts):
    """The outcome of a test that has parts, each an outcome and why."""
    return max((outcome for outcome, _ in parts.values()), key=OUTCOMES.index, default="fail")


class Results:
    """What the tests of a suite showed on one driver: a line a test in a file of the cache, later ones count."""

    def __init__(self, *identity):
        self.path = cache.path("peers", *identity[:-1], f"{identity[-1]}.json")
        self.tests = {}
        if os.path.exists(self.path):
            with open(self.path) as file:
                for line in file:
                    if line.endswith("\n"):
                        self.tests |= json.loads(line)

    def add(self, test, parts):
        self.tests[test] = parts
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        with open(self.path, "a") as file:
            file.write(json.dumps({test: parts}) + "\n")

    def forget(self, tests):
        for test in tests:
            self.tests.pop(test, None)


class Run:
    """Tests of one suite on one driver, as far as a guest lives."""

    def __init__(self, stock, accel, driver, ko, files, tests, results):
        self.driver, self.results, self.suite = driver, results, files.suite
        self.running, self.parts, self.complaints, self.problems = "", {}, 0, []
        with tempfile.TemporaryDirectory() as temporary:
            payload = os.path.join(temporary, "peers")
            shutil.copytree(files.dir, payload, symlinks=True)
            shutil.copy(PROGRAM, payload)
            self.guest = PeersGuest(stock, accel, driver=driver, ko=ko, payload=[payload])
            say(f"{len(tests)} tests of {self.suite} on {driver}, {stock.release} ({accel.name})")
            status = self.guest.run(["python3", "peers.py", self.suite, *tests], None, self.take, SILENT_SECONDS)
        if self.guest.verdict and self.running:
            self.end("died", self.guest.verdict)
        elif status:
            self.problems.append(self.guest.verdict or f"the suite ended with status {status}")
        self.problems += self.new_complaints()

    def new_complaints(self):
        found = dmesg.complaints(self.guest.dmesg)[self.complaints :]
        self.complaints += len(found)
        return found

    def take(self, line):
        word, *fields = line.split("\t")
        if word == "start":
            self.running, self.parts = fields[0], {}
        elif word == "result":
            _, part, outcome, why = fields
            self.parts[part] = [outcome, why]
        elif word == "done":
            if found := self.new_complaints():
                self.parts["kernel"] = ["splat", found[0]]
            self.end()
        elif word.startswith("leftover:"):
            self.problems.append(word)

    def end(self, outcome="", why=""):
        """Keep what a test showed, or how it ended the guest."""
        if outcome:
            self.parts["guest"] = [outcome, why]
        self.results.add(self.running, self.parts)
        counts = f"{len(self.parts)} parts" if len(self.parts) > 1 else ""
        reason = next((why for what, why in self.parts.values() if what == worst(self.parts)), "")
        print(f"{self.driver:5} {worst(self.parts):6} {self.suite}/{self.running}  {reason or counts}".rstrip(), flush=True)
        self.running = ""


class Job:
    """A suite on one driver: guests until each test has a result."""

    def __init__(self, stock, accel, driver, ko, files, identity):
        self.arguments = (stock, accel, driver, ko, files)
        self.driver = driver
        self.results = Results(*identity)
        self.problems, self.guests, self.unsteady = [], [], []

    def run(self, tests):
        for _ in range(DEATHS):
            todo = [test for test in tests if test not in self.results.tests]
            if not todo:
                return
            run = Run(*self.arguments, todo, self.results)
            self.problems += run.problems
            self.guests.append(run.guest)
            if all(test not in self.results.tests for test in todo):
                break
        if missing := [test for test in tests if test not in self.results.tests]:
            self.problems.append(f"no result of {len(missing)} tests, from {missing[0]} on")

    def again(self, tests):
        """Run tests once more that did worse."""
        before = {test: self.results.tests[test] for test in tests}
        self.results.forget(tests)
        self.run(tests)
        self.unsteady = [test for test in tests if self.results.tests.get(test) != before[test]]

    def parts(self, test):
        return self.results.tests.get(test, {})


def worse(oracle, ours, test):
    """What of a test did worse than with the C driver: part, outcome with C, outcome with ours, why."""
    there, here = oracle.parts(test), ours.parts(test)
    for part in {**there, **here}:
        # These are there only when something is wrong; others are missing where a test ended before it came to them.
        absent = ["pass", ""] if part in ("kernel", "guest", "left") else ["fail", "no result"]
        (before, _), (now, why) = there.get(part, absent), here.get(part, absent)
        if OUTCOMES.index(now) > OUTCOMES.index(before) and (part in here or "guest" not in here):
            yield part, before, now, why


def report(jobs, suite, tests):
    """Print what differs, or what failed if only one driver ran. Returns the tally."""
    tally, counts = Tally(), collections.Counter()
    ours = jobs[-1]
    for test in tests:
        if len(jobs) == 2:
            bad = {part: f"{now} with ours, {before} with C  {why}" for part, before, now, why in worse(*jobs, test)}
            for part, now, before, _ in worse(*reversed(jobs), test):
                print(f"better {suite}/{test} {part}: {now} with ours, {before} with C")
                counts["better"] += 1
        else:
            bad = {part: f"{now}  {why}" for part, (now, why) in ours.parts(test).items() if now not in ("pass", "skip")}
        for part, what in bad.items():
            print(f"FAIL {suite}/{test} {part}: {what}".rstrip())
        tally.failed += len(bad)
        for part, (outcome, _) in ours.parts(test).items():
            if part not in bad:
                tally += Tally(passed=outcome == "pass", skipped=outcome != "pass")
                counts["fail with both" if outcome not in ("pass", "skip") else outcome] += 1
    for job in jobs:
        # What went wrong besides the tests counts as one more that failed.
        tally.failed += bool(job.problems)
        for problem in job.problems:
            print(f"{job.driver}: {suite}: {problem}")
        for test in job.unsteady:
            print(f"{job.driver}: {suite}/{test} did worse first, and not the same when it was run again by itself")
        for guest in job.guests:
            print(f"{job.driver}: the logs are {guest.output} and {guest.dmesg}")
        print(f"{job.driver}: the results are {job.results.path}")
    what = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    print(f"{suite}: {len(tests)} tests; of what they test {what or 'nothing passes'}", flush=True)
    return tally


def slice_of(tests, which):
    """Every N-th test, from the K-th on, for "K/N"."""
    found = re.fullmatch(r"(\d+)/(\d+)", which)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise Failure(f"SLICE={which}? 1/8 is the first eighth")
    return tests[int(found[1]) - 1 :: int(found[2])]


def choose(files, globs, which):
    """The tests of a suite that match any of some globs, or a slice of them."""
    listed = subprocess.run(
        [sys.executable, PROGRAM, "--list", files.suite, files.dir], check=True, capture_output=True, text=True
    )
    chosen = [
        name for name in listed.stdout.split()
        if any(fnmatch.fnmatch(name, glob) or fnmatch.fnmatch(f"{files.suite}/{name}", glob) for glob in globs)
    ]  # fmt: skip
    return slice_of(chosen, which)


def digest(*paths):
    """A short hash of what is in some files."""
    whole = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            whole.update(file.read())
    return whole.hexdigest()[:12]


def run(series, suites, globs, which, drivers, fresh=False, checkout=None):
    """Run the tests of some suites that match on the drivers, as far as they have no results yet; returns the tally."""
    everything = "*" in suites
    suites = [suite for suite in SOURCES if any(fnmatch.fnmatch(suite, glob) for glob in suites)]
    if not suites:
        raise Failure(f"no such suite; there are {', '.join(SOURCES)}")
    if CHECKOUT in suites and not checkout:
        how = f"make test-peers SUITES={CHECKOUT} XFSTESTS=/path/to/checkout"
        if not everything:
            raise Failure(f"Debian has no {CHECKOUT}, say where a checkout of it is: {how}")
        say(f"without {CHECKOUT}, which needs a checkout: {how}")
        suites.remove(CHECKOUT)
    chosen = {}
    for suite in suites:
        files = (Checkout(checkout) if suite == CHECKOUT else Files(suite)).get()
        if tests := choose(files, globs, which):
            chosen[files] = tests
    if not chosen:
        raise Failure(f"no test matches TESTS={' '.join(globs)} SLICE={which}")
    stock = kernel.Kernel(series).get()
    PeersImage().get()
    ko = module.build(stock) if "ours" in drivers else None
    accel = accelerator.choose(stock)
    tally = Tally()
    for files, tests in chosen.items():
        # What is run, with which kernel, and by which driver.
        recipe = cache.recipe_key(digest(PROGRAM), PeersImage.key, files.key)
        jobs = [
            Job(
                stock, accel, driver, ko, files,
                (stock.release, digest(ko) if driver == "ours" else "c", f"{files.suite}-{recipe}"),
            ) for driver in drivers
        ]  # fmt: skip
        if fresh:
            for job in jobs:
                job.results.forget(tests)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            list(pool.map(lambda job: job.run(tests), jobs))
        if len(jobs) == 2:
            bad = [test for test in tests if any(worse(*jobs, test))]
            # A word of the kernel leaves no doubt.
            clear = jobs[-1].problems or any(worst(jobs[-1].parts(test)) in ("splat", "died") for test in bad)
            if bad and len(bad) <= AGAIN and not clear:
                say(f"once more, by themselves: {' '.join(bad)}")
                jobs[-1].again(bad)
        tally += report(jobs, files.suite, tests)
    return tally
