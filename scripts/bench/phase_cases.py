# SPDX-License-Identifier: GPL-2.0
"""Cases of what came before: the state that a file, its cache and its file system are in while the same work is done."""

from .model import INSTRUCTIONS, LOOPS, PER_IO, Case, Target, fio, job, on_filesystem

EXT4 = on_filesystem("ext4")
# So slow that a commit takes a while.
SLOW = on_filesystem("ext4", irqmode=2, completion_nsec=50_000)

# What guest/bench.py does before the work, or meanwhile.
PHASES = {
    "made": ("just made by dd", EXT4, {"fresh": True}),
    "cold": ("just mounted", EXT4, {"remount": True}),
    "warming": ("half of it cached", EXT4, {"remount": True, "cached": 2}),
    "hot": ("all of it cached", EXT4, {"hot": True}),
    "read": ("after a phase of reads", EXT4, {"remount": True, "before": job(INSTRUCTIONS, "randread", 64)}),
    "commit": ("beside commits of the journal", SLOW, {"commits": True}),
}
WORK = {
    "direct-randwrite": ("direct, 4 KiB random write, depth 64", True, ("randwrite", 64)),
    "buffered-randread": ("buffered, 4 KiB random read, depth 64", False, ("randread", 64)),
    "buffered-seqread": ("buffered, 128 KiB sequential read, depth 16", False, ("read", 16, "128k")),
}


def cases():
    for phase, (state, backing, options) in PHASES.items():
        for name, (title, direct, arguments) in WORK.items():
            yield Case(
                f"phase-{phase}-{name}", f"ext4 file, {state}, {title}", INSTRUCTIONS, backing,
                fio(INSTRUCTIONS, *arguments) | options, PER_IO, LOOPS, direct=direct, targets=(Target("c", 1.01),),
            )  # fmt: skip
