#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What `make test-powercut` does in its guests; see scripts/lab/powercut.py.

    prepare PLAN    make the file systems, on disks that are empty
    write PLAN      write to all of them until the power is cut
    check PLAN      on what was left: recover, compare with what was promised, fsck

PLAN is a file with a list of disks, each with what is on it: a file system on a
loop device, direct, buffered or pinned, on a file (on ext4 or XFS) or on a partition. Between them
is a device of device mapper with `linear` or `crypt` (LUKS): made before the loop device is pinned
or after. Then that is unpinned and pinned again all the time, by way of `pinned` or of
direct I/O, and tables are loaded anew meanwhile. What
was pinned is checked by direct I/O, as the file that it is. With `sectors` there
is no file system on the loop device, but records of a sector each, on a disk of larger
blocks; what is in the backing file is checked. The first
partition of a disk is for marks. Each is a block which says, in JSON, what
fsync has just promised, or what is about to go. They are written around all
caches and without a flush, so where they are in the log of a disk's writes
tells what had been promised by then, and they make nothing last but themselves.
"""

import concurrent.futures
import fcntl
import glob
import json
import mmap
import os
import random
import struct
import subprocess
import sys
import threading
import time

MIB = 1 << 20
SECTOR = 512
BLOCK = 4096
TABLE = "label: dos\nstart=1MiB, size=4MiB\nstart=5MiB\n"
MARKS_BYTES = 4 * MIB
# The least that XFS takes, and some.
FILE_SYSTEM_MIB = 320
# LUKS keeps its header there.
LUKS_MIB = 16
LUKS_KEY = "/run/powercut/key"
SLOTS = 64
NAMES = 4
MOST_FILES = 24
AT_ONCE = 4
DETACH_SECONDS = 60
# Files are told apart by number: the slots, those that get replaced, new ones.
SLOTS_FILE, SCRIBBLE_FILE, SECTORS_FILE, NAMES_FILE, NEW_FILE = 1, 2, 3, 100, 1000
# The sectors of those that are raw, and who writes to each, so that a block has several: one of the writers, the
# one of which nothing is promised, or nobody. The first half is written at the beginning, the rest is a hole.
SECTORS, WRITERS = 256, 3
SCRIBBLER, NOBODY = WRITERS, WRITERS + 1
OWNERS = random.Random(SECTORS).choices(range(NOBODY + 1), k=SECTORS)
BLKZEROOUT = 0x127F
# What writes things back by itself is to be hurried.
WRITEBACK = {"dirty_writeback_centisecs": 50, "dirty_expire_centisecs": 100}


class Wrong(Exception):
    """What was found not to be as it has to be."""


def sh(*command, input=None):
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, input=input,
        stdin=subprocess.DEVNULL if input is None else None,
    )  # fmt: skip
    if done.returncode:
        said = " / ".join(done.stdout.splitlines()[-12:])
        raise Wrong(f"{' '.join(command)}: status {done.returncode}: {said}")
    return done.stdout.strip()


def read(path):
    with open(path) as file:
        return file.read().strip()


def node(number):
    """The disk with a number: the serial of a virtio disk, or else a namespace after the lab's own."""
    for path in glob.glob("/sys/block/vd*"):
        if read(f"{path}/serial") == f"cut{number}":
            return f"/dev/{os.path.basename(path)}"
    for path in glob.glob("/sys/block/nvme*n*"):
        if read(f"{path}/nsid") == str(number + 5):
            return f"/dev/{os.path.basename(path)}p"
    raise Wrong(f"there is no disk {number}")


def content(file, size, version, total=0, first=0):
    """What a file has in it: each sector, and each part of one, tells where and when it was written."""
    sectors = [
        struct.pack("<8sIIQQ", b"powercut", file, number, version, total) * (SECTOR // 32)
        for number in range(first, first + (size + SECTOR - 1) // SECTOR)
    ]
    return b"".join(sectors)[:size]


def version_of(sector, file, number):
    """Which version a sector is, of those that this one can be; 0 if it is empty."""
    if not any(sector):
        return 0
    magic, _, _, version, total = struct.unpack_from("<8sIIQQ", sector)
    if sector != content(file, SECTOR, version, total, number):
        raise Wrong(f"file {file}, sector {number}: {sector[:32].hex()} …, not what was ever written there")
    return version


def length_of(version):
    """How long a file that gets replaced is."""
    return 600 + version * 7919 % 50000


def fsync_directory(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(fd)
    os.close(fd)


class Disk:
    """One of the plan, with what is attached and mounted while it is in use."""

    def __init__(self, plan):
        self.plan = plan
        self.number, self.fs, self.below, self.mode = (plan[name] for name in ("number", "fs", "on", "mode"))
        self.on_file, self.is_raw = self.below != "partition", self.fs == "raw"
        self.is_stacked = self.mode in ("linear", "crypt")
        self.node = node(self.number)
        place = f"/run/powercut/{self.number}"
        self.outer, self.top = f"{place}/outer", f"{place}/top"
        for directory in (self.outer, self.top):
            os.makedirs(directory, exist_ok=True)
        self.backing = f"{self.outer}/image" if self.on_file else self.node + "2"

    def mkfs(self, fs, path):
        if fs == "ext4":
            sh("mkfs.ext4", "-q", "-F", "-b", str(BLOCK), path)
        elif fs == "xfs":
            sh("mkfs.xfs", "-q", "-f", path)

    def mount(self, fs, path, where, *options):
        # All images have come from the same few, with the same UUIDs.
        options = (*options, "nouuid") if fs == "xfs" else options
        sh("mount", "-t", fs, *(("-o", ",".join(options)) if options else ()), path, where)

    def prepare(self):
        sh("sfdisk", "--quiet", self.node.removesuffix("p"), input=TABLE)
        sh("udevadm", "settle")
        if self.on_file:
            self.mkfs(self.below, self.node + "2")
            self.mount(self.below, self.node + "2", self.outer)
            with open(self.backing, "wb") as file:
                file.truncate((FILE_SYSTEM_MIB + LUKS_MIB * (self.mode == "crypt")) * MIB)
        if self.mode != "crypt":
            self.mkfs(self.fs, self.backing)
        if self.mode == "pinned" or self.is_stacked:
            # It must have no holes, not even those that mkfs has made.
            sh("dd", f"if={self.backing}", f"of={self.backing}", "bs=1M", "conv=notrunc")
        if self.on_file:
            sh("umount", self.outer)

    def attach(self, writing):
        """Mount all of it, which recovers what has to be."""
        if writing:
            self.check_disk()
        if self.on_file:
            self.mount(self.below, self.node + "2", self.outer)
        self.mtime = self.backing_mtime()
        direct = self.mode != "buffered"
        self.loop = sh("losetup", "--find", "--show", f"--direct-io={'on' if direct else 'off'}",
                       "--sector-size", str(SECTOR), self.backing)  # fmt: skip
        self.attributes = f"/sys/block/{os.path.basename(self.loop)}/loop"
        if (dio := read(f"{self.attributes}/dio")) != str(int(direct)):
            raise Wrong(f"dio of {self.loop} is {dio}")
        self.device = self.loop
        if self.mode == "linear":
            self.stack(writing)
        if writing and (self.mode == "pinned" or self.is_stacked):
            self.pin("1")
        if self.mode == "crypt":
            self.stack(writing)
        if not self.is_raw:
            self.mount(self.fs, self.device, self.top, "discard")

    def check_disk(self):
        """It has what the plan says: otherwise this would show nothing."""
        queue = f"/sys/block/{os.path.basename(self.node)}/queue"
        found = read(f"{queue}/write_cache") == "write back", int(read(f"{queue}/logical_block_size"))
        if found != (self.plan["cache"], self.plan["block"]):
            raise Wrong(f"{self.node} has a write cache, and blocks of: {found}")

    def pin(self, value):
        with open(f"{self.attributes}/pinned", "w") as file:
            file.write(value)

    def direct(self, value):
        sh("losetup", f"--direct-io={value}", self.loop)

    def load(self):
        """Have the stacked device copy the limits anew, by its own table again. Its file system is not synced."""
        name = os.path.basename(self.device)
        sh("dmsetup", "load", name, "--table", sh("dmsetup", "table", "--showkeys", name))
        sh("dmsetup", "resume", "--nolockfs", name)

    def stack(self, writing):
        """Put a device of device mapper on the loop device. What is encrypted is made here, the first time."""
        name = f"cut{self.number}"
        if self.mode == "linear":
            sectors = FILE_SYSTEM_MIB * MIB // SECTOR
            sh("dmsetup", "create", name, "--table", f"0 {sectors} linear {self.loop} 0")
        else:
            with open(LUKS_KEY, "w") as file:
                file.write("key of a test")
            if writing:
                cheap = ("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000")
                sh("cryptsetup", "luksFormat", "-q", "--type", "luks2", *cheap, self.loop, LUKS_KEY)
            # The key is in the table, which can be loaded again.
            options = ("--allow-discards", "--disable-keyring")
            sh("cryptsetup", "open", *options, "--key-file", LUKS_KEY, self.loop, name)
        self.device = f"/dev/mapper/{name}"
        if writing and self.mode == "crypt":
            self.mkfs(self.fs, self.device)

    def backing_mtime(self):
        """In nanoseconds; 0 if that is a partition."""
        return os.stat(self.backing).st_mtime_ns if self.on_file else 0

    def fsck(self, path, fs):
        if fs == "xfs":
            sh("xfs_repair", "-n", path)
        elif fs == "ext4":
            sh("e2fsck", "-f", "-n", path)

    def detach_and_fsck(self):
        if not self.is_raw:
            sh("umount", self.top)
        self.fsck(self.device, self.fs)
        if self.is_stacked:
            sh("dmsetup", "remove", "--retry", os.path.basename(self.device))
        # While udev looks at the device it keeps its file.
        sh("losetup", "--detach", self.loop)
        for _ in range(DETACH_SECONDS * 10):
            if not os.path.exists(f"/sys/block/{os.path.basename(self.loop)}/loop/backing_file"):
                break
            time.sleep(0.1)
        if self.on_file:
            sh("umount", self.outer)
            self.fsck(self.node + "2", self.below)


class Marks:
    def __init__(self, path, size):
        self.fd, self.size = os.open(path, os.O_WRONLY | os.O_DIRECT), size
        self.buffer = mmap.mmap(-1, BLOCK)
        self.lock = threading.Lock()
        self.count = 0

    def add(self, *what):
        with self.lock:
            self.buffer[:SECTOR] = json.dumps(what).encode().ljust(SECTOR, b"\0")
            os.pwrite(self.fd, memoryview(self.buffer)[: self.size], self.count * self.size % MARKS_BYTES)
            self.count += 1


class Writer:
    """Those who write to a file system and have what they wrote promised to last."""

    def __init__(self, disk):
        self.disk, self.top = disk, disk.top
        self.marks = Marks(disk.node + "1", disk.plan["block"])
        self.slots, self.scribble_path = f"{self.top}/slots", f"{self.top}/scribble"

    def start(self):
        """What is there from the beginning."""
        if self.disk.is_raw:
            with open(self.disk.device, "wb") as file:
                file.write(content(SECTORS_FILE, SECTORS // 2 * SECTOR, 1))
                file.flush()
                os.fsync(file.fileno())
            self.marks.add("begin")
            return
        for path, number in ((self.slots, SLOTS_FILE), (self.scribble_path, SCRIBBLE_FILE)):
            with open(path, "wb") as file:
                file.write(content(number, SLOTS * BLOCK, 1))
                file.flush()
                os.fsync(file.fileno())
        for directory in ("names", "new"):
            os.mkdir(f"{self.top}/{directory}")
            fsync_directory(f"{self.top}/{directory}")
        fsync_directory(self.top)
        self.marks.add("slots", list(range(SLOTS)), 1, 0)
        self.marks.add("begin")

    def go(self):
        jobs = [(job,) for job in (self.overwrite, self.replace, self.create, self.scribble)]
        if self.disk.is_raw:
            jobs = [(self.record, owner) for owner in range(WRITERS)] + [(self.zero,)]
        if self.disk.is_stacked:
            jobs.append((self.switch,))
        for job in jobs:
            threading.Thread(target=self.guarded, args=job, daemon=True).start()

    def guarded(self, job, *values):
        name = " ".join((job.__name__, *map(str, values)))
        try:
            job(random.Random(f"{self.disk.plan['seed']} {self.disk.number} {name}"), *values)
        except Exception as problem:  # noqa: BLE001 (whatever it is ends the test)
            print(f"problem: disk {self.disk.number}, {name}: {problem!r}", flush=True)

    def overwrite(self, rng):
        """Blocks in place, by all ways to have them last."""
        plain = os.open(self.slots, os.O_RDWR)
        direct = os.open(self.slots, os.O_RDWR | os.O_DIRECT)
        dsync = os.open(self.slots, os.O_RDWR | os.O_DSYNC)
        direct_dsync = os.open(self.slots, os.O_RDWR | os.O_DIRECT | os.O_DSYNC)
        nothing = lambda fd: None  # noqa: E731
        ways = (
            (plain, os.fsync), (plain, os.fdatasync), (direct, os.fdatasync),
            (dsync, nothing), (direct_dsync, nothing),
        )  # fmt: skip
        buffer = mmap.mmap(-1, BLOCK)
        version = 1
        while True:
            version += 1
            slots = rng.sample(range(SLOTS), rng.randint(1, 8))
            mtime = self.disk.backing_mtime()
            fd, last = rng.choice(ways)
            for slot in slots:
                buffer[:] = content(SLOTS_FILE, BLOCK, version, first=slot * BLOCK // SECTOR)
                os.pwrite(fd, buffer, slot * BLOCK)
            last(fd)
            self.marks.add("slots", slots, version, mtime)

    def scribble(self, rng):
        """Blocks in place, of which nothing is promised: what a disk may lose."""
        fds = [os.open(self.scribble_path, os.O_RDWR | flag) for flag in (0, os.O_DIRECT)]
        buffer = mmap.mmap(-1, BLOCK)
        version = 1
        while True:
            version += 1
            slot = rng.randrange(SLOTS)
            buffer[:] = content(SCRIBBLE_FILE, BLOCK, version, first=slot * BLOCK // SECTOR)
            os.pwrite(rng.choice(fds), buffer, slot * BLOCK)
            time.sleep(0.02)

    def record(self, rng, owner):
        """Sectors in place, while others write to the rest of their blocks."""
        direct = os.open(self.disk.device, os.O_RDWR | os.O_DIRECT)
        dsync = os.open(self.disk.device, os.O_RDWR | os.O_DIRECT | os.O_DSYNC)
        buffer = mmap.mmap(-1, BLOCK)
        own = [number for number in range(SECTORS) if OWNERS[number] == owner]
        version = 1
        while True:
            version += 1
            numbers = rng.sample(own, rng.randint(1, 24))
            mtime = self.disk.backing_mtime()
            fd = rng.choice((*[direct] * 5, dsync))
            for number in numbers:
                buffer[:SECTOR] = content(SECTORS_FILE, SECTOR, version, first=number)
                os.pwrite(fd, memoryview(buffer)[:SECTOR], number * SECTOR)
            if fd == direct:
                os.fdatasync(fd)
            self.marks.add("sectors", numbers, version, mtime)

    def zero(self, rng):
        """Sectors that are written and zeroed, of which nothing is promised."""
        fd = os.open(self.disk.device, os.O_RDWR | os.O_DIRECT)
        buffer = mmap.mmap(-1, BLOCK)
        own = [number for number in range(SECTORS) if OWNERS[number] == SCRIBBLER]
        version = 1
        while True:
            version += 1
            number = rng.choice(own)
            if rng.random() < 0.5:
                fcntl.ioctl(fd, BLKZEROOUT, struct.pack("QQ", number * SECTOR, SECTOR))
            else:
                buffer[:SECTOR] = content(SECTORS_FILE, SECTOR, version, first=number)
                os.pwrite(fd, memoryview(buffer)[:SECTOR], number * SECTOR)
            time.sleep(0.02)

    def switch(self, rng):
        """Pinned mode, off and on, and tables between that. What is discarded meanwhile has to be filled."""

        def wait(most):
            time.sleep(rng.uniform(0.2, most))
            if rng.random() < 0.5:
                self.disk.load()

        while True:
            wait(1.5)
            if rng.random() < 0.3:
                self.disk.pin("0")
            else:
                # From here on data gets no further than the page cache of the file, unless it is synced.
                self.disk.direct("off")
                wait(5)
                self.disk.direct("on")
            wait(1)
            self.disk.pin("fill")

    def replace(self, rng):
        """Files by the way of rename: the old one or the new one, and whole."""
        directory = f"{self.top}/names"
        version = 0
        while True:
            version += 1
            name = rng.randrange(NAMES)
            with open(f"{directory}/temporary", "wb") as file:
                size = length_of(version)
                file.write(content(NAMES_FILE + name, size, version, size))
                file.flush()
                os.fsync(file.fileno())
            os.rename(f"{directory}/temporary", f"{directory}/{name}")
            fsync_directory(directory)
            self.marks.add("name", name, version)

    def create(self, rng):
        """New files, that grow and go."""
        directory = f"{self.top}/new"
        sizes = {}
        last = 0
        while True:
            what = rng.choice(("create", "create", "append", "remove"))
            if what == "create" and len(sizes) < MOST_FILES:
                last += 1
                number, old = last, 0
            elif sizes:
                number = rng.choice(list(sizes))
                old = sizes[number]
            else:
                continue
            path = f"{directory}/{number}"
            if what == "remove" or old > 32 * BLOCK:
                self.marks.add("going", number)
                os.unlink(path)
                fsync_directory(directory)
                del sizes[number]
                self.marks.add("gone", number)
                continue
            size = old + rng.randint(1, 6 * BLOCK)
            with open(path, "ab") as file:
                file.write(content(NEW_FILE + number, size, 1)[old:])
                file.flush()
                os.fsync(file.fileno())
            if not old:
                fsync_directory(directory)
            sizes[number] = size
            self.marks.add("new", number, size)


class Promises:
    """What the marks up to a power cut say there has to be."""

    def __init__(self, marks):
        self.slots, self.sectors, self.names, self.sizes, self.gone = {}, {}, {}, {}, set()
        # What the backing file is newer than.
        self.mtime = 0
        for what, *values in marks:
            if what in ("slots", "sectors"):
                getattr(self, what).update(dict.fromkeys(values[0], values[1]))
                self.mtime = max(self.mtime, values[2])
            elif what == "name":
                self.names[values[0]] = values[1]
            elif what == "new":
                self.sizes[values[0]] = values[1]
            elif what == "going":
                # From here on it may be there or not.
                del self.sizes[values[0]]
            elif what == "gone":
                self.gone.add(values[0])

    def count(self):
        return len(self.slots) + len(self.sectors) + len(self.names) + len(self.sizes) + len(self.gone)

    def check_slots(self, path, file, promised):
        """Each sector is one that was written there, of the promised version or a later one."""
        with open(path, "rb") as opened:
            data = opened.read()
        name = os.path.basename(path)
        if len(data) != SLOTS * BLOCK:
            raise Wrong(f"{name} has {len(data)} bytes")
        for number in range(SLOTS * BLOCK // SECTOR):
            version = version_of(data[number * SECTOR : (number + 1) * SECTOR], file, number)
            least = promised.get(number * SECTOR // BLOCK, 1)
            if version < least:
                raise Wrong(f"sector {number} of {name} is of version {version}, promised was {least}")

    def check_sectors(self, path):
        """Each is of the promised version or a later one; of the first one, where nobody writes."""
        with open(path, "rb") as opened:
            data = opened.read(SECTORS * SECTOR)
        for number, owner in enumerate(OWNERS):
            version = version_of(data[number * SECTOR : (number + 1) * SECTOR], SECTORS_FILE, number)
            first = int(number < SECTORS // 2)
            least = 0 if owner == SCRIBBLER else self.sectors.get(number, first)
            if version < least or owner == NOBODY and version > first:
                raise Wrong(f"sector {number} is of version {version}, promised was {least}")

    def check(self, disk):
        if disk.is_raw:
            self.check_sectors(disk.backing)
            return
        top = disk.top
        self.check_slots(f"{top}/slots", SLOTS_FILE, self.slots)
        self.check_slots(f"{top}/scribble", SCRIBBLE_FILE, {})
        for name, promised in self.names.items():
            with open(f"{top}/names/{name}", "rb") as file:
                data = file.read()
            version = struct.unpack_from("<8sIIQQ", data.ljust(32))[3]
            size = length_of(version)
            if data != content(NAMES_FILE + name, size, version, size):
                raise Wrong(f"name {name} ({len(data)} bytes) is no version of it")
            if version < promised:
                raise Wrong(f"name {name} is of version {version}, promised was {promised}")
        for number, size in self.sizes.items():
            with open(f"{top}/new/{number}", "rb") as file:
                data = file.read(size)
            if data != content(NEW_FILE + number, size, 1):
                raise Wrong(f"new {number} ({len(data)} bytes) is not the {size} bytes that were promised")
        for number in self.gone:
            if os.path.exists(f"{top}/new/{number}"):
                raise Wrong(f"new {number} is there again")


def check(plan):
    """Prints one line for a disk after a power cut."""
    where = "looking for the disk"
    try:
        disk = Disk(plan)
        promises = Promises(plan["marks"])
        where = "mounting"
        disk.attach(writing=False)
        where = "data"
        promises.check(disk)
        where = "mtime"
        if disk.mtime <= promises.mtime > 0:
            raise Wrong(f"that of the backing file is {disk.mtime}, and {promises.mtime} was seen before it was written to")
        where = "fsck"
        disk.detach_and_fsck()
    except (Wrong, OSError) as wrong:
        print(f"image {plan['number']} FAIL {where}: {wrong}", flush=True)
        return
    print(f"image {plan['number']} ok {promises.count()}", flush=True)


def prepare(plan):
    Disk(plan).prepare()


def begin(plan):
    """A writer that can go."""
    writer = Writer(Disk(plan))
    writer.disk.attach(writing=True)
    writer.start()
    return writer


def all_of(plan, function, kind=concurrent.futures.ProcessPoolExecutor):
    """Some at a time. In processes: a thread's child may, for a moment, keep open what another thread unmounts."""
    with kind(AT_ONCE) as pool:
        return list(pool.map(function, plan))


def main():
    with open(sys.argv[2]) as file:
        plan = json.load(file)
    if sys.argv[1] == "prepare":
        all_of(plan, prepare)
    elif sys.argv[1] == "check":
        all_of(plan, check)
    else:
        # One after the other: all at once, on a busy host, one may wait too long for another.
        sh("modprobe", "-a", "virtio_blk", "xfs", "dm_crypt")
        sh("udevadm", "settle")
        for name, value in WRITEBACK.items():
            with open(f"/proc/sys/vm/{name}", "w") as file:
                file.write(str(value))
        writers = all_of(plan, begin, concurrent.futures.ThreadPoolExecutor)
        # It looks at what was written to.
        sh("udevadm", "settle")
        for writer in writers:
            writer.go()
        print("begin", flush=True)
        threading.Event().wait()


main()
