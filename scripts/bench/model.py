# SPDX-License-Identifier: GPL-2.0
"""What a measurement of `make bench` is made of: case, backing, metric, target.

A case is measured with one of two instruments:

    instructions  one CPU, whose clock advances a nanosecond an instruction. Sees
                  work, not waiting; repeats within 1 or 2 % whatever the host does
    wall          four CPUs and the host's clock. Sees waiting, wake-ups and locks;
                  only ratios of measurements made in turn mean something
"""

import dataclasses

from lab import image

INSTRUCTIONS, WALL = "instructions", "wall"
CPUS = {INSTRUCTIONS: 1, WALL: 4}
ROUNDS = {INSTRUCTIONS: 1, WALL: 5}

ALL = ("disk", "raw", "dm", "c", "rublk", "ours", "pinned")
ON_DEVICE = ("raw", "dm", "c", "rublk", "ours")
ON_FILE = ("raw", "c", "rublk", "ours")
# The disk at the place of the file, the file itself, and what is put on either.
ON_BLOCKS = ("disk", "raw", "dm", "c", "ours", "pinned")
LOOPS = ("c", "ours")

FILE_MIB = 256


@dataclasses.dataclass(frozen=True)
class Backing:
    """What lies under the devices. Cases that have the same one share a boot."""

    title: str
    null_blk: tuple = ()
    # What device mapper makes of such disks, by its name in guest/bench.py; empty: there is one disk.
    stack: str = ""
    filesystem: str = ""
    content: str = "zeroes"
    mib: int = FILE_MIB

    def spec(self):
        return dataclasses.asdict(self) | {"null_blk": dict(self.null_blk)}


def null_blk(cpus, **attributes):
    """The options are those of null_blk's configfs. irqmode 0: completes at once, in place."""
    return tuple(({"queue_mode": 2, "irqmode": 0, "size": 1024, "submit_queues": cpus} | attributes).items())


def on_filesystem(kind, cpus=1, content="zeroes", mib=FILE_MIB, stack="", **attributes):
    title = f"{content if content != 'zeroes' else 'file'} on {kind}"
    return Backing(title, null_blk(cpus, memory_backed=1, **attributes), stack, kind, content, mib)


MILLISECOND = {"irqmode": 2, "completion_nsec": 1_000_000}


@dataclasses.dataclass(frozen=True)
class Target:
    """`ours`, or another subject, against a neighbour of the same run.

    ratio       median of the rounds' ratios, ours / neighbour, of the case's metric
    difference  ours - neighbour
    absolute    ours, whatever the neighbours do
    """

    neighbour: str
    limit: float
    kind: str = "ratio"
    # The case whose value the neighbour's is; empty: the same case.
    case: str = ""
    subject: str = "ours"


@dataclasses.dataclass(frozen=True)
class Metric:
    name: str
    unit: str
    lower_is_better: bool
    field: str
    # A measurement's field as the metric.
    convert: object = staticmethod(lambda value: value)


PER_IO = Metric("instructions per I/O", "instructions", True, "iops", lambda iops: 1e9 / iops)
IOPS = Metric("I/Os per second", "IOPS", False, "iops")
WORK = Metric("instructions in all", "million instructions", True, "seconds", lambda seconds: seconds * 1e3)
TIME = Metric("time", "µs", True, "seconds", lambda seconds: seconds * 1e6)
MEMORY = Metric("memory per device", "KiB", True, "bytes", lambda size: size / 1024)
LONGEST = Metric("longest write", "µs", True, "max_us")
P99 = Metric("99th percentile of the latency", "µs", True, "p99_us")


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    title: str
    instrument: str
    backing: Backing
    work: dict
    metric: Metric
    neighbours: tuple
    direct: bool = True
    # Bytes in a sector of the device; 0: what losetup takes without being asked.
    sector: int = 0
    # Never worse than the C driver is a target of every case.
    targets: tuple = ()
    # What the guest boots.
    image: type = image.GuestImage

    def request(self, neighbours, rounds=0):
        return {
            "name": self.name,
            "work": self.work,
            "direct": self.direct,
            "sector": self.sector,
            "neighbours": neighbours,
            "rounds": rounds or ROUNDS[self.instrument],
        }


def job(instrument, rw, depth=1, block="4k", engine="libaio", direct=1, more="", seconds=2):
    """The options of a fio job; under icount half a second is plenty, the ramp warms up."""
    times = "--ramp_time=100ms --runtime=500ms" if instrument == INSTRUCTIONS else f"--ramp_time=300ms --runtime={seconds}s"
    return (
        f"--name=bench --rw={rw} --bs={block} --iodepth={depth} --ioengine={engine} --direct={direct}"
        f" --time_based {times} {more}"
    ).strip()


def fio(*arguments, raw_direct=1, **keywords):
    """Work for fio. Through a buffered loop device it is direct I/O too: the file's cache is meant."""
    extra = {name: keywords.pop(name) for name in ("hot", "fresh", "filesystem", "mib", "controllers") if name in keywords}
    work = {"kind": "fio", "options": job(*arguments, **keywords)}
    if not raw_direct:
        work["raw_options"] = job(*arguments, direct=0, **keywords)
    return work | extra


WORDS = {
    "randread": "random read",
    "randwrite": "random write",
    "read": "sequential read",
    "write": "sequential write",
}


TITLES = {"device": "block device", "ext4": "ext4 file, direct", "pinned": "pinned ext4 file"}
