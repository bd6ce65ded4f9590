# SPDX-License-Identifier: GPL-2.0
"""What `make bench` measures: the cases, and what each is to reach."""

from . import cgroup_cases, phase_cases, program_cases, stacked_cases, sync_cases
from .model import (
    ALL,
    CPUS,
    INSTRUCTIONS,
    IOPS,
    LONGEST,
    LOOPS,
    MEMORY,
    MILLISECOND,
    ON_BLOCKS,
    ON_DEVICE,
    ON_FILE,
    P99,
    PER_IO,
    TIME,
    TITLES,
    WALL,
    WORDS,
    WORK,
    Backing,
    Case,
    Target,
    fio,
    null_blk,
    on_filesystem,
)

__all__ = ["ALL", "CASES", "CPUS", "INSTRUCTIONS", "WALL"]


def device_cases():
    """Direct I/O on a block device: the driver alone."""
    backing = Backing("block device", null_blk(1))
    for depth in (64, 16, 1):
        for engine in ("libaio", "io_uring") if depth == 64 else ("libaio",):
            for rw in ("randread", "randwrite"):
                yield Case(
                    f"device-{rw}-{depth}" + ("-uring" if engine == "io_uring" else ""),
                    f"block device, 4 KiB {WORDS[rw]}, depth {depth}, {engine}",
                    INSTRUCTIONS, backing, fio(INSTRUCTIONS, rw, depth, engine=engine), PER_IO, ON_DEVICE,
                    targets=(Target("raw", 2500, "difference"),) if depth == 64 else (),
                )  # fmt: skip
    for rw in ("read", "write"):
        yield Case(
            f"device-seq{rw}", f"block device, 128 KiB {WORDS[rw]}, depth 16",
            INSTRUCTIONS, backing, fio(INSTRUCTIONS, rw, 16, "128k"), PER_IO, ON_DEVICE,
        )  # fmt: skip


def file_cases():
    """Direct I/O on a file, against O_DIRECT on the file itself."""
    for kind in ("ext4", "xfs", "btrfs"):
        backing = on_filesystem(kind)
        for depth in (64, 16, 1) if kind == "ext4" else (64,):
            for rw in ("randread", "randwrite"):
                # As many IOPS as the file itself: no more instructions.
                targets = (Target("raw", 1.0),) if kind == "ext4" and depth == 64 else ()
                yield Case(
                    f"{kind}-{rw}-{depth}", f"{kind} file, direct, 4 KiB {WORDS[rw]}, depth {depth}",
                    INSTRUCTIONS, backing, fio(INSTRUCTIONS, rw, depth), PER_IO, ON_FILE, targets=targets,
                )  # fmt: skip
        for rw in ("read", "write") if kind == "ext4" else ():
            yield Case(
                f"ext4-seq{rw}", f"ext4 file, direct, 128 KiB {WORDS[rw]}, depth 16",
                INSTRUCTIONS, backing, fio(INSTRUCTIONS, rw, 16, "128k"), PER_IO, ON_FILE,
            )  # fmt: skip


def sector_cases():
    """Sectors smaller than those of the disk: the C driver goes through the page cache."""
    disk = {"blocksize": 4096}
    for kind, backing in (
        ("device", Backing("disk of 4096-byte sectors", null_blk(1, **disk))),
        ("ext4", on_filesystem("ext4", **disk)),
    ):
        title = f"{TITLES[kind]}, disk of 4096-byte sectors"
        for rw in ("randread", "randwrite"):
            same = f"sector-{kind}-{rw}-4096"
            yield Case(
                same, f"{title}, the same on loop, 4 KiB {WORDS[rw]}, depth 64", INSTRUCTIONS, backing,
                fio(INSTRUCTIONS, rw, 64), PER_IO, ("raw", *LOOPS), sector=4096,
            )  # fmt: skip
            yield Case(
                f"sector-{kind}-{rw}", f"{title}, 512 on loop, 4 KiB {WORDS[rw]}, depth 64", INSTRUCTIONS, backing,
                fio(INSTRUCTIONS, rw, 64), PER_IO, LOOPS, sector=512, targets=(Target("ours", 1.01, case=same),),
            )  # fmt: skip
            yield Case(
                f"sector-{kind}-{rw}-512", f"{title}, 512 on loop, 512 byte {WORDS[rw]}, depth 64", INSTRUCTIONS, backing,
                # Three times what two whole blocks take.
                fio(INSTRUCTIONS, rw, 64, "512"), PER_IO, LOOPS, sector=512, targets=(Target("ours", 6.0, case=same),),
            )  # fmt: skip


def batch_cases():
    """Submitted 16 at a time, as servers do: the block layer holds them back, and hands them over together."""
    for kind, backing, neighbours in (
        ("device", Backing("block device", null_blk(1)), ON_DEVICE),
        ("ext4", on_filesystem("ext4"), ON_FILE),
        ("pinned", on_filesystem("ext4"), ON_BLOCKS),
    ):
        for rw in ("randread", "randwrite"):
            yield Case(
                f"{kind}-{rw}-batch", f"{TITLES[kind]}, 4 KiB {WORDS[rw]}, depth 64, 16 at a time",
                INSTRUCTIONS, backing,
                fio(INSTRUCTIONS, rw, 64, more="--iodepth_batch_submit=16 --iodepth_batch_complete_min=16"),
                PER_IO, neighbours,
            )  # fmt: skip


def pinned_cases():
    """Straight to the blocks of a file."""
    reach = (
        Target("disk", 2500, "difference", subject="pinned"),
        Target("raw", 0.75, subject="pinned"),
    )
    for rw in ("randread", "randwrite"):
        yield Case(
            f"pinned-{rw}", f"pinned ext4 file, 4 KiB {WORDS[rw]}, depth 64",
            INSTRUCTIONS, on_filesystem("ext4"), fio(INSTRUCTIONS, rw, 64), PER_IO, ON_BLOCKS, targets=reach,
        )  # fmt: skip
    for rw in ("randread", "randwrite"):
        yield Case(
            f"wall-pinned-{rw}", f"pinned ext4 file, 4 jobs, 4 KiB {WORDS[rw]}, depth 64",
            WALL, on_filesystem("ext4", 4), fio(WALL, rw, 64, more="--numjobs=4 --group_reporting"), IOPS,
            ON_BLOCKS, targets=(Target("raw", 1.0, subject="pinned"),),
        )  # fmt: skip


def pinning_cases():
    """What it takes to get there. By the guest's clock, of a machine that does nothing else."""
    yield Case(
        "pin-fill", "longest 4 KiB write while the holes of a 1 GiB ext4 file are filled", INSTRUCTIONS,
        on_filesystem("ext4", content="sparse", mib=1024, size=1536),
        {
            "kind": "pin",
            "how": "fill",
            "options": "--name=bench --rw=randwrite --bs=4k --iodepth=4 --ioengine=libaio --direct=1 --rate_iops=200"
            " --time_based --runtime=3600s",
        },
        LONGEST, ("ours",), targets=(Target("ours", 100_000, "absolute"),),
    )  # fmt: skip
    yield Case(
        "pin-64g", "to pin a 64 GiB ext4 file of few extents", INSTRUCTIONS,
        on_filesystem("ext4", content="written", mib=64 << 10, size=66 << 10), {"kind": "pin", "how": "1"},
        TIME, ("ours",), targets=(Target("ours", 1_000_000, "absolute"),),
    )  # fmt: skip


def buffered_cases():
    """Through the file's page cache, which is hot."""
    backing = on_filesystem("ext4")
    for rw in ("randread", "randwrite"):
        yield Case(
            f"buffered-{rw}", f"buffered, hot cache, 4 KiB {WORDS[rw]}, depth 64",
            INSTRUCTIONS, backing, fio(INSTRUCTIONS, rw, 64, hot=True, raw_direct=0), PER_IO, ON_FILE, direct=False,
            targets=(Target("c", 0.8),) if rw == "randread" else (),
        )  # fmt: skip
    for rw in ("read", "write"):
        yield Case(
            f"buffered-seq{rw}", f"buffered, 128 KiB {WORDS[rw]}, depth 16",
            INSTRUCTIONS, backing, fio(INSTRUCTIONS, rw, 16, "128k", raw_direct=0), PER_IO, ON_FILE, direct=False,
        )  # fmt: skip
    yield Case(
        "livecd", "squashfs on a buffered device, all files read once, cold",
        INSTRUCTIONS, on_filesystem("ext4", content="squashfs"), {"kind": "tree"}, WORK, ("c", "rublk", "ours"),
        direct=False,
    )  # fmt: skip


def sparse_cases():
    for direct in (True, False):
        yield Case(
            f"sparse-{'direct' if direct else 'buffered'}",
            f"sparse ext4 file, {'direct' if direct else 'buffered'}, 4 KiB random write, depth 64",
            INSTRUCTIONS, on_filesystem("ext4", content="sparse"),
            fio(INSTRUCTIONS, "randwrite", 64, fresh=True, raw_direct=int(direct)), PER_IO, ON_FILE, direct=direct,
        )  # fmt: skip


def wall_cases():
    device = Backing("block device", null_blk(4))
    for rw in ("randread", "randwrite"):
        yield Case(
            f"wall-device-{rw}", f"block device, 4 jobs, 4 KiB {WORDS[rw]}, depth 64", WALL, device,
            fio(WALL, rw, 64, more="--numjobs=4 --group_reporting"), IOPS, ON_DEVICE,
        )  # fmt: skip
    yield Case(
        "wall-device-latency", "block device, 4 KiB random read, depth 1", WALL, device,
        fio(WALL, "randread", 1), IOPS, ON_DEVICE,
    )  # fmt: skip
    ext4 = on_filesystem("ext4", 4)
    yield Case(
        "wall-fs-on-fs", "ext4 on loop (direct) on ext4, 12 jobs of mixed 4 KiB, depth 16", WALL, ext4,
        fio(
            WALL, "rw", 16, filesystem="ext4", mib=192,
            more="--numjobs=12 --size=16m --offset_increment=16m --group_reporting",
        ),
        IOPS, ON_FILE, targets=(Target("raw", 0.9),),
    )  # fmt: skip
    for rw in ("read", "write"):
        yield Case(
            f"wall-buffered-seq{rw}", f"buffered, 128 KiB {WORDS[rw]}, depth 16", WALL, ext4,
            fio(WALL, rw, 16, "128k", raw_direct=0), IOPS, ON_FILE, direct=False,
        )  # fmt: skip
    yield Case(
        "wall-livecd", "squashfs on a buffered device, all files read once, cold", WALL,
        on_filesystem("ext4", 4, "squashfs"), {"kind": "tree"}, TIME, ("c", "rublk", "ours"), direct=False,
    )  # fmt: skip
    slow = on_filesystem("ext4", 4, **MILLISECOND)
    yield Case(
        "wall-cold", "buffered, cold cache, 1 ms of latency, 4 KiB random read, depth 64", WALL, slow,
        fio(WALL, "randread", 64), IOPS, ON_FILE, direct=False, targets=(Target("c", 7.0),),
    )  # fmt: skip
    for direct in (False, True):
        yield Case(
            f"wall-fsync-{'direct' if direct else 'buffered'}",
            f"reader beside a writer that syncs each write, {'direct' if direct else 'buffered'}, 1 ms of latency",
            WALL, slow,
            {
                "kind": "fsync",
                "hot": not direct,
                "options": "--ioengine=libaio --direct=1 --bs=4k --time_based --runtime=4s --size=64m"
                " --name=writer --rw=randwrite --fsync=1 --name=reader --rw=randread --offset=64m",
            },
            P99, ("raw",) + LOOPS, direct=direct, targets=(Target("c", 0.25),),
        )  # fmt: skip


def management_cases():
    # A file in tmpfs; the devices do no I/O.
    empty = Backing("file on tmpfs", mib=1)
    for instrument, prefix in ((INSTRUCTIONS, ""), (WALL, "wall-")):
        for devices in (1, 1000):
            yield Case(
                f"{prefix}attach-{devices}",
                f"attach and detach, {devices} device{'s' if devices > 1 else ''} attached",
                instrument, empty, {"kind": "attach", "devices": devices}, TIME, LOOPS,
                # Flat in the number of devices, give or take what the kernel's own lists take.
                targets=(Target("ours", 1.25, case=f"{prefix}attach-1"),) if devices > 1 else (),
            )  # fmt: skip
    yield Case(
        "wall-memory", "memory of an attached idle device", WALL, empty,
        {"kind": "memory", "devices": 200}, MEMORY, LOOPS,
    )  # fmt: skip


CASES = tuple(
    case
    for group in (
        device_cases, sector_cases, file_cases, batch_cases, pinned_cases, pinning_cases, buffered_cases, sparse_cases, wall_cases,
        management_cases, stacked_cases.cases, phase_cases.cases, cgroup_cases.cases, sync_cases.cases, program_cases.cases,
    )  # fmt: skip
    for case in group()
)
