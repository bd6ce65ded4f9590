# SPDX-License-Identifier: GPL-2.0
"""`make test-powercut`: what fsync has promised is there after a power cut.

A guest has some of the disks of SETUPS: ext4 and XFS, on loop devices with direct and with
buffered I/O, on a file (on ext4 or XFS) and on a partition, in pinned mode, with LVM-like and LUKS devices on a loop
device that is unpinned and pinned all the time, and sectors on one whose block size is smaller than that of the disk.
While writers are at all of them (scripts/guest/powercut.py), QEMU is killed at a random moment.

Most of the disks have a volatile write cache, which really loses what is in it: QEMU
logs their writes and flushes (blklogwrites, the log format of dm-log-writes).
From a log, images of the disk are made as a power cut could have left it, at the
moment of the kill or at an earlier one: with all that was written before the
last flush that had completed, and a random part of what came after it. Blocks
are the least that is lost or not. The log has writes and flushes as they
complete: what completed while a flush was under way counts as flushed.

The others have none. What has completed there is durable, and lost is what is still in the caches above the disk:
data that a missing flush has left in the page cache, or what the file system has not committed.

The guest also writes marks to each disk, which tell what has been promised. They
are in the log between the writes, so for any moment it is known what has to be
on the disk. Another guest then recovers and checks the images: each is one cut. Among the
promises is that a file on which something was made to last has another mtime
than somebody saw before that.
"""

import collections
import concurrent.futures
import fnmatch
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
# What is on what, how, and the disk below: whether it has a write cache, and its logical block size.
SETUPS = [
    {"on": on, "fs": fs, "mode": mode, "cache": cache, "block": 4096 if mode == "sectors" else 512}
    for on, fses, modes, cache in (
        ("ext4", ("ext4", "xfs"), ("direct", "buffered", "pinned", "linear", "crypt"), True),
        ("partition", ("ext4", "xfs"), ("direct", "buffered"), True),
        ("xfs", ("ext4",), ("linear", "crypt"), True),
        ("ext4", ("ext4",), ("linear", "crypt"), False),
        ("xfs", ("xfs",), ("linear", "crypt"), False),
        ("ext4", ("raw",), ("sectors",), True),
        ("partition", ("raw",), ("sectors",), True),
        ("xfs", ("raw",), ("sectors",), False),
    )
    for fs in fses for mode in modes
]  # fmt: skip
# Disks of a guest, at most.
DISKS = 12
# Images that are made of a log, at most.
IMAGES = 3
# One image of each.
HANDFUL = len(SETUPS)
# Kills, each with the check that follows, that are made at the same time.
GUESTS = 2
SECTOR, BLOCK = 512, 4096
MIB = 1 << 20
DISK_MIB = 512
# As in the guest's partition table: where the marks are.
MARKS = range(MIB // SECTOR, 5 * MIB // SECTOR)
# A disk without FUA, of which the log would not tell, and without what the log knows only in part. What was
# merged may be in more pieces than the log can take.
VIRTIO = ("discard=off", "write-zeroes=off", "request-merging=off")
# From when all writers are at it until the kill.
WRITING_SECONDS = (2, 15)
SECONDS = 900
# Of so many promises one is chosen to cut after it.
PROMISES = 16
# How much of what was not flushed is on the disk.
KEPT = (0, 0.2, 0.5, 0.8, 1)
NO_FLUSH = "Ok::<(), Error>(())"
# What is to be noticed: a disk that loses what was flushed, and changes of the driver (file, text, what takes its place).
BREAKS = {
    "cache": (),
    # Nothing is flushed.
    "flush": (
        ("loop_cmd.rs", "binding.backing.file().fsync()", NO_FLUSH),
        ("pinned/mod.rs", "self.bdev().flush()", NO_FLUSH),
        ("times.rs", "self.file().fsync()", NO_FLUSH),
    ),
    # Pinned mode takes over whether the disk has a write cache, and its end takes that back.
    "promise": (
        ("pinned/mod.rs", ".set_fua(bdev.has_fua()", ".set_write_cache(bdev.has_write_cache()).set_fua(bdev.has_fua()"),
        ("backing.rs", ".set_fua(false)", ".set_write_cache(self.file.has_fsync()).set_fua(false)"),
    ),
}
FAILED_KEPT = 4
PREPARE_RECIPE = 4
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


def blocks_of(setup):
    return f"logical_block_size={setup['block']},physical_block_size={setup['block']}"


def namespace(disk, path, options):
    """A disk of the lab's NVMe controller, after its own."""
    number = disk["number"]
    return [
        "-drive", f"if=none,id=cut{number},format=raw,file={path},cache=unsafe,{options}",
        "-device", f"nvme-ns,drive=cut{number},nsid={number + 5},{blocks_of(disk)}",
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
            guest.disks += namespace(disk, path, "discard=unmap,detect-zeroes=unmap")
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

    def give(self, base, numbers):
        """A copy of each of these disks, with a log of its writes."""
        for number in numbers:
            copy(base.disk(number), self.disk(number))
            open(self.log(number), "wb").close()
            nodes = {
                name: {"driver": "file", "filename": path, "cache": {"no-flush": True}}
                for name, path in (("file", self.disk(number)), ("log", self.log(number)))
            }
            own = (f"write-cache={'on' if SETUPS[number]['cache'] else 'off'}", blocks_of(SETUPS[number]))
            device = ",".join((f"virtio-blk-pci,drive=cut{number},serial=cut{number}", *VIRTIO, *own))
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
    return [json.loads(mark) for sector in sectors if (mark := sector.rstrip(b"\0"))]


class History:
    """The log of one disk, with a write cache or without."""

    def __init__(self, path, cache):
        self.entries, self.cache = read_log(path), cache
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
        """How many of the entries before a moment were flushed, or are durable without that."""
        if broken == "cache":
            return self.begin
        if not self.cache:
            return moment
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
    return f"{setup['fs']} on {setup['on']}, {setup['mode']}{'' if setup['cache'] else ', no-cache'}"


def shares(numbers, images):
    """So many images of these disks, as even as can be: for each kill how many of each of its disks."""
    left = {number: images // len(numbers) + (place < images % len(numbers)) for place, number in enumerate(numbers)}
    while any(left.values()):
        for first in range(0, len(numbers), DISKS):
            counts = {number: min(left[number], IMAGES) for number in numbers[first : first + DISKS] if left[number]}
            if counts:
                yield counts
            for number, count in counts.items():
                left[number] -= count


class Cut:
    """One kill, and the check of the images that were made after it."""

    def __init__(self, run, seed, counts):
        self.run, self.seed, self.counts = run, seed, counts
        self.count = sum(counts.values())
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
        for number in self.counts:
            os.unlink(victim.disk(number))
            if not self.tally.failed:
                os.unlink(victim.log(number))
        return self

    def guest(self, kind, **options):
        return kind(self.run.booted, self.run.accel, driver="ours", ko=self.run.ko, **options)

    def kill(self):
        seconds = self.rng.uniform(*WRITING_SECONDS) * self.run.booted.patience
        victim = self.guest(Victim, seconds=seconds)
        victim.give(self.run.base, self.counts)
        plan = [SETUPS[number] | {"number": number, "seed": self.seed} for number in self.counts]
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
        for number, count in self.counts.items():
            setup = SETUPS[number]
            history = History(victim.log(number), setup["cache"])
            if history.begin is None:
                self.problems.append(f"{named(setup)}: the log has no beginning")
                return
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
            guest.disks += namespace(disk, disk["path"], "snapshot=on")
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


class Run:
    """What all cuts have in common."""

    def __init__(self, series, broken, ko, debug):
        stock = kernel.Kernel(series).get()
        self.booted = kernel_debug.DebugKernel(series).get() if debug else stock
        self.broken = broken
        image.GuestImage().get()
        if BREAKS.get(broken) and not ko:
            ko = module.build_changed(self.booted, f"broken-{broken}", BREAKS[broken])
        self.ko = ko or module.build(self.booted)
        self.accel = accelerator.choose(stock)
        self.base = Base(stock, self.accel).get()


def run(series, cuts, seed, broken=None, ko=None, debug=False, setups=("*",)):
    """Cut the power so that there are so many images, of the setups that a glob names; returns the tally."""
    if cuts < 1:
        raise Failure(f"CUTS={cuts}? At least one")
    numbers = [
        number for number, setup in enumerate(SETUPS) if any(fnmatch.fnmatch(named(setup), glob) for glob in setups)
    ]
    if not numbers:
        raise Failure("SETUPS names none of these:\n  " + "\n  ".join(map(named, SETUPS)))
    run = Run(series, broken, ko, debug)
    start = time.monotonic()
    tally, done = Tally(), []
    with concurrent.futures.ThreadPoolExecutor(GUESTS) as pool:
        jobs = [pool.submit(Cut(run, seed + n, counts).go) for n, counts in enumerate(shares(numbers, cuts))]
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
