#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Measures in the guest what `make bench` asks for.

    bench.py cases.json           (payload: loop.ko of ours, rublk if there is one)

Each case names a backing, the neighbours that put a device on it (the backing
itself is the neighbour `raw`), and the work. The neighbours take turns within
a round. One line of standard output is one measurement: "result " and JSON.

Nothing but the work should run: udevd is stopped, the kernel makes the nodes.
"""

import base64
import contextlib
import ctypes
import fcntl
import glob
import json
import mmap
import os
import re
import shlex
import shutil
import signal
import stat
import struct
import subprocess
import sys
import threading
import time
import zlib

MIB = 1 << 20
NULL_BLK = "/sys/kernel/config/nullb"
CGROUPS = "/sys/fs/cgroup"
OUTER, INNER = "/run/outer", "/run/inner"
# What programs work on, in memory.
MADE = "/run/made"
HERE = os.getcwd()

LOOP_CTL_GET_FREE = 0x4C82
LOOP_CONFIGURE = 0x4C0A
LOOP_CLR_FD = 0x4C01
LOOP_CONFIG_BYTES = 304


def sh(command):
    """Run a shell command; returns what it printed, fails with it."""
    done = subprocess.run(
        command, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise RuntimeError(f"{command}: exit status {done.returncode}: {done.stdout.strip()[:300]}")
    return done.stdout.strip()


def write(path, value):
    with open(path, "w") as file:
        file.write(str(value))


def read(path):
    with open(path) as file:
        return file.read().strip()


def until(condition, seconds=10):
    for _ in range(seconds * 20):
        if condition():
            return
        time.sleep(0.05)
    raise RuntimeError("waited in vain")


# Backings


@contextlib.contextmanager
def null_blk(attributes, disk="bench"):
    sh("modprobe null_blk nr_devices=0")
    node = f"{NULL_BLK}/{disk}"
    os.mkdir(node)
    try:
        for name, value in attributes.items():
            write(f"{node}/{name}", value)
        write(f"{node}/power", 1)
        yield f"/dev/{disk}"
        write(f"{node}/power", 0)
    finally:
        os.rmdir(node)


@contextlib.contextmanager
def mapped(name, table):
    """Yields a device-mapper device."""
    sh(f"dmsetup create --noudevsync --noudevrules {name} --table '{table}'")
    try:
        yield f"/dev/{sh(f'dmsetup info --columns --noheadings -o blkdevname {name}')}"
    finally:
        sh(f"dmsetup remove --noudevsync --noudevrules {name}")


# Targets of device mapper: how many disks each takes, those that hold data, its arguments.
STACKS = {
    "linear": (1, 1, "linear {} 0"),
    "crypt": (1, 1, f"crypt aes-xts-plain64 {'01' * 32}{'10' * 32} 0 {{}} 0"),
    "multipath": (1, 1, "multipath 2 queue_mode bio 0 1 1 round-robin 0 1 0 {}"),
    "raid1": (2, 1, "raid raid1 2 0 nosync 2 - {} - {}"),
    "raid5": (3, 2, "raid raid5_ls 2 128 nosync 3 - {} - {} - {}"),
}


@contextlib.contextmanager
def disk(spec):
    """Yields a null_blk device, or what device mapper makes of some."""
    count, data, target = STACKS.get(spec["stack"], (1, 1, ""))
    with contextlib.ExitStack() as stack:
        disks = [stack.enter_context(null_blk(spec["null_blk"], f"bench{number or ''}")) for number in range(count)]
        if target:
            sectors = data * int(sh(f"blockdev --getsz {disks[0]}"))
            disks = [stack.enter_context(mapped("below", f"0 {sectors} {target.format(*disks)}"))]
        yield disks[0]


MKFS = {
    # Nothing is left for a thread to do later.
    "ext4": "mkfs.ext4 -q -F -b 4096 -E lazy_itable_init=0,lazy_journal_init=0",
    "xfs": "mkfs.xfs -q -f",
    "btrfs": "mkfs.btrfs -q -f",
}


@contextlib.contextmanager
def filesystem(kind, device, directory, options=""):
    sh(f"{MKFS[kind]} {options} {device}")
    sh(f"mount -t {kind} {device} {directory}")
    try:
        yield directory
    finally:
        sh(f"umount {directory}")


# Nothing of a large file system but what it needs.
SMALL = "-N 64 -O ^metadata_csum"


def set_written(device, path):
    """Say of a file's blocks, in an ext4 made as SMALL that is not mounted, that they were written."""
    listed = sh(f"debugfs -R 'ex -n {path}' {device} 2>/dev/null")
    with open(device, "r+b") as disk:
        for line in listed.split("\n")[1:]:
            level, depth, *_, leaf, _ = line.replace("/", " ").split()
            if int(level) != int(depth) - 1:
                continue
            disk.seek(int(leaf) * 4096)
            block = bytearray(disk.read(4096))
            # Each extent says so by a bit of its length.
            for at in range(12, 12 + struct.unpack_from("<2H", block)[1] * 12, 12):
                block[at + 5] &= 0x7F
            disk.seek(int(leaf) * 4096)
            disk.write(block)


def fill(path, content, mib):
    """A file without holes (of zeroes, a squashfs of what a live system reads, or with blocks that pass for
    written), or all hole."""
    if content == "squashfs":
        tree = os.path.dirname(os.__file__)
        sh(f"mksquashfs {tree} {path} -quiet -no-progress -comp zstd -Xcompression-level 1")
    elif content == "written":
        sh(f"fallocate -l {mib}M {path}; sync")
        with unmounted(path) as device:
            set_written(device, f"/{os.path.basename(path)}")
    elif content == "sparse":
        with open(path, "wb") as file:
            file.truncate(mib * MIB)
    else:
        sh(f"dd if=/dev/zero of={path} bs=1M count={mib} oflag=direct status=none")
    sh("sync")


@contextlib.contextmanager
def backing(spec):
    """Yields the path of a block device or of a file."""
    if not spec["null_blk"]:
        path = "/run/image"
        fill(path, "sparse", spec["mib"])
        yield path
        os.unlink(path)
        return
    with disk(spec) as device:
        if not spec["filesystem"]:
            yield device
            return
        options = SMALL if spec["content"] == "written" else ""
        with filesystem(spec["filesystem"], device, OUTER, options) as directory:
            path = f"{directory}/image"
            fill(path, spec["content"], spec["mib"])
            yield path


# Neighbours


@contextlib.contextmanager
def module(neighbour):
    sh("modprobe loop" if neighbour == "c" else f"insmod {HERE}/loop.ko")
    try:
        yield
    finally:
        sh("rmmod loop")


def extents(path):
    """Where the sectors of a file lie: (first in the file, how many, first on the device)."""
    listed = re.findall(r"^ *\d+: +(\d+)\.\. +(\d+): +(\d+)\.\.", sh(f"filefrag -v -b512 {path}"), re.MULTILINE)
    return [(int(first), int(last) - int(first) + 1, int(place)) for first, last, place in listed]


@contextlib.contextmanager
def unmounted(path):
    """Yields the device of the file system of a file, which nobody else uses meanwhile."""
    device = sh(f"findmnt -n -o SOURCE --target {path}")
    sh(f"umount {OUTER}")
    try:
        yield device
    finally:
        sh(f"mount {device} {OUTER}")


def dm_linear(table):
    return mapped("bench", "\n".join(f"{first} {size} linear {device} {place}" for first, size, device, place in table))


@contextlib.contextmanager
def attached(neighbour, path, direct, sector=0):
    """Yields the device that a neighbour makes of the backing."""
    if neighbour == "raw":
        yield path
    elif neighbour == "disk":
        # The largest piece of the file is enough of it.
        _, size, place = max(extents(path), key=lambda extent: extent[1])
        with unmounted(path) as device:
            yield f"{device} --offset={place * 512} --size={size * 512}"
    elif neighbour == "dm" and os.path.isfile(path):
        places = extents(path)
        with unmounted(path) as device, dm_linear((first, size, device, place) for first, size, place in places) as dm:
            yield dm
    elif neighbour == "dm":
        with dm_linear([(0, sh(f"blockdev --getsz {path}"), path, 0)]) as dm:
            yield dm
    elif neighbour == "rublk":
        sh("modprobe ublk_drv")
        sh(f"{HERE}/rublk add loop -n 0 -f {path} {'' if direct else '--buffered-io'}")
        try:
            until(lambda: os.path.exists("/dev/ublkb0"))
            yield "/dev/ublkb0"
        finally:
            sh(f"{HERE}/rublk del -n 0")
            until(lambda: not os.path.exists("/dev/ublkb0"))
    else:
        with module(neighbour):
            size = f"--sector-size={sector}" if sector else ""
            device = sh(f"losetup --find --show --direct-io={'on' if direct else 'off'} {size} {path}")
            try:
                dio = read(f"/sys/block/{os.path.basename(device)}/loop/dio")
                # The C driver has no direct I/O with sectors smaller than the disk's.
                if dio != str(int(direct)) and not (neighbour == "c" and sector):
                    raise RuntimeError(f"dio is {dio}")
                if neighbour == "pinned":
                    write(f"/sys/block/{os.path.basename(device)}/loop/pinned", 1)
                yield device
            finally:
                sh(f"losetup --detach {device}")
                until(lambda: not os.path.exists(f"/sys/block/{os.path.basename(device)}/loop"))


@contextlib.contextmanager
def target(neighbour, path, work):
    """What the work is done on: the device, or a file of a filesystem on it."""
    kind = work.get("filesystem")
    if not kind or neighbour == "raw":
        yield path
        return
    with filesystem(kind, path, INNER) as directory:
        place = f"{directory}/file"
        if work.get("appends"):
            yield place
            # Neither written from its beginning again, nor laid out before.
            if not 0 < os.path.getsize(place) < work["mib"] * MIB:
                raise RuntimeError(f"{place} has {os.path.getsize(place)} bytes")
            return
        fill(place, "zeroes", work["mib"])
        yield place


# Cgroups


def device_number(path):
    """The disk below a file, or the disk itself, as io.max names it."""
    device = path if stat.S_ISBLK(os.stat(path).st_mode) else sh(f"findmnt -n -o SOURCE --target {path}")
    number = os.stat(device).st_rdev
    return f"{os.major(number)}:{os.minor(number)}"


@contextlib.contextmanager
def cgroups(controllers, count=1):
    """Yields directories of cgroups below the root one; or none, where no controllers are asked for."""
    if not controllers:
        yield [""]
        return
    control = f"{CGROUPS}/cgroup.subtree_control"
    directories = [f"{CGROUPS}/bench-{number}" for number in range(count)]
    write(control, " ".join(f"+{name}" for name in controllers))
    for directory in directories:
        os.mkdir(directory)
    try:
        yield directories
    finally:
        for directory in directories:
            # What a process that ended leaves may take a moment.
            until(lambda: "populated 0" in read(f"{directory}/cgroup.events"))
            os.rmdir(directory)
        write(control, " ".join(f"-{name}" for name in controllers))


def enter(cgroup):
    """What a shell does first to run its command in a cgroup."""
    return f"echo $$ >{cgroup}/cgroup.procs && exec " if cgroup else ""


# Work


def parse_fio(report):
    jobs = json.loads(report[report.index("{") :])["jobs"]
    for job in jobs:
        if job["error"]:
            raise RuntimeError(f"fio: {os.strerror(job['error'])}")
    return jobs


def fio(path, options, cgroup=""):
    return parse_fio(sh(f"{enter(cgroup)}fio --filename={path} --output-format=json --invalidate=0 {options}"))


def iops(jobs):
    return sum(job[way]["iops"] for job in jobs for way in ("read", "write"))


def do_fio(path, neighbour, work):
    options = work["raw_options"] if neighbour == "raw" and "raw_options" in work else work["options"]
    with cgroups(work.get("controllers")) as (cgroup,):
        jobs = fio(path, options, cgroup)
    return {"iops": iops(jobs), "context_switches": sum(job["ctx"] for job in jobs)}


def do_groups(path, neighbour, work):
    """Jobs at once, each in a cgroup of its own. The latency is that of the first one."""
    groups = work["groups"]
    with cgroups(work["controllers"], len(groups)) as directories, contextlib.ExitStack() as stack:
        running = []
        for group, directory in zip(groups, directories):
            if "limit" in group:
                write(f"{directory}/io.max", f"{device_number(work['backing'])} {group['limit']}")
            command = f"{enter(directory)}fio --filename={path} --output-format=json --invalidate=0 {group['options']}"
            running.append(
                stack.enter_context(subprocess.Popen(["sh", "-c", command], stdout=subprocess.PIPE, text=True))
            )
        found = [parse_fio(job.communicate()[0]) for job in running]
    latency = found[0][0]["read"]["clat_ns"].get("percentile", {})
    return {"iops": sum(map(iops, found)), "p99_us": latency.get("99.000000", 0) / 1000}


def do_sync(path, neighbour, work):
    """Write a file through the page cache, then sync."""
    start = time.monotonic()
    sh(f"dd if=/dev/zero of={path} bs=1M count={work['mib']} conv=notrunc status=none; sync -f {path}")
    return {"seconds": time.monotonic() - start}


@contextlib.contextmanager
def place(path, neighbour, work):
    """A directory for a program: of a file system on the neighbour's device, or beside the file."""
    if work.get("device"):
        yield "/"
        return
    with contextlib.nullcontext(OUTER) if neighbour == "raw" else filesystem("ext4", path, INNER) as top:
        directory = f"{top}/bench"
        os.mkdir(directory)
        try:
            yield directory
        finally:
            shutil.rmtree(directory)


def do_program(path, neighbour, work):
    """The steps of a program (see bench/program_cases.py)."""
    made = f"{MADE}/{work['name']}"
    result = {"seconds": 0.0}
    with cgroups(work["controllers"]) as (cgroup,), place(path, neighbour, work) as directory:

        def command(text, where=directory, cgroup=cgroup):
            commands = f"cd {where}; export MADE={made} DEVICE={path}; {text}"
            sh(f"{enter(cgroup)}sh -ec {shlex.quote(commands)}")

        if not os.path.exists(made):
            os.makedirs(made)
            command(work.get("make", "true"), made, "")
        try:
            command(work.get("setup", "true"))
            for name, text in work["steps"].items():
                prepare(path, work)
                start = time.monotonic()
                command(text)
                result[name] = time.monotonic() - start
                result["seconds"] += result[name]
        finally:
            command(work.get("end", "true"))
    return result


def do_fsync(path, neighbour, work):
    """The job called reader beside the one called writer."""
    jobs = {job["jobname"]: job for job in fio(path, work["options"])}
    latency = jobs["reader"]["read"]["clat_ns"]
    return {
        "p99_us": latency["percentile"]["99.000000"] / 1000,
        "read_iops": jobs["reader"]["read"]["iops"],
        "write_iops": jobs["writer"]["write"]["iops"],
    }


def do_pin(path, neighbour, work):
    """Pin the device, perhaps while others write."""
    result = {}
    command = f"exec fio --filename={path} --output-format=json --invalidate=0 {work.get('options')}"
    with contextlib.ExitStack() as stack:
        if "options" in work:
            job = stack.enter_context(subprocess.Popen(["sh", "-c", command], stdout=subprocess.PIPE, text=True))
            counts = f"/sys/block/{os.path.basename(path)}/stat"
            until(lambda: int(read(counts).split()[4]) > 20, 600)
        start = time.monotonic()
        try:
            write(f"/sys/block/{os.path.basename(path)}/loop/pinned", work["how"])
        finally:
            result["seconds"] = time.monotonic() - start
            if "options" in work:
                job.send_signal(signal.SIGINT)
                result["max_us"] = parse_fio(job.communicate()[0])[0]["write"]["lat_ns"]["max"] / 1000
    return result


def do_tree(path, neighbour, work):
    """Read all files of a mounted squashfs, as a live system does when it boots."""
    sh(f"mount -t squashfs -o ro {path} {INNER}")
    start = time.monotonic()
    size = 0
    for base, dirs, names in os.walk(INNER):
        dirs.sort()
        for name in sorted(names):
            with open(os.path.join(base, name), "rb", buffering=0) as file:
                while part := file.read(65536):
                    size += len(part)
    seconds = time.monotonic() - start
    sh(f"umount {INNER}")
    return {"seconds": seconds, "bytes": size}


class LoopControl:
    """Devices attached to one file, without losetup's time."""

    def __init__(self, path):
        self.control = os.open("/dev/loop-control", os.O_RDWR)
        self.file = os.open(path, os.O_RDWR)

    def attach(self):
        """Returns the device, open."""
        number = fcntl.ioctl(self.control, LOOP_CTL_GET_FREE)
        device = os.open(f"/dev/loop{number}", os.O_RDWR)
        fcntl.ioctl(device, LOOP_CONFIGURE, struct.pack("=I", self.file).ljust(LOOP_CONFIG_BYTES, b"\0"))
        return device

    def detach(self, device):
        fcntl.ioctl(device, LOOP_CLR_FD)
        os.close(device)

    def close(self):
        os.close(self.file)
        os.close(self.control)


@contextlib.contextmanager
def many_attached(path, count):
    control = LoopControl(path)
    devices = [control.attach() for _ in range(count)]
    for device in devices:
        os.close(device)
    try:
        yield control
    finally:
        control.close()
        # losetup -D would wait for each in turn.
        for name in os.listdir("/sys/block"):
            if os.path.exists(f"/sys/block/{name}/loop"):
                device = os.open(f"/dev/{name}", os.O_RDONLY)
                fcntl.ioctl(device, LOOP_CLR_FD)
                os.close(device)


def do_attach(path, neighbour, work):
    """Attach and detach one device while others are attached."""
    times = 20
    with many_attached(path, work["devices"] - 1) as control:
        control.detach(control.attach())
        start = time.monotonic()
        for _ in range(times):
            control.detach(control.attach())
        seconds = (time.monotonic() - start) / times
    return {"seconds": seconds}


def memory():
    """Bytes in use once caches are dropped, and those of them in slabs. What is free on the CPUs' own lists is free."""
    for _ in range(3):
        sh("sync")
        write("/proc/sys/vm/drop_caches", 3)
        for cache in glob.glob("/sys/kernel/slab/*/shrink"):
            write(cache, 1)
        time.sleep(0.3)
    fields = {name: int(value.split()[0]) << 10 for name, value in (line.split(":") for line in open("/proc/meminfo"))}
    lists = re.findall(r"^ +count: +(\d+)$", read("/proc/zoneinfo"), re.MULTILINE)
    free = fields["MemFree"] + sum(map(int, lists)) * mmap.PAGESIZE
    return fields["MemTotal"] - free, fields["Slab"], fields["Percpu"], fields["KernelStack"]


def do_memory(path, neighbour, work):
    with many_attached(path, 8):
        pass
    before = memory()
    with many_attached(path, work["devices"]):
        after = memory()
    total, slab, percpu, stacks = ((new - old) / work["devices"] for old, new in zip(before, after))
    return {"bytes": total, "slab": slab, "percpu": percpu, "stacks": stacks}


WORK = {
    "fio": do_fio,
    "fsync": do_fsync,
    "tree": do_tree,
    "groups": do_groups,
    "sync": do_sync,
    "pin": do_pin,
    "program": do_program,
}
# These attach for themselves.
MODULE_WORK = {"attach": do_attach, "memory": do_memory}


def prepare(path, work):
    """The caches as the work wants them, and quiet."""
    sh("sync")
    write("/proc/sys/vm/drop_caches", 3)
    # So that programs do not wait for the host's disk, which the guest's clock would count.
    programs = f"$(which {work.get('programs', 'fio')})"
    sh(f"cat {programs} $(ldd {programs} | grep -o '/[^ :]*' | sort -u) >/dev/null")
    if work.get("hot"):
        sh(f"cat {path} >/dev/null")
    # For what the kernel puts off (freeing the last module, for one).
    time.sleep(0.2)


PIECE = 128 << 10


def cache(path, every):
    """Read each piece of this number into the page cache, and nothing ahead of it."""
    with open(path, "rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        for offset in range(0, os.path.getsize(path), PIECE * every):
            file.seek(offset)
            file.read(PIECE)


@contextlib.contextmanager
def committing(path):
    """Meanwhile another file on the same file system grows and is synced, which commits the journal."""
    over = threading.Event()

    def grow():
        with open(f"{path}-other", "wb", buffering=0) as file:
            while not over.wait(0.002):
                file.write(bytes(4096))
                os.fsync(file.fileno())

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        os.unlink(f"{path}-other")


@contextlib.contextmanager
def ready(case, neighbour, path):
    """Yields what the work is done on."""
    spec, work = case["backing"], case["work"]
    if work.get("fresh"):
        fill(path, spec["content"], spec["mib"])
    if work.get("remount"):
        with unmounted(path):
            pass
    if work["kind"] in MODULE_WORK:
        with module(neighbour):
            yield path
        return
    with attached(neighbour, path, case["direct"], case.get("sector", 0)) as device, target(neighbour, device, work) as place:
        prepare(path, work)
        if "cached" in work:
            cache(path, work["cached"])
        if "before" in work:
            fio(place, work["before"])
        with committing(path) if work.get("commits") else contextlib.nullcontext():
            yield place


def measure(case, neighbour, path):
    work = case["work"] | {"backing": path}
    with ready(case, neighbour, path) as place:
        return (WORK | MODULE_WORK)[work["kind"]](place, neighbour, work)


# Profiles


class Mark:
    """Tells QEMU's plugin (see qemu-profile.c) that what is to be counted begins or ends."""

    CODE = bytes.fromhex("0f1f8400d34d6270 c3")  # nopl 0x70624dd3(%rax,%rax); ret

    def __init__(self):
        self.page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self.page.write(self.CODE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self.page))
        self.call = ctypes.CFUNCTYPE(None)(address)
        self.windows = 0

    def begin(self):
        self.call()

    def end(self):
        """Returns the number of what was counted, as the plugin numbers its files."""
        self.call()
        self.windows += 1
        return self.windows - 1


def profile(case, neighbour, path, mark):
    work = case["work"]
    with ready(case, neighbour, path) as place:
        options = work["raw_options"] if neighbour == "raw" and "raw_options" in work else work["options"]
        # The guest's clock runs on while the host's disk is slow to bring fio, so its start is waited for.
        started = "/run/started"
        command = f"fio --filename={place} --output-format=json --invalidate=0 --exec_prerun='touch {started}' {options}"
        with (
            cgroups(work.get("controllers")) as (cgroup,),
            subprocess.Popen(["sh", "-c", enter(cgroup) + command], stdout=subprocess.PIPE, text=True) as job,
        ):
            until(lambda: os.path.exists(started), 600)
            os.unlink(started)
            time.sleep(work["settle"])
            mark.begin()
            start = time.monotonic()
            time.sleep(work["window"])
            seconds = time.monotonic() - start
            window = mark.end()
            report = job.communicate()[0]
        names = symbols(of_modules=True)
    return {"iops": iops(json.loads(report[report.index("{") :])["jobs"]), "seconds": seconds, "symbols": names, "window": window}


def symbols(of_modules):
    """The functions, packed: those of modules, which move when one is loaded again, or the others."""
    functions = (line for line in read("/proc/kallsyms").split("\n") if line.split(None, 2)[1] in "tTwW")
    text = "\n".join(line for line in functions if line.endswith("]") == of_modules)
    return base64.b64encode(zlib.compress(text.encode())).decode()


def say(case, neighbour, turn, result):
    print("result " + json.dumps({"case": case["name"], "neighbour": neighbour, "round": turn} | result), flush=True)


def run(case, path, mark):
    for turn in range(case["rounds"]):
        for neighbour in case["neighbours"]:
            try:
                if mark:
                    result = profile(case, neighbour, path, mark)
                else:
                    result = measure(case, neighbour, path)
            except (RuntimeError, OSError, ValueError, KeyError) as failure:
                result = {"error": str(failure)}
            say(case, neighbour, turn, result)


def main():
    with open(sys.argv[1]) as file:
        request = json.load(file)
    sh("udevadm settle")
    sh("killall --wait --signal KILL systemd-udevd")
    sh("mount -t configfs configfs /sys/kernel/config")
    for directory in (OUTER, INNER):
        os.mkdir(directory)
    mark = Mark() if request.get("profile") else None
    if mark:
        print("symbols " + symbols(of_modules=False), flush=True)
    with backing(request["backing"]) as path:
        for case in request["cases"]:
            run(case | {"backing": request["backing"]}, path, mark)


main()
