# SPDX-License-Identifier: GPL-2.0
"""Cases of synchronous I/O: each write is waited for, and made durable, before the next one."""

from .model import INSTRUCTIONS, IOPS, LOOPS, ON_DEVICE, PER_IO, TIME, WALL, Backing, Case, fio, null_blk, on_filesystem

NEIGHBOURS = ("raw", "c", "ours")
CPUS = {INSTRUCTIONS: 1, WALL: 4}
LATENCY = {"irqmode": 2, "completion_nsec": 50_000}
MIB = 64
# In two seconds there are too few of these writes for rounds to agree.
SECONDS = 8
# The smallest that mkfs.xfs takes is 300.
IMAGE_MIB = 320
# How a program has its writes made durable: pattern, options of fio, title.
WAYS = {
    "fsync": ("randwrite", "--fsync=1", "fsync after each 4 KiB write"),
    "fdatasync": ("randwrite", "--fdatasync=1", "fdatasync after each 4 KiB write"),
    "dsync": ("randwrite", "--sync=dsync", "4 KiB writes with O_DSYNC"),
    # Each of these has something to commit. The others leave out the commit where a block is written twice within a
    # tick, since the file's times are the same then.
    "append": ("write", "--fsync=1 --fallocate=none", "fsync after each 4 KiB appended to a new file"),
}


def synced(instrument, direct, inner="ext4", outer="ext4", jobs=1, way="fsync"):
    rw, options, title = WAYS[way]
    name = f"{way}-{'direct' if direct else 'buffered'}-{jobs}"
    title += f", {inner} on loop ({'direct' if direct else 'buffered'}) on {outer}"
    if (inner, outer) != ("ext4", "ext4"):
        name += f"-{inner}-{outer}"
    if jobs > 1:
        title += f", {jobs} jobs"
    more = f"{options} --size={MIB}m --numjobs={jobs} --group_reporting"
    appends = {"appends": True} if way == "append" else {}
    return Case(
        name if instrument == INSTRUCTIONS else f"wall-{name}", title, instrument,
        on_filesystem(outer, CPUS[instrument], mib=IMAGE_MIB, **LATENCY),
        fio(instrument, rw, 1, engine="psync", direct=0, filesystem=inner, mib=MIB, more=more, seconds=SECONDS) | appends,
        PER_IO if instrument == INSTRUCTIONS else IOPS, LOOPS if appends else NEIGHBOURS, direct=direct,
    )  # fmt: skip


def one_at_a_time(instrument):
    """Depth 1, on the device itself."""
    ext4 = on_filesystem("ext4", CPUS[instrument], mib=IMAGE_MIB, **LATENCY)
    for direct in (False, True):
        for rw, more in (("randread", ""), ("randwrite", ""), ("randwrite", "--sync=dsync")):
            name = f"one-{'dsync' if more else rw}-{'direct' if direct else 'buffered'}"
            yield Case(
                name if instrument == INSTRUCTIONS else f"wall-{name}",
                f"4 KiB {rw}{' with O_DSYNC' if more else ''}, depth 1, {'direct' if direct else 'buffered'}", instrument, ext4,
                fio(instrument, rw, 1, engine="psync", more=more), PER_IO if instrument == INSTRUCTIONS else IOPS,
                NEIGHBOURS, direct=direct,
            )  # fmt: skip


def large(direct):
    return Case(
        f"wall-sync-{'direct' if direct else 'buffered'}",
        f"sync after 128 MiB written to a file, ext4 on loop ({'direct' if direct else 'buffered'}) on ext4", WALL,
        on_filesystem("ext4", 4, mib=IMAGE_MIB, **LATENCY), {"kind": "sync", "filesystem": "ext4", "mib": 128}, TIME, NEIGHBOURS,
        direct=direct,
    )  # fmt: skip


def cases():
    for instrument in (INSTRUCTIONS, WALL):
        for direct in (False, True):
            for jobs in (1, 4):
                yield synced(instrument, direct, jobs=jobs)
            yield synced(instrument, direct, way="dsync")
            yield synced(instrument, direct, way="fdatasync")
            yield synced(instrument, direct, way="append")
            for inner, outer in (("ext4", "xfs"), ("xfs", "ext4"), ("xfs", "xfs"), ("btrfs", "btrfs")):
                yield synced(instrument, direct, inner, outer)
        yield from one_at_a_time(instrument)
    for direct in (False, True):
        yield large(direct)
    yield Case(
        "pinned-fsync", "pinned ext4 file, fsync after each 4 KiB random write", INSTRUCTIONS,
        on_filesystem("ext4", 1, cache_size=64, **LATENCY),
        fio(INSTRUCTIONS, "randwrite", 1, engine="psync", more="--fsync=1"), PER_IO, ("c", "ours", "pinned"),
    )  # fmt: skip
    device = Backing("block device with a cache", null_blk(4, memory_backed=1, cache_size=64, **LATENCY))
    yield Case(
        "wall-one-dsync-device", "block device with a cache, 4 KiB random write with O_DSYNC, depth 1", WALL, device,
        fio(WALL, "randwrite", 1, engine="psync", more="--sync=dsync"), IOPS, ON_DEVICE,
    )  # fmt: skip
