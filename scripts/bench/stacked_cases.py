# SPDX-License-Identifier: GPL-2.0
"""Cases on what device mapper makes of disks, as LVM, LUKS and RAID do."""

from .model import CPUS, INSTRUCTIONS, IOPS, PER_IO, WALL, WORDS, Backing, Case, fio, null_blk, on_filesystem

# By the name in guest/bench.py; multipath is the one of bios.
STACKS = {
    "linear": "dm-linear",
    "crypt": "dm-crypt",
    "raid1": "md RAID 1",
    "raid5": "md RAID 5",
    "multipath": "dm-multipath",
}
FILE_ON = ("linear", "crypt", "raid1")
# Here the raw backing is the stack, or the file on it.
NEIGHBOURS = {"device": ("raw", "c", "ours"), "file": ("raw", "c", "ours", "pinned")}


def on_stack(instrument, stack, kind):
    """Backing of a case, and its title."""
    cpus = CPUS[instrument]
    if kind == "file":
        return on_filesystem("ext4", cpus, stack=stack), f"ext4 file on {STACKS[stack]}, direct"
    return Backing(STACKS[stack], null_blk(cpus), stack), STACKS[stack]


def by_instructions(stack, kind):
    backing, title = on_stack(INSTRUCTIONS, stack, kind)
    prefix = f"stacked-{stack}" + ("-file" if kind == "file" else "")
    for rw in ("randread", "randwrite"):
        yield Case(
            f"{prefix}-{rw}", f"{title}, 4 KiB {WORDS[rw]}, depth 64",
            INSTRUCTIONS, backing, fio(INSTRUCTIONS, rw, 64), PER_IO, NEIGHBOURS[kind],
        )  # fmt: skip
    for rw in ("read", "write"):
        yield Case(
            f"{prefix}-seq{rw}", f"{title}, 128 KiB {WORDS[rw]}, depth 16",
            INSTRUCTIONS, backing, fio(INSTRUCTIONS, rw, 16, "128k"), PER_IO, NEIGHBOURS[kind],
        )  # fmt: skip


def by_the_clock(stack, kind):
    backing, title = on_stack(WALL, stack, kind)
    for rw in ("randread", "randwrite"):
        yield Case(
            f"wall-stacked-{stack}" + ("-file" if kind == "file" else "") + f"-{rw}",
            f"{title}, 12 jobs, 4 KiB {WORDS[rw]}, depth 16", WALL, backing,
            fio(WALL, rw, 16, more="--numjobs=12 --group_reporting"), IOPS, NEIGHBOURS[kind],
        )  # fmt: skip


def cases():
    for group in (by_instructions, by_the_clock):
        for kind, stacks in (("device", STACKS), ("file", FILE_ON)):
            for stack in stacks:
                yield from group(stack, kind)
