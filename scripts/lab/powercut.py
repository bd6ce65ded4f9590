# SPDX-License-Identifier: GPL-2.0
"""`make test-powercut`: what fsync has promised is there after a power cut.

A guest has fourteen disks: ext4 and XFS, on loop devices with direct and with
buffered I/O, on a file (on ext4) and on a partition, in pinned mode, and with LVM-like and LUKS devices on a loop
device that is unpinned and pinned all the time. While writers are at all of
them (scripts/guest/powercut.py), QEMU is killed at a random moment.

The disks have a volatile write cache, which really loses what is in it: QEMU
logs their writes and flushes (blklogwrites, the log format of dm-log-writes).
From a log, images of the disk are made as a power cut could have left it, at the
moment of the kill or at an earlier one: with all that was written before the
last flush that had completed, and a random part of what came after it. Blocks
are the least that is lost or not. The log has writes and flushes as they
complete: what completed while a flush was under way counts as flushed.

The guest also writes marks to each disk, which tell what has been promised. They
are in the log between the writes, so for any moment it is known what has to be
on the disk. Another guest then recovers and checks the images: each is one cut. Among the
promises is that a file on which something was made to last has another mtime
than somebody saw before that.
"""

import collections
import concurrent.futures
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import tempfile
import threading
import time

from . import accelerator, cache, dmesg, dropin, image, kernel, kernel_debug, module
from .guest import INSIDE, Guest
from .say import Failure, say
from .tally import Tally

PROGRAM = "powercut.py"
SETUPS = [
    {"on": on, "fs": fs, "mode": mode}
    for on, modes in (("file", ("direct", "buffered", "pinned", "linear", "crypt")), ("partition", ("direct", "buffered")))
    for fs in ("ext4", "xfs") for mode in modes
]  # fmt: skip
# Images that are made of a log, at most.
IMAGES = 3
# Images of which one kill is enough.
HANDFUL = len(SETUPS)
# Kills, each with the check that follows, that are made at the same time.
GUESTS = 2
SECTOR, BLOCK = 512, 4096
MIB = 1 << 20
DISK_MIB = 420
# As in the guest's partition table: where the marks are.
MARKS = range(MIB // SECTOR, 5 * MIB // SECTOR)
# A disk without FUA, of which the log would not tell, and without what the log knows only in part. What was
# merged may be in more pieces than the log can take.
VIRTIO = ("write-cache=on", "discard=off", "write-zeroes=off", "request-merging=off")
# From when all writers are at it until the kill.
WRITING_SECONDS = (2, 15)
SECONDS = 900
# Of so many promises one is chosen to cut after it.
PROMISES = 16
# How much of what was not flushed is on the disk.
KEPT = (0, 0.2, 0.5, 0.8, 1)
BREAKS = ("flush", "cache")
# What BREAK=flush takes out of the driver, and puts there.
FLUSHES = (
    ("loop_cmd.rs", "binding.backing.file().fsync()"),
    ("pinned/mod.rs", "self.bdev().flush()"),
    ("times.rs", "self.file().fsync()"),
)
NO_FLUSH = "Ok::<(), Error>(())"
FAILED_KEPT = 4
PREPARE_RECIPE = 3
LOG_FLUSH, LOG_DISCARD = 1, 4


class CutGuest(Guest):
    """A guest with further disks (arguments of QEMU); `lines` has what its program printed."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.disks, self.lines = [], []

    def qemu(self, command, tty):
        return super().qemu(command, tty) + self.disks

    def do(self, what, plan):
        """Run the program in the guest; returns what it printed."""
        with tempfile.TemporaryDirectory() as temporary:
            payload = os.path.join(temporary, "powercut")
            os.mkdir(payload)
            shutil.copy(os.path.join(INSIDE, PROGRAM), payload)
            with open(os.path.join(payload, "plan"), "w") as file:
                json.dump(plan, file)
            self.payload = [payload]
            self.run(["python3", PROGRAM, what, "plan"], SECONDS * self.kernel.patience, self.take)
        return self.lines

    def take(self, line):
        self.lines.append(line)


def namespace(number, path, options):
    """A disk of the lab's NVMe controller, after its own."""
    return [
        "-drive", f"if=none,id=cut{number},format=raw,file={path},cache=unsafe,{options}",
        "-device", f"nvme-ns,drive=cut{number},nsid={number + 5}",
    ]  # fmt: skip


class Base(cache.Entry):
    """The disks that all begin with: only the file systems are on them."""

    name = "powercut"
    gib = 1
    key = cache.recipe_key(PREPARE_RECIPE, image.GuestImage.key, SETUPS, DISK_MIB)

    def __init__(self, stock, accel):
        self.stock, self.accel = stock, accel

    def disk(self, number):
        return os.path.join(self.dir, f"disk{number}")

    def make(self):
        say("making file systems to cut the power of …")
        guest = CutGuest(self.stock, self.accel)
        plan = [setup | {"number": number} for number, setup in enumerate(SETUPS)]
        for disk in plan:
            path = self.disk(disk["number"])
            with open(path, "wb") as file:
                file.truncate(DISK_MIB * MIB)
            guest.disks += namespace(disk["number"], path, "discard=unmap,detect-zeroes=unmap")
        lines = guest.do("prepare", plan)
        if lines or guest.verdict:
            why = " / ".join([*lines[-3:], guest.verdict])
            raise Failure(f"cannot make the disks: {why}\n  the log is {guest.output}")
        return [f"disk{number}" for number in range(len(SETUPS))]


class Victim(CutGuest):
    """The guest whose power is cut, some time after all of its writers have begun."""

    def __init__(self, *arguments, seconds, **options):
        super().__init__(*arguments, **options)
        self.seconds = seconds
        self.begun, self.killed = threading.Event(), False

    def disk(self, number):
        return os.path.join(self.dir, f"disk{number}")

    def log(self, number):
        return os.path.join(self.dir, f"log{number}")

    def give(self, base):
        """A copy of each disk, with a log of its writes."""
        for number in range(len(SETUPS)):
            copy(base.disk(number), self.disk(number))
            open(self.log(number), "wb").close()
            nodes = {
                name: {"driver": "file", "filename": path, "cache": {"no-flush": True}}
                for name, path in (("file", self.disk(number)), ("log", self.log(number)))
            }
            device = f"virtio-blk-pci,drive=cut{number},serial=cut{number}," + ",".join(VIRTIO)
            node = {"driver": "blklogwrites", "node-name": f"cut{number}", **nodes}
            self.disks += ["-blockdev", json.dumps(node), "-device", device]

    def take(self, line):
        super().take(line)
        if line == "begin":
            self.begun.set()

    def wait(self, qemu, timeout, silence):
        threading.Thread(target=self.cut, args=(qemu,), daemon=True).start()
        super().wait(qemu, timeout, silence)

    def cut(self, qemu):
        if not self.begun.wait(SECONDS * self.kernel.patience):
            return
        time.sleep(self.seconds)
        # Stopped first, so that none of its threads is in the middle of a write to a log.
        qemu.send_signal(signal.SIGSTOP)
        while qemu.poll() is None and not all_stopped(qemu.pid):
            time.sleep(0.01)
        self.killed = qemu.poll() is None
        qemu.kill()


def all_stopped(pid):
    states = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/stat") as file:
                states.append(file.read().rpartition(")")[2].split()[0])
    except OSError:
        # One of them has ended meanwhile.
        return False
    return set(states) == {"T"}


def copy(source, target):
    subprocess.run(["cp", "--sparse=always", source, target], check=True)


Write = collections.namedtuple("Write", "sector data flush")


def read_log(path):
    """The writes to a disk, and its flushes, in the order in which they completed."""
    with open(path, "rb") as file:
        log = file.read()
    at, entries = SECTOR, []
    while at + SECTOR <= len(log):
        sector, count, flags, _ = struct.unpack_from("<QQQQ", log, at)
        end = at + SECTOR * (1 if flags & LOG_DISCARD else 1 + count)
        # The last of them may not have got there: then they were not completed either.
        if not count and not flags or end > len(log):
            break
        if not flags & LOG_DISCARD:
            entries.append(Write(sector, memoryview(log)[at + SECTOR : end], bool(flags & LOG_FLUSH)))
        at = end
    return entries


def marks_in(write):
    """What the guest said by a write."""
    if write.sector not in MARKS:
        return []
    sectors = (bytes(write.data[at : at + SECTOR]) for at in range(0, len(write.data), SECTOR))
    return [json.loads(sector.rstrip(b"\0")) for sector in sectors]


class History:
    """The log of one disk."""

    def __init__(self, path):
        self.entries = read_log(path)
        # By their places in the log.
        self.marks = [(place, mark) for place, entry in enumerate(self.entries) for mark in marks_in(entry)]
        self.begin = next((place for place, mark in self.marks if mark[0] == "begin"), None)

    def moments(self, rng, count):
        """Where to cut: at the end, then at random, every other time just after a promise.

        Of some promises it is the one before which most was not flushed: where there
        is least behind it, if anything is wrong.
        """
        promises = [place for place, _ in self.marks if place >= self.begin]
        for n in range(count):
            if n == 0:
                yield len(self.entries)
            elif n % 2:
                some = rng.sample(promises, min(PROMISES, len(promises)))
                yield 1 + max(some, key=lambda place: place - self.durable(place, None))
            else:
                yield rng.randint(self.begin + 1, len(self.entries))

    def durable(self, moment, broken):
        """How many of the entries before a moment were flushed."""
        if broken == "cache":
            return self.begin
        return next((place for place in range(moment - 1, -1, -1) if self.entries[place].flush), 0)

    def replay(self, base, path, moment, rng, broken):
        """Make the image of a disk whose power is cut at a moment. Returns how many blocks it lost, of how many."""
        copy(base, path)
        durable = self.durable(moment, broken)
        kept = rng.choice(KEPT)
        torn = rng.random() < 0.5
        lost = volatile = 0
        with open(path, "r+b") as disk:
            for place, entry in enumerate(self.entries[:moment]):
                if place < durable:
                    disk.seek(entry.sector * SECTOR)
                    disk.write(entry.data)
                    continue
                keep = rng.random() < kept
                for at, size in blocks(entry):
                    volatile += 1
                    if rng.random() < kept if torn else keep:
                        disk.seek(entry.sector * SECTOR + at)
                        disk.write(entry.data[at : at + size])
                    else:
                        lost += 1
        return lost, volatile


def blocks(entry):
    """Where the blocks of a write begin in its data, and how long they are."""
    at = 0
    while at < len(entry.data):
        size = min(BLOCK - (entry.sector * SECTOR + at) % BLOCK, len(entry.data) - at)
        yield at, size
        at += size


def named(setup):
    return f"{setup['fs']:4} on {setup['on']}, {setup['mode']}"


class Cut:
    """One kill, and the check of the images that were made after it."""

    def __init__(self, run, seed, count):
        self.run, self.seed, self.count = run, seed, count
        self.rng = random.Random(seed)
        self.tally = Tally()
        self.problems, self.plan, self.outcomes = [], [], {}
        self.killed = False
        self.promises = self.lost = self.volatile = 0

    def go(self):
        victim = self.kill()
        if not self.problems:
            self.make_images(victim)
        if not self.problems:
            self.check(victim)
        self.tally.skipped += self.count - self.tally.passed - self.tally.failed
        # What went wrong besides the images counts as one more that failed.
        self.tally.failed += bool(self.problems)
        for number in range(len(SETUPS)):
            os.unlink(victim.disk(number))
            if not self.tally.failed:
                os.unlink(victim.log(number))
        return self

    def guest(self, kind, **options):
        return kind(self.run.booted, self.run.accel, driver="ours", ko=self.run.ko, **options)

    def kill(self):
        seconds = self.rng.uniform(*WRITING_SECONDS) * self.run.booted.patience
        victim = self.guest(Victim, seconds=seconds)
        victim.give(self.run.base)
        plan = [setup | {"number": number, "seed": self.seed} for number, setup in enumerate(SETUPS)]
        lines = victim.do("write", plan)
        self.killed = victim.killed
        if not victim.killed:
            why = victim.verdict or "the writers ended"
            self.problems.append(f"{why}; {victim.output} and {victim.dmesg} say more")
        self.problems += [line for line in lines if line != "begin"]
        self.look_at(victim)
        return victim

    def look_at(self, guest):
        self.problems += dmesg.complaints(guest.dmesg)
        self.problems += [line for line in dmesg.lines(guest.dmesg) if dropin.DAMAGE.search(line)]

    def make_images(self, victim):
        for number, setup in enumerate(SETUPS):
            history = History(victim.log(number))
            if history.begin is None:
                self.problems.append(f"{named(setup)}: the log has no beginning")
                return
            # So many of all of them, and one more of the first ones.
            count = self.count // len(SETUPS) + (number < self.count % len(SETUPS))
            for n, moment in enumerate(history.moments(self.rng, count)):
                path = os.path.join(victim.dir, f"image{number}-{n}")
                lost, volatile = history.replay(self.run.base.disk(number), path, moment, self.rng, self.run.broken)
                self.lost += lost
                self.volatile += volatile
                marks = [mark for place, mark in history.marks if place < moment and mark[0] != "begin"]
                self.plan.append(setup | {"number": len(self.plan), "path": path, "marks": marks, "moment": moment})

    def check(self, victim):
        guest = self.guest(CutGuest)
        for disk in self.plan:
            guest.disks += namespace(disk["number"], disk["path"], "snapshot=on")
        for line in guest.do("check", self.plan):
            self.take(line)
        if guest.verdict:
            self.problems.append(f"{guest.verdict}; {guest.output} and {guest.dmesg} say more")
        if not self.tally.failed:
            self.look_at(guest)
        for disk in self.plan:
            if self.outcomes.get(disk["number"]) != "FAIL" or self.tally.failed > FAILED_KEPT:
                os.unlink(disk["path"])

    def take(self, line):
        what, number, outcome, words = (line.split(maxsplit=3) + [""] * 4)[:4]
        if what != "image" or outcome not in ("ok", "FAIL"):
            self.problems.append(line)
            return
        disk = self.plan[int(number)]
        self.outcomes[disk["number"]] = outcome
        if outcome == "ok":
            self.tally.passed += 1
            self.promises += int(words)
            return
        self.tally.failed += 1
        print(f"seed {self.seed}, {named(disk)}, cut at write {disk['moment']}: {words}", flush=True)
        if self.tally.failed <= FAILED_KEPT:
            print(f"    the image is {disk['path']}", flush=True)


def broken_module(stock):
    """The driver, with a flush that does nothing."""
    where = os.path.join(module.place_of(stock), "broken")
    ko = os.path.join(where, "loop.ko")
    with cache.locked(where + ".lock", "building the broken module"):
        shutil.rmtree(where, ignore_errors=True)
        module.copy_sources(where)
        for name, flush in FLUSHES:
            path = os.path.join(where, name)
            with open(path) as file:
                text = file.read()
            if text.count(flush) != 1:
                raise Failure(f"BREAK=flush does not know how to break {path}: it wants one {flush} there")
            with open(path, "w") as file:
                file.write(text.replace(flush, NO_FLUSH))
        module.kbuild(stock, where, copied=True)
    return ko


class Run:
    """What all cuts have in common."""

    def __init__(self, series, broken, ko, debug):
        stock = kernel.Kernel(series).get()
        self.booted = kernel_debug.DebugKernel(series).get() if debug else stock
        self.broken = broken
        image.GuestImage().get()
        self.ko = ko or (broken_module(self.booted) if broken == "flush" else module.build(self.booted))
        self.accel = accelerator.choose(stock)
        self.base = Base(stock, self.accel).get()


def run(series, cuts, seed, broken=None, ko=None, debug=False):
    """Cut the power so that there are so many images, and check them; returns the tally."""
    if cuts < 1:
        raise Failure(f"CUTS={cuts}? At least one")
    run = Run(series, broken, ko, debug)
    each = len(SETUPS) * IMAGES
    counts = [min(each, cuts - done) for done in range(0, cuts, each)]
    start = time.monotonic()
    tally, done = Tally(), []
    with concurrent.futures.ThreadPoolExecutor(GUESTS) as pool:
        jobs = [pool.submit(Cut(run, seed + n, count).go) for n, count in enumerate(counts)]
        for job in concurrent.futures.as_completed(jobs):
            cut = job.result()
            done.append(cut)
            tally += cut.tally
            say(f"seed {cut.seed}: {cut.tally.passed} of {cut.count} images are good")
            for problem in cut.problems:
                print(f"seed {cut.seed}: {problem}", flush=True)
    what = f"{run.booted.release}, {broken} broken" if broken else run.booted.release
    kills, lost, volatile, promises = (
        sum(getattr(cut, name) for cut in done) for name in ("killed", "lost", "volatile", "promises")
    )
    images, checked = sum(len(cut.plan) for cut in done), sum(len(cut.outcomes) for cut in done)
    print(
        f"{what}: {kills} kills (seeds {seed} to {seed + len(done) - 1}), from these {images} images of disks, "
        f"{checked} of them checked; in the good ones {promises} promises kept; "
        f"{lost} blocks lost of {volatile} not flushed; {time.monotonic() - start:.0f} s"
    )
    return tally
