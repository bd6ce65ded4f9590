# SPDX-License-Identifier: GPL-2.0
"""`make test-dropin`: a system with systemd and udev, on the C driver and on ours.

Ours is put there by `make install`, into a copy of the kernel's modules. The
checks and what they see have to be the same. Those in scripts/guest/dropin.py
are of what a system has anyway; those in neighbours.py, in guests of their own,
of programs that people run beside loop devices.
"""

import concurrent.futures
import difflib
import fnmatch
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

from . import accelerator, cache, dmesg, kernel, kselftest, module
from .guest import INSIDE
from .say import Failure, Step, say
from .system import NeighboursGuest, SystemGuest
from .tally import AGAIN, Tally

CHECKS, NEIGHBOURS = (os.path.join(INSIDE, name) for name in ("dropin.py", "neighbours.py"))
SHARED = tuple(os.path.join(INSIDE, name) for name in ("checks.py", "loops.py"))
# Both drivers took ten minutes on a busy machine with two cores.
SECONDS = 2400
SILENT_SECONDS = 600
RESULT = re.compile(r"(ok|skip|FAIL) (\w+)(?:: (.*))?$")
# What the kernel logs when data could not be read or written. udev reads a device of nbd also
# while its server goes away; what that does to loop devices on it is told of these, too.
DAMAGE = re.compile(r"I/O error(?!.* dev nbd)|(EXT4-fs|SQUASHFS) error")
SEEN = re.compile(r"see (\w+): (.*)$")


def install(stock, where, ko=None):
    """A disk of the kernel's modules with ours installed among them, or with another ours."""
    module.build(stock)
    place = module.place_of(stock)
    source = os.path.join(place, "module")
    tree = os.path.join(where, "lib/modules")
    disk = os.path.join(where, "modules.ext4")
    os.makedirs(tree)
    with cache.locked(os.path.join(place, ".lock"), "building the module"), Step(
        "make install", cache.log(f"dropin-install-{stock.series}")
    ) as step:
        step.run("debugfs", "-R", f"rdump {stock.release} {tree}", stock.modules)
        shutil.copy(os.path.join(module.REPO, "Makefile"), source)
        make = stock.command("make", "-C", source, f"KDIR={stock.kdir}", *stock.make_arguments)
        step.run(*make, f"INSTALL_MOD_PATH={where}", "install")
        updates = os.path.join(tree, stock.release, "updates")
        if not glob.glob(f"{updates}/loop.ko*"):
            raise Failure(f"`make install` has put no loop.ko into updates/; the log is {step.log}")
        if ko:
            shutil.rmtree(updates)
            os.mkdir(updates)
            shutil.copy(ko, os.path.join(updates, "loop.ko"))
            step.run("depmod", "-b", where, stock.release)
        step.run("mke2fs", "-q", "-t", "ext4", "-L", "modules", "-d", tree, disk, "200M")
    return disk


class Run:
    """All checks on one driver: outcomes, and what was seen, each by check."""

    checks, guest_type = CHECKS, SystemGuest

    def __init__(self, stock, accel, driver, names, modules, files=()):
        self.driver = driver
        self.names = names
        self.outcomes, self.seen = {}, {name: [] for name in names}
        self.problems, self.unsteady = [], []
        with tempfile.TemporaryDirectory() as temporary:
            payload = os.path.join(temporary, "dropin")
            os.mkdir(payload)
            for file in (self.checks, *SHARED, *files):
                shutil.copy(file, payload)
            self.guest = self.guest_type(stock, accel, payload=[payload])
            if modules:
                self.guest.modules = modules
            self.guests = [self.guest]
            say(f"booting a system with {'the C driver' if driver == 'c' else driver} ({accel.name})")
            command = ["python3", os.path.basename(self.checks), driver, *names]
            status = self.guest.run(command, SECONDS, self.take, SILENT_SECONDS)
        if status:
            self.problems.append(self.guest.verdict or f"the checks ended with status {status}")
        self.problems += dmesg.complaints(self.guest.dmesg)
        self.problems += [line for line in dmesg.lines(self.guest.dmesg) if DAMAGE.search(line)]
        for problem in self.problems:
            say(f"{driver}: {problem}")

    def take(self, line):
        if found := SEEN.match(line):
            self.seen[found[1]].append(found[2])
        elif found := RESULT.match(line):
            outcome, name, why = found[1], found[2], found[3] or ""
            self.outcomes[name] = outcome
            print(f"{self.driver:5} {outcome:10} {name}  {why}".rstrip(), flush=True)
        elif not line.startswith("took "):
            print(f"        {line}", flush=True)

    def compare(self, oracle):
        """Mark what was seen to be different from the C driver's."""
        for name, outcome in self.outcomes.items():
            if outcome == oracle.outcomes.get(name) == "ok" and self.seen[name] != oracle.seen[name]:
                self.outcomes[name] = "differs"
                print(f"{name} differs:")
                diff = difflib.unified_diff(oracle.seen[name], self.seen[name], "C", "ours", n=0, lineterm="")
                print("".join(f"        {line}\n" for line in diff if not line.startswith("@@")), end="", flush=True)

    def add(self, other):
        """Take what a run of some of the checks showed in place of this one's."""
        self.unsteady += [name for name in other.names if other.outcome(name) != "fail" == self.outcome(name)]
        self.outcomes |= other.outcomes
        self.problems += other.problems
        self.guests += other.guests

    def cell(self, name):
        return self.outcomes.get(name, "no result")

    def outcome(self, name):
        return {"ok": "pass", "skip": "skip"}.get(self.cell(name), "fail")


class NeighboursRun(Run):
    checks, guest_type = NEIGHBOURS, NeighboursGuest


def choose(kind, globs):
    """Names of the checks of a kind of run that match any of some globs."""
    listed = subprocess.run([sys.executable, kind.checks, "--list"], check=True, capture_output=True, text=True)
    return [name for name in listed.stdout.split() if any(fnmatch.fnmatch(name, glob) for glob in globs)]


def run_kind(kind, stock, accel, names, modules):
    """Run checks of one kind on drivers, each with a disk of modules; returns the tally."""
    kind.guest_type.image().get()

    def boot(names):
        with concurrent.futures.ThreadPoolExecutor() as pool:
            runs = list(pool.map(lambda driver: kind(stock, accel, driver, names, modules[driver]), modules))
        if len(runs) == 2:
            oracle, ours = runs
            ours.compare(oracle)
        return runs

    runs = boot(names)
    failed = [name for name in names if any(run.outcome(name) == "fail" for run in runs)]
    if failed and len(failed) <= AGAIN and not any(run.problems for run in runs):
        say(f"once more, by themselves: {' '.join(failed)}")
        for run, other in zip(runs, boot(failed)):
            run.add(other)
    return kselftest.report(runs, names, {})


def run(series, globs, drivers, ko=None):
    """Run the checks that match on the drivers; returns the tally."""
    globs = " ".join(globs).split()
    chosen = {kind: names for kind in (Run, NeighboursRun) if (names := choose(kind, globs))}
    if not chosen:
        raise Failure(f"no check matches TESTS={' '.join(globs)}")
    stock = kernel.Kernel(series).get()
    accel = accelerator.choose(stock)
    tally = Tally()
    with tempfile.TemporaryDirectory() as temporary:
        modules = {driver: install(stock, temporary, ko) if driver == "ours" else None for driver in drivers}
        for kind, names in chosen.items():
            tally += run_kind(kind, stock, accel, names, modules)
    return tally
