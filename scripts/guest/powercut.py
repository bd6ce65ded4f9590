#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What `make test-powercut` does in its guests; see scripts/lab/powercut.py.

    prepare PLAN    make the file systems, on disks that are empty
    write PLAN      write to all of them until the power is cut
    check PLAN      on what was left: recover, compare with what was promised, fsck

PLAN is a file with a list of disks, each with what is on it: a file system on a
loop device, direct, buffered or pinned, on a file (on ext4) or on a partition. Between them
is a device of device mapper with `linear` or `crypt` (LUKS): made before the loop device is pinned
or after, and then that is unpinned and pinned again all the time. What
was pinned is checked by direct I/O, as the file that it is. The first
partition of a disk is for marks. Each is a sector which says, in JSON, what
fsync has just promised, or what is about to go. They are written around all
caches and without a flush, so where they are in the log of a disk's writes
tells what had been promised by then, and they make nothing last but themselves.
"""

import concurrent.futures
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
MARKS_SECTORS = 4 * MIB // SECTOR
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
SLOTS_FILE, SCRIBBLE_FILE, NAMES_FILE, NEW_FILE = 1, 2, 100, 1000
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
    """Which version a sector is, of those that this one can be."""
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
        self.number, self.fs = plan["number"], plan["fs"]
        self.on_file, self.mode = plan["on"] == "file", plan["mode"]
        self.is_stacked = self.mode in ("linear", "crypt")
        self.node = node(self.number)
        place = f"/run/powercut/{self.number}"
        self.outer, self.top = f"{place}/outer", f"{place}/top"
        for directory in (self.outer, self.top):
            os.makedirs(directory, exist_ok=True)
        self.backing = f"{self.outer}/image" if self.on_file else self.node + "2"

    def mkfs(self, path):
        """The one that is to be on the loop device."""
        if self.fs == "ext4":
            sh("mkfs.ext4", "-q", "-F", "-b", str(BLOCK), path)
        else:
            sh("mkfs.xfs", "-q", "-f", path)

    def prepare(self):
        sh("sfdisk", "--quiet", self.node.removesuffix("p"), input=TABLE)
        sh("udevadm", "settle")
        if self.on_file:
            sh("mkfs.ext4", "-q", "-F", "-b", str(BLOCK), self.node + "2")
            sh("mount", self.node + "2", self.outer)
            with open(self.backing, "wb") as file:
                file.truncate((FILE_SYSTEM_MIB + LUKS_MIB * (self.mode == "crypt")) * MIB)
        if self.mode != "crypt":
            self.mkfs(self.backing)
        if self.mode == "pinned" or self.is_stacked:
            # It must have no holes, not even those that mkfs has made.
            sh("dd", f"if={self.backing}", f"of={self.backing}", "bs=1M", "conv=notrunc")
        if self.on_file:
            sh("umount", self.outer)

    def attach(self, writing):
        """Mount all of it, which recovers what has to be."""
        if self.on_file:
            sh("mount", self.node + "2", self.outer)
        self.mtime = self.backing_mtime()
        direct = self.mode != "buffered"
        self.loop = sh("losetup", "--find", "--show", f"--direct-io={'on' if direct else 'off'}", self.backing)
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
        # All images have come from the same few, with the same UUIDs.
        options = "discard,nouuid" if self.fs == "xfs" else "discard"
        sh("mount", "-t", self.fs, "-o", options, self.device, self.top)

    def pin(self, value):
        with open(f"{self.attributes}/pinned", "w") as file:
            file.write(value)

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
            sh("cryptsetup", "open", "--allow-discards", "--key-file", LUKS_KEY, self.loop, name)
        self.device = f"/dev/mapper/{name}"
        if writing and self.mode == "crypt":
            self.mkfs(self.device)

    def backing_mtime(self):
        """In nanoseconds; 0 if that is a partition."""
        return os.stat(self.backing).st_mtime_ns if self.on_file else 0

    def fsck(self, path, fs):
        if fs == "xfs":
            sh("xfs_repair", "-n", path)
        else:
            sh("e2fsck", "-f", "-n", path)

    def detach_and_fsck(self):
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
            self.fsck(self.node + "2", "ext4")


class Marks:
    def __init__(self, path):
        self.fd = os.open(path, os.O_WRONLY | os.O_DIRECT)
        self.buffer = mmap.mmap(-1, BLOCK)
        self.lock = threading.Lock()
        self.count = 0

    def add(self, *what):
        with self.lock:
            self.buffer[:SECTOR] = json.dumps(what).encode().ljust(SECTOR, b"\0")
            os.pwrite(self.fd, memoryview(self.buffer)[:SECTOR], self.count % MARKS_SECTORS * SECTOR)
            self.count += 1


class Writer:
    """Those who write to a file system and have what they wrote promised to last."""

    def __init__(self, disk):
        self.disk, self.top = disk, disk.top
        self.marks = Marks(disk.node + "1")
        self.slots, self.scribble_path = f"{self.top}/slots", f"{self.top}/scribble"

    def start(self):
        """What is there from the beginning."""
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
        jobs = [self.overwrite, self.replace, self.create, self.scribble]
        if self.disk.is_stacked:
            jobs.append(self.switch)
        for job in jobs:
            threading.Thread(target=self.guarded, args=(job,), daemon=True).start()

    def guarded(self, job):
        try:
            job(random.Random(f"{self.disk.plan['seed']} {self.disk.number} {job.__name__}"))
        except Exception as problem:  # noqa: BLE001 (whatever it is ends the test)
            print(f"problem: disk {self.disk.number}, {job.__name__}: {problem!r}", flush=True)

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

    def switch(self, rng):
        """Pinned mode, off and on. What is discarded meanwhile has to be filled."""
        while True:
            for value in ("0", "fill"):
                time.sleep(rng.uniform(0.2, 1.5))
                self.disk.pin(value)

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
        self.slots, self.names, self.sizes, self.gone = {}, {}, {}, set()
        # What the backing file is newer than.
        self.mtime = 0
        for what, *values in marks:
            if what == "slots":
                self.slots.update(dict.fromkeys(values[0], values[1]))
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
        return len(self.slots) + len(self.names) + len(self.sizes) + len(self.gone)

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

    def check(self, top):
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
        where = "mtime"
        if disk.mtime <= promises.mtime > 0:
            raise Wrong(f"that of the backing file is {disk.mtime}, and {promises.mtime} was seen before it was written to")
        where = "data"
        promises.check(disk.top)
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
        sh("modprobe", "virtio_blk")
        sh("udevadm", "settle")
        for name, value in WRITEBACK.items():
            with open(f"/proc/sys/vm/{name}", "w") as file:
                file.write(str(value))
        for writer in all_of(plan, begin, concurrent.futures.ThreadPoolExecutor):
            writer.go()
        print("begin", flush=True)
        threading.Event().wait()


main()
