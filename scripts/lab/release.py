# SPDX-License-Identifier: GPL-2.0
"""`make release-check`: all that a release has to pass, in pieces, since it takes a day.

A piece is a make command of a few minutes. doc/results/release.tsv has a line for each run of
one: with which driver, at which commit, and what came of it. A session runs pieces that the present
driver has no result of, until its time is over. The table in doc/record.md is made from the file.

Only results of the present driver count. What tells drivers apart is a hash of their code, without
comments: of the sources and not of the built module, which has line numbers in it (so a comment
changes it), needs a build for each kernel, and keeps messages and tables out of its text section.
"""

import collections
import contextlib
import csv
import fnmatch
import os
import re
import shlex
import signal
import subprocess
import threading
import time

import audit
from bench.cases import CASES, WALL
from bench.run import git

from . import cache, kernel, module
from .say import Failure, say

RESULTS = os.path.join(module.REPO, "doc/results/release.tsv")
RECORD = os.path.join(module.REPO, "doc/record.md")
LOCK = os.path.join(module.REPO, "build/release.lock")
BEGIN, END = "<!-- made by make release-check -->\n", "<!-- end of what it makes -->\n"
COLUMNS = ("piece", "driver", "commit", "kernel", "date", "outcome", "seconds", "counted")
# In the toolbox already, and always the whole driver.
MAKE = ("make", "lab=python3 -m lab", "LOOP_PINNED=y")
COUNTED = re.compile(r"^\d+ passed, \d+ failed(, \d+ skipped)?$|\d+ measurements(?=; they are in )")
# After it was asked to stop.
GRACE_SECONDS = 60

FIFTHS = [f"TESTS='test_*[{digits}]'" for digits in ("05", "16", "27", "38", "49")]
TWENTIETHS = [f"TESTS='test_{letters}*{digit}'" for digit in range(10) for letters in ("[a-l]", "[m-z]")]
# Each case is in one of them.
BENCH = (
    "device-*", "sector-device-*", "sector-ext4-*", "ext4-* xfs-* btrfs-*", "pin*", "buffered-* livecd sparse-* attach-*",
    "stacked-*", "phase-*", "cgroup-*", "fsync-*", "dsync-* fdatasync-* append-* one-*",
    "wall-device-* wall-pinned-*", "wall-stacked-[a-l]*", "wall-stacked-[m-z]*",
    "wall-fs-on-fs wall-buffered-* wall-livecd wall-cold",
    "wall-attach-* wall-memory wall-sync-*", "wall-cgroup-[cd]*", "wall-cgroup-[f-l]*", "wall-cgroup-[r-w]*",
    "wall-fsync-buffered*", "wall-fsync-direct*", "wall-dsync-* wall-fdatasync-* wall-append-*", "wall-one-*",
    "wall-program-sqlite-*", "wall-program-[dg]*", "wall-program-[mp]*", "wall-program-[rt]*",
    "long-*-write-4k", "long-*-randwrite-4k", "long-*-write-128k",
)  # fmt: skip

# What belongs together, the make target of the pieces, what tells them apart, and how many minutes one takes until
# that is known.
Group = collections.namedtuple("Group", "title series target slices minutes")
Piece = collections.namedtuple("Piece", "command group minutes")
GROUPS = [
    Group(title, series, f"{target} KERNEL={series}", slices, minutes)
    for series in kernel.SERIES
    for title, target, slices, minutes in (
        ("`make check`", "check", [""], 5),
        ("kselftests, ours", "test DRIVERS=ours", FIFTHS, 8),
        ("kselftests, C", "test DRIVERS=c", FIFTHS, 8),
        ("random sequences, 10,000", "test-differential", [f"SEEDS={n}-{n + 999}" for n in range(1, 10001, 1000)], 8),
        ("drop-in", "test-dropin", [""], 8),
        ("kselftests, debug kernel", "test-debug", TWENTIETHS, 15),
        ("storms, 1,000,000 calls", "test-storm", [f"CALLS=100000 SEED={n}" for n in range(1, 41, 4)], 3),
        ("the same, 100,000, debug kernel", "test-storm DEBUG=1", [f"CALLS=25000 SEED={n}" for n in range(1, 5)], 12),
        ("power cuts, 400 images", "test-powercut", [f"CUTS=50 SEED={n}" for n in range(1000, 1800, 100)], 5),
        ("the same, 25, debug kernel", "test-powercut DEBUG=1", ["CUTS=25 SEED=1"], 15),
        ("packages", "test-packages", [""], 8),
    )
]
# The tables in doc/results/ are of that kernel.
GROUPS.append(Group("bench, both instruments", "7.2", "bench KERNEL=7.2", [f"CASE='{cases}'" for cases in BENCH], 0))


def bench_minutes(globs):
    """About how long cases take."""
    cases = [case for case in CASES if any(fnmatch.fnmatch(case.name, glob) for glob in globs.split())]
    return 3 + sum(10 if case.name.startswith("long-") else 3 if case.instrument == WALL else 1 for case in cases)


def pieces():
    """All of them, in the order in which they are run."""
    for group in GROUPS:
        for number, part in enumerate(group.slices, 1):
            command, minutes = f"{group.target} {part}".strip(), group.minutes
            if part.startswith("CASE="):
                # `make bench` would write all to the same files.
                command += f" OUTPUT=build/release/bench-{number:02}"
                minutes = bench_minutes(shlex.split(part)[0].removeprefix("CASE="))
            yield Piece(command, group, minutes)


def code(name, text):
    """A source without comments and blank lines."""
    if name.endswith(module.SOURCES):
        text = audit.LITERAL_OR_COMMENT.sub(lambda found: "" if found["comment"] else found[0], text)
    return [line.rstrip() for line in text.split("\n") if line.strip()]


def driver():
    """A hash of what the module is made of, but for comments and the number of the version."""
    sources = []
    for name in sorted(name for name in module.sources() if name != "VERSION"):
        with open(os.path.join(module.REPO, name)) as file:
            sources.append([name, code(name, file.read())])
    return cache.recipe_key(*sources)


class Results:
    """The runs of pieces, oldest first, and those that count."""

    def __init__(self):
        self.driver = driver()
        self.rows = []
        if os.path.exists(RESULTS):
            with open(RESULTS, newline="") as file:
                self.rows = list(csv.DictReader(file, delimiter="\t"))

    def runs(self, piece):
        """Those of a piece with the present driver that came to an end."""
        return [
            row for row in self.rows
            if (row["piece"], row["driver"]) == (piece.command, self.driver) and row["outcome"] != "stopped"
        ]  # fmt: skip

    def outcome(self, piece):
        """passed, failed, or None without a run; the last run counts."""
        return self.runs(piece)[-1]["outcome"] if self.runs(piece) else None

    def seconds(self, piece):
        """How long a piece may take: what it took last time, with any driver."""
        last = next((row for row in reversed(self.rows) if row["piece"] == piece.command), None)
        if not last:
            return piece.minutes * 60
        stopped = last["outcome"] == "stopped"
        return max(2 * int(last["seconds"]), piece.minutes * 60) if stopped else int(last["seconds"])

    def add(self, row):
        """Write a run down; of other drivers the last run of each piece stays."""
        self.rows.append(row)
        last = {row["piece"]: row for row in self.rows}
        known = {piece.command for piece in pieces()}
        self.rows = [
            row for row in self.rows
            if row["driver"] == self.driver or row is last[row["piece"]] and row["piece"] in known
        ]  # fmt: skip
        with open(RESULTS + ".new", "w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, delimiter="\t", lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)
        os.rename(RESULTS + ".new", RESULTS)

    def table(self):
        """What counts, for doc/record.md."""
        yield f"Driver {self.driver} (a hash of its code). Missing, or failed: {len(list(self.missing()))} pieces.\n\n"
        yield "| | kernel | pieces that passed | in these | at | again |\n|---|---|---|---|---|---|\n"
        for group in GROUPS:
            mine = [piece for piece in pieces() if piece.group == group]
            last = [self.runs(piece)[-1] for piece in mine if self.runs(piece)]
            if not last:
                continue
            passed = [row for row in last if row["outcome"] == "passed"]
            before = sum(row["outcome"] == "failed" for piece in mine for row in self.runs(piece)[:-1])
            notes = [f"FAILED: `make {row['piece']}`" for row in last if row["outcome"] == "failed"]
            notes += [f"{before} failed in an earlier run"] if before else []
            cells = (
                group.title,
                " ".join(dict.fromkeys(row["kernel"] for row in last)),
                " ".join([f"{len(passed)} of {len(mine)}", *(f"({note})" for note in notes)]),
                counted(passed),
                " ".join(dict.fromkeys(row["commit"] for row in last)),
                f"`make {group.target}`" + (" …" if group.slices != [""] else ""),
            )
            yield f"| {' | '.join(cells)} |\n"

    def missing(self):
        return (piece for piece in pieces() if self.outcome(piece) != "passed")


def counted(rows):
    """The sum of what pieces have counted."""
    counts = collections.Counter()
    for row in rows:
        for number, word in re.findall(r"(\d+) (\w+)", row["counted"]):
            counts[word] += int(number)
    return ", ".join(f"{number:,} {word}" for word, number in counts.items() if number or word == "failed")


def write_record(results):
    with open(RECORD) as file:
        before, found, rest = file.read().partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        raise Failure(f"{RECORD} lacks the lines {BEGIN.strip()} and {END.strip()}")
    with open(RECORD, "w") as file:
        file.writelines([before, BEGIN, *results.table(), END, after])


def log_of(piece):
    return cache.log("release-" + re.sub(r"[^\w.=-]+", "-", piece.command))


def run_piece(piece, seconds):
    """Run a piece for so many seconds at most. Returns its outcome and what it has counted."""
    stopped = threading.Event()
    count = ""
    log = log_of(piece)
    os.makedirs(os.path.dirname(log), exist_ok=True)
    with open(log, "w") as file:
        # In a group of processes of its own, to be stopped as a whole.
        make = subprocess.Popen(
            [*MAKE, *shlex.split(piece.command)], cwd=module.REPO, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
        )  # fmt: skip

        def stop(how):
            stopped.set()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(make.pid, how)

        timers = [
            threading.Timer(seconds, stop, [signal.SIGTERM]),
            threading.Timer(seconds + GRACE_SECONDS, stop, [signal.SIGKILL]),
        ]
        for timer in timers:
            timer.start()
        try:
            for line in make.stdout:
                print(line, end="", flush=True)
                file.write(line)
                if found := COUNTED.search(line.rstrip()):
                    count = found[0]
            status = make.wait()
        finally:
            for timer in timers:
                timer.cancel()
            if make.poll() is None:
                stop(signal.SIGTERM)
    return "stopped" if stopped.is_set() else "failed" if status else "passed", count


def release_of(series):
    """The kernel that a piece ran on, if it did."""
    stock = kernel.Kernel(series)
    return stock.release if stock.intact() else ""


def session(results, wanted, minutes):
    """Run pieces as long as they fit. Returns whether none failed."""
    end = time.monotonic() + minutes * 60
    good = True
    for piece in wanted:
        left = end - time.monotonic()
        if results.seconds(piece) > left:
            say(f"does not fit any more ({results.seconds(piece) / 60:.0f} minutes): make {piece.command}")
            continue
        begun, commit = time.monotonic(), git("rev-parse", "--short", "HEAD")
        commit += "+" if git("status", "--porcelain", "--", ".", ":!doc") else ""
        say(f"make {piece.command}")
        outcome, count = run_piece(piece, left)
        if driver() != results.driver:
            raise Failure("the driver was changed meanwhile: this piece counts for none")
        seconds = f"{time.monotonic() - begun:.0f}"
        date = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
        row = (piece.command, results.driver, commit, release_of(piece.group.series), date, outcome, seconds, count)
        results.add(dict(zip(COLUMNS, row)))
        write_record(results)
        good &= outcome != "failed"
        say(f"{outcome} after {seconds} s: make {piece.command}; the log is {log_of(piece)}")
    return good


def report(results, verbose):
    """Say what is missing; returns whether nothing is."""
    missing = list(results.missing())
    for piece in missing if verbose else []:
        print(f"{results.outcome(piece) or 'missing':8} {results.seconds(piece) / 60:4.0f} min  make {piece.command}")
    minutes = sum(map(results.seconds, missing)) / 60
    passed = len(list(pieces())) - len(missing)
    print(f"driver {results.driver}: {passed} pieces passed, {len(missing)} missing or failed, about {minutes:.0f} minutes")
    return not missing


def run(minutes, glob, status):
    """Run what is missing, or with a glob those pieces that have not passed; returns whether all is well."""
    with cache.locked(LOCK, "make release-check"):
        results = Results()
        if status:
            return report(results, True)
        if glob:
            wanted = [piece for piece in results.missing() if fnmatch.fnmatch(piece.command, glob)]
        else:
            wanted = [piece for piece in pieces() if not results.outcome(piece)]
        good = session(results, wanted, minutes)
        report(results, False)
        return good
