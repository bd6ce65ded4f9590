# SPDX-License-Identifier: GPL-2.0
"""`make kernels`: build, boot and test the driver on kernels, one row each in doc/results/kernels.md.

A row is written when its kernel was tried, and replaces the one from before;
the others stay as they are, with the commit that they are of.
"""

import collections
import fnmatch
import os
import re
import subprocess
import time

from . import accelerator, cache, dmesg, image, kernel, kselftest, module
from .guest import Guest
from .say import Failure, say
from .tally import Tally

RESULTS = os.path.join(module.REPO, "doc/results/kernels.md")
TESTS = ("test_attach_0*", "test_dio_0*", "test_io_0*", "test_pin_0*")
BOOT_SECONDS = 60
COLUMNS = ("`KERNEL=`", "release", "architecture", "compilers", "built", "booted", "kselftests", "which", "driver of", "when")
HEAD = """# Kernels

Made by `make kernels`, which builds the driver for a kernel, boots it with the driver loaded, and
runs some of the kselftests (`which`); a column that was not reached has a dash. Each row is of the
commit that it names, `+` if there were changes besides. What failed is said below the table.

"""
RUST_ERROR = re.compile(r"^error(?:\[\w+\])?: (.*)\n *--> ([^\s:]+):(\d+)", re.MULTILINE)
C_ERROR = re.compile(r"^(/\S+?|\S+\.[ch]):(\d+):(?:\d+:)? (?:fatal )?error: (.*)$", re.MULTILINE)
LINK_ERROR = re.compile(r'^ERROR: modpost: (.*)$', re.MULTILINE)


def compile_errors(text, where):
    """What compilers and modpost refuse in a log, by file: (line, message) each."""
    found = collections.defaultdict(list)
    for message, file, line in RUST_ERROR.findall(text):
        found[os.path.relpath(file, where) if file.startswith("/") else file].append((int(line), message))
    for file, line, message in C_ERROR.findall(text):
        found[os.path.relpath(file, where) if file.startswith("/") else file].append((int(line), message))
    for message in LINK_ERROR.findall(text):
        found["loop.ko"].append((0, message))
    return found


def git(*words):
    command = ["git", "-c", "safe.directory=*", "-C", module.REPO, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit():
    return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "--", ".", ":!doc") else "")


class Try:
    """What came of one kernel: the cells of its row, and what failed, a line each."""

    def __init__(self, name, globs, build_only):
        self.name, self.failures = name, []
        self.cells = dict.fromkeys(COLUMNS, "-")
        self.cells |= {COLUMNS[0]: f"`{name}`", "driver of": commit(), "when": time.strftime("%Y-%m-%d", time.gmtime())}
        steps = (self.prepare, self.build) if build_only else (self.prepare, self.build, self.boot, lambda: self.test(globs))
        for step in steps:
            try:
                step()
            except Failure as failure:
                self.failures += str(failure).splitlines()[:1]
                say(failure)
            if self.failures:
                break

    def prepare(self):
        self.stock = stock = kernel.Kernel(self.name)
        self.cells["architecture"] = stock.arch
        stock.get()
        rustc = re.match(r"rustc (\S+)", stock.rustc)[1]
        gcc = kernel.config_value(stock.config, "CONFIG_CC_VERSION_TEXT").split()[-1]
        self.cells |= {"release": stock.release, "compilers": f"rustc {rustc}, gcc {gcc}"}

    def build(self):
        self.cells["built"] = "**no**"
        try:
            self.ko = module.build(self.stock)
        except Failure:
            with open(cache.log(f"module-{self.stock.series}")) as log:
                errors = compile_errors(log.read(), os.path.join(module.place_of(self.stock), "module"))
            if not errors:
                raise
            for file, messages in sorted(errors.items()):
                first = sorted(messages)[0]
                self.failures.append(f"{file}: {len(messages)} errors, the first in line {first[0]}: {first[1]}")
                for line, message in sorted(messages):
                    print(f"{file}:{line}: {message}", flush=True)
            return
        self.cells["built"] = "yes"

    def boot(self):
        self.cells["booted"] = "**no**"
        image.GuestImage(self.stock.arch).get()
        self.accel = accelerator.choose(self.stock)
        guest = Guest(self.stock, self.accel, driver="ours", ko=self.ko)
        say(f"booting {self.stock.release} ({self.accel.name})")
        status = guest.run(["cat", "/sys/module/loop/version"], BOOT_SECONDS * self.stock.patience)
        if status:
            self.failures.append(guest.verdict or f"the module has no version ({status})")
        self.failures += dmesg.complaints(guest.dmesg)
        if not self.failures:
            self.cells["booted"] = "yes"

    def test(self, globs):
        self.cells["kselftests"], self.cells["which"] = "**failed**", f"`{' '.join(globs)}`"
        runs, names, defects = kselftest.run_tests(self.name, globs, ["ours"])
        tally = kselftest.report(runs, names, defects)
        self.failures += [f"{name} failed" for name in runs[0].failed(names)] + runs[0].problems
        skipped = f", {tally.skipped} skipped" if tally.skipped else ""
        cell = f"{tally.passed} of {tally.passed + tally.failed}{skipped}"
        self.cells["kselftests"] = f"**{cell}**" if tally.failed else cell

    def row(self):
        return "| " + " | ".join(self.cells[column].replace("|", "\\|") for column in COLUMNS) + " |"


def read():
    """The rows that there are, and what failed, by kernel."""
    rows, failures = {}, collections.defaultdict(list)
    if os.path.exists(RESULTS):
        with open(RESULTS) as file:
            for line in file.read().splitlines():
                if found := re.match(r"\| `(\d[\w.-]*)` \|", line):
                    rows[found[1]] = line
                elif found := re.match(r"- `(\d[\w.-]*)`: ", line):
                    failures[found[1]].append(line)
    return rows, failures


def write(rows, failures):
    order = sorted(rows, key=lambda name: (name not in kernel.TRIED, kernel.TRIED.index(name) if name in kernel.TRIED else name))
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS), *(rows[name] for name in order)]
    if any(failures.get(name) for name in order):
        lines += ["", "## What failed", "", *(line for name in order for line in failures.get(name, []))]
    with open(RESULTS + ".new", "w") as file:
        file.write(HEAD + "\n".join(lines) + "\n")
    os.rename(RESULTS + ".new", RESULTS)


def choose(globs):
    """The kernels of `TRIED` that match some globs, in the order of these; another one has to be named."""
    chosen = []
    for glob in globs:
        chosen += [kernel.Kernel(glob).series] if kernel.NAME.fullmatch(glob) else fnmatch.filter(kernel.TRIED, glob)
    if not chosen:
        raise Failure(f"KERNELS={' '.join(globs)} matches none of {' '.join(kernel.TRIED)}")
    return list(dict.fromkeys(chosen))


def record(tried):
    """Put the row into the table."""
    with cache.locked(os.path.join(module.REPO, "build/kernels.lock"), "the table"):
        rows, failures = read()
        rows[tried.name], failures[tried.name] = tried.row(), [f"- `{tried.name}`: {line}" for line in tried.failures]
        write(rows, failures)


def run(globs, tests, build_only):
    """Try the kernels that match, perhaps without booting them and without a row; returns the tally.

    A kernel that the archive does not offer any more, or not yet with all that belongs to it, is skipped where it
    would only be built: CI must not fail by that.
    """
    tally = Tally()
    for name in choose(globs):
        tried = Try(name, tests if tests != ["*"] else list(TESTS), build_only)
        if not build_only:
            record(tried)
        skipped = build_only and tried.failures and tried.cells["built"] == "-"
        word = "skip" if skipped else "FAIL" if tried.failures else "ok  "
        print(f"{word}  {tried.row()}", flush=True)
        for line in tried.failures:
            print(f"      {line}", flush=True)
        tally += Tally(word == "ok  ", word == "FAIL", word == "skip")
    return tally
