# SPDX-License-Identifier: GPL-2.0
"""`make profile`: where the instructions of an I/O go, by function and by layer.

QEMU counts them (see qemu-profile.c) while fio is at it, so the figures
are exact, also with interrupts off: no sampling. Of code that is inlined, the
function it is inlined into is named.
"""

import base64
import bisect
import collections
import os
import re
import subprocess
import tempfile
import zlib

from lab import accelerator, cache
from lab.say import Failure, Step, say

from . import model
from .report import NAMES, figure

ROWS = 45
USER_END = 1 << 47
# The first that matches. The patterns see the function's name, the first column that of its module.
LAYERS = (
    ("loop", r"loop", r""),
    ("null_blk", r"null_blk", r""),
    ("dm", r"dm_mod", r""),
    ("ublk", r"ublk_drv", r""),
    ("ext4, jbd2", r"", r"ext4|jbd2|__es_|iomap"),
    ("xfs", r"xfs", r""),
    ("btrfs", r"btrfs", r""),
    ("aio, io_uring", r"", r"^_*(do_|sys_|x64_sys_)*(aio|io_(submit|getevents|uring|cqring|sqe|req|issue|read|write|rw|prep|init_req)|lookup_ioctx|iocb|kiocb)|_io_(submit|getevents)|^read_events|uring"),
    ("copying", r"", r"copy_|memcpy|memset|memmove|rep_|clear_page|_iter_|iov_iter|bvec"),
    ("block", r"", r"^_*(blk|bio|blkdev|bdev|submit_bio|sbitmap|elv|rq_|part_|bd_|disk|mq_|req_|kblockd|update_io_ticks|bvec|wbt|ioprio|should_fail|dd_)|sbitmap|__submit_bio|blk_"),
    ("workqueue", r"", r"queue_work|worker|process_one_work|process_scheduled|insert_work|pwq|wq_|kick_pool|delayed_work|work_"),
    ("scheduler", r"", r"sched|^_*(enqueue|dequeue|pick|put_prev|set_next|update_(curr|load|rq|se|cfs)|place_entity|avg_vruntime|ttwu|try_to_wake|wake|context_switch|switch_|finish_task|reweight|entity|cpuacct|psi_|prepare_task|select_task|check_preempt|wakeup|autoremove|prepare_to_wait|finish_wait|rb_|raw_spin_rq|resched|vruntime|cgroup_rstat|clear_buddies|min_vruntime|activate_task|default_wake|native_load|load_new|set_task|llist|do_task|nohz|save_fpregs|xsave|restore_fpregs|fpregs)"),
    ("locks, RCU", r"", r"lock|mutex|rcu|rwsem|preempt|percpu_ref|lockref|up_read|down_read|refcount"),
    ("memory", r"", r"^_*(kmem|slab|kmalloc|kfree|mempool|get_page|put_page|folio|filemap|page|pin_user|gup|unpin|get_user_pages|alloc|free|memcg|mem_cgroup|obj_cgroup|xas|xa_|lru|rmqueue|mod_|dirty|writeback|balance|follow|try_grab|cache_|find_|shmem|vm_|pte|walk)|folio|slab|memcg|page_"),
    ("time", r"", r"ktime|clock|timer|tick|read_tsc|timekeeping|hrtimer|getns|vdso|jiffies"),
    ("entry, signals", r"", r"entry|syscall|asm_|irq|exc_|fdget|fput|fget|sys_|exit_to|task_work|signal"),
    ("VFS", r"", r"^_*(vfs|generic|file|inode|touch|atime|sb_|mnt|fsnotify|security|rw_verify|notify|current_time|kill_|dio|mark_)|file_"),
)  # fmt: skip


def plugin():
    """The plugin, built for this run's toolbox."""
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "qemu-profile.c")
    with open(source) as file:
        place = cache.path("qemu-profile-" + cache.recipe_key(file.read()) + ".so")
    if not os.path.exists(place):
        with Step("building QEMU's plugin", cache.log("qemu-profile")) as step:
            step.run("gcc", "-O2", "-shared", "-fPIC", "-o", place + ".new", source)
        os.rename(place + ".new", place)
    return place


def accelerated(outfile):
    """Counting instructions, and by address too."""
    options = ["-plugin", f"{plugin()},outfile={outfile}"]
    return accelerator.Accelerator("icount", accelerator.ICOUNT.options + options)


def request(case):
    """The request for a case: a run that lasts longer than the window in which is counted."""
    if case.work["kind"] != "fio" or case.instrument != model.INSTRUCTIONS:
        raise Failure(f"{case.name} has no profile: only cases of fio that count instructions have")
    work = dict(case.work)
    for name in ("options", "raw_options"):
        if name in work:
            work[name] = re.sub(r"--ramp_time=\S+ --runtime=\S+", "--runtime=1500ms", work[name])
    return work | {"settle": 0.4, "window": 0.4}


class Symbols:
    """What function an address belongs to, and the module of it."""

    def __init__(self, *packed):
        texts = (zlib.decompress(base64.b64decode(part)).decode() for part in packed)
        lines = [line.split() for text in texts for line in text.split("\n") if line]
        rows = sorted((int(words[0], 16), words[2:]) for words in lines)
        self.addresses = [address for address, _ in rows]
        self.names = [(words[0], words[1].strip("[]") if len(words) > 1 else "") for _, words in rows]

    def find(self, address):
        if address < USER_END:
            return "[user space]", ""
        return self.names[bisect.bisect(self.addresses, address) - 1]


def demangled(names):
    """Rust's names as one reads them, without the crates' hashes."""
    done = subprocess.run(
        ["c++filt", "-s", "rust"], input="\n".join(names), capture_output=True, text=True, check=True
    )
    return dict(zip(names, (re.sub(r"\[[0-9a-f]+\]", "", line) for line in done.stdout.split("\n"))))


def layer(name, module):
    if name == "[user space]":
        return "user space"
    for title, of_module, of_name in LAYERS:
        if of_module:
            if module == of_module:
                return title
        elif re.search(of_name, name):
            return title
    return "other"


class Profile:
    """Instructions per I/O of one neighbour: by (function, module)."""

    def __init__(self, result, symbols, path):
        self.per_io = 1e9 / result["iops"]
        ios = result["iops"] * result["seconds"]
        counts = collections.Counter()
        with open(path) as file:
            for line in file:
                address, insns, runs = line.split()
                counts[symbols.find(int(address, 16))] += int(insns) * int(runs)
        self.functions = collections.Counter({key: count / ios for key, count in counts.items()})

    @property
    def total(self):
        return self.functions.total()


def table(rows, columns, width):
    """`rows`: (name, values by neighbour). Sorted by what ours adds to the first column."""
    first, last = columns[0], columns[-1]
    print(f"{'':{width}}" + "".join(f"{NAMES[name]:>10}" for name in columns) + f"{NAMES[last] + ' - ' + NAMES[first]:>14}")
    for name, values in rows:
        cells = "".join(f"{figure(values[column]) if values[column] >= 0.5 else '':>10}" for column in columns)
        print(f"{name[: width - 1]:{width}}{cells}{values[last] - values[first]:>+14,.0f}")


def show(case, profiles):
    columns = [name for name in case.neighbours if name in profiles]
    print(f"\n{case.name}: {case.title}, instructions per I/O")
    by_layer = collections.defaultdict(collections.Counter)
    by_function = collections.defaultdict(collections.Counter)
    readable = demangled({name for profile in profiles.values() for name, _ in profile.functions})
    for column, profile in profiles.items():
        for (name, module), count in profile.functions.items():
            # A driver by its own name in both columns: the functions of the two differ.
            by_layer[layer(name, module)][column] += count
            by_function[readable[name] + (f" [{module}]" if module else "")][column] += count
        by_layer["all that was counted"][column] = profile.total
        by_layer["by fio's IOPS"][column] = profile.per_io

    def added(row):
        return -abs(row[1][columns[-1]] - row[1][columns[0]])

    print("\nby layer")
    table(sorted(by_layer.items(), key=added), columns, 40)
    print(f"\nby function, the {ROWS} in which {NAMES[columns[-1]]} and {NAMES[columns[0]]} differ most")
    table(sorted(by_function.items(), key=added)[:ROWS], columns, 90)


def run(cases, boot, wanted):
    """Profile cases; `boot` runs a request in a guest and returns it, done."""
    for case in cases:
        with tempfile.TemporaryDirectory() as temporary:
            outfile = os.path.join(temporary, "blocks")
            neighbours = [name for name in case.neighbours if name in wanted]
            asked = case.request(neighbours, 1) | {"work": request(case)}
            done = boot(case, accelerated(outfile), {"profile": True, "backing": case.backing.spec(), "cases": [asked]})
            profiles = {}
            for result in done.results:
                if "symbols" in result:
                    symbols = Symbols(done.symbols, result["symbols"])
                    profiles[result["neighbour"]] = Profile(result, symbols, f"{outfile}.{result['window']}")
            if not profiles:
                raise Failure(f"{case.name}: nothing could be measured")
            show(case, profiles)
