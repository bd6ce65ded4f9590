# SPDX-License-Identifier: GPL-2.0
"""Cases whose work runs in a cgroup of its own, as services and containers do."""

from .model import (
    INSTRUCTIONS,
    IOPS,
    LOOPS,
    MILLISECOND,
    P99,
    PER_IO,
    WALL,
    WORDS,
    Backing,
    Case,
    fio,
    job,
    null_blk,
    on_filesystem,
)

IO, BOTH = ("io",), ("io", "memory")
CPUS = {INSTRUCTIONS: 1, WALL: 4}
# A file that is large enough for the limits of dirty memory to matter.
LARGE_MIB = 768


def named(instrument, name):
    return name if instrument == INSTRUCTIONS else f"wall-{name}"


def metric(instrument):
    return PER_IO if instrument == INSTRUCTIONS else IOPS


def simple(instrument, controllers, name, title, backing, rw, depth, block="4k", neighbours=LOOPS, direct=False, **more):
    """One job in one cgroup."""
    kind = "cgroup" if controllers == BOTH else "cgroup-io"
    return Case(
        named(instrument, f"{kind}-{name}"), f"{title}, in a cgroup ({' and '.join(controllers)})",
        instrument, backing, fio(instrument, rw, depth, block, controllers=controllers, **more),
        metric(instrument), neighbours, direct=direct,
    )  # fmt: skip


def buffered(instrument):
    ext4 = on_filesystem("ext4", CPUS[instrument])
    for controllers in (BOTH, IO):
        yield simple(instrument, controllers, "write", "buffered, 4 KiB sequential write, depth 32", ext4, "write", 32)
        for rw in ("randwrite", "randread"):
            yield simple(
                instrument, controllers, rw, f"buffered, hot cache, 4 KiB {WORDS[rw]}, depth 32", ext4, rw, 32, hot=True
            )
        yield simple(
            instrument, controllers, "randwrite-1", "buffered, 4 KiB random write, depth 1", ext4, "randwrite", 1, hot=True
        )
    yield simple(instrument, BOTH, "seqwrite", "buffered, 128 KiB sequential write, depth 32", ext4, "write", 32, "128k")
    yield simple(instrument, BOTH, "seqread", "buffered, 128 KiB sequential read, depth 32", ext4, "read", 32, "128k")


def cold(instrument):
    slow = on_filesystem("ext4", CPUS[instrument], **MILLISECOND)
    yield simple(
        instrument, BOTH, "cold", "buffered, cold cache, 1 ms of latency, 4 KiB random read, depth 32", slow, "randread", 32
    )


def direct(instrument):
    cpus = CPUS[instrument]
    disk, ext4 = Backing("block device", null_blk(cpus)), on_filesystem("ext4", cpus)
    for rw in ("randread", "randwrite"):
        yield simple(
            instrument, BOTH, f"device-{rw}", f"block device, 4 KiB {WORDS[rw]}, depth 32", disk, rw, 32, direct=True
        )
        yield simple(
            instrument, BOTH, f"device-{rw}-batch", f"block device, 4 KiB {WORDS[rw]}, depth 64, 16 at a time", disk, rw,
            64, direct=True, more="--iodepth_batch_submit=16 --iodepth_batch_complete_min=16",
        )  # fmt: skip
        yield simple(
            instrument, BOTH, f"file-{rw}", f"ext4 file, direct and pinned, 4 KiB {WORDS[rw]}, depth 32", ext4, rw, 32,
            neighbours=("c", "ours", "pinned"), direct=True,
        )  # fmt: skip
    yield simple(
        instrument, BOTH, "sparse", "sparse ext4 file, direct, 4 KiB random write, depth 32",
        on_filesystem("ext4", cpus, "sparse"), "randwrite", 32, direct=True, fresh=True,
    )  # fmt: skip


def several():
    """Several cgroups on one device, by the clock."""
    ext4 = on_filesystem("ext4", 4)
    for direct in (False, True):
        how = "direct" if direct else "buffered"
        groups = [
            {"options": job(WALL, "randwrite", 16, more=f"--offset={64 * number}m --size=64m")} for number in range(4)
        ]
        yield Case(
            f"wall-cgroup-four-{how}", f"four cgroups, {how}, 4 KiB random write, depth 16 each", WALL, ext4,
            {"kind": "groups", "controllers": BOTH, "groups": groups, "hot": not direct}, IOPS, LOOPS, direct=direct,
        )  # fmt: skip
        # What is limited is what reaches the disk: direct writes, cold reads.
        limited, limit = ("randwrite", "wbps=1048576") if direct else ("randread", "rbps=1048576")
        groups = [
            {"options": job(WALL, "randread", 4, more="--offset=128m --size=64m")},
            {"options": job(WALL, limited, 32, more="--size=128m"), "limit": limit},
        ]
        yield Case(
            f"wall-cgroup-limited-{how}",
            f"4 KiB random read, depth 4, {how}, beside a cgroup held to 1 MiB/s", WALL, ext4,
            {"kind": "groups", "controllers": BOTH, "groups": groups}, P99, LOOPS, direct=direct,
        )  # fmt: skip


def long():
    """A minute each, so that the throttling of dirty memory is in it."""
    large = on_filesystem("ext4", 4, mib=LARGE_MIB)
    for rw, block in (("write", "4k"), ("randwrite", "4k"), ("write", "128k")):
        name = f"{rw}-{block}"
        for controllers in (BOTH, ()):
            work = fio(WALL, rw, 32, block, seconds=60, **({"controllers": controllers} if controllers else {}))
            yield Case(
                f"long-{'cgroup' if controllers else 'root'}-{name}",
                f"buffered, {block} {WORDS[rw]}, depth 32, 60 s, in {'a' if controllers else 'the root'} cgroup",
                WALL, large, work, IOPS, LOOPS, direct=False,
            )  # fmt: skip


def cases():
    for instrument in (INSTRUCTIONS, WALL):
        for group in (buffered, cold, direct):
            yield from group(instrument)
    yield from several()
    yield from long()
