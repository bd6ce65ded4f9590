# SPDX-License-Identifier: GPL-2.0
"""The cache: directories that are slow to make and good until their recipe changes.

An entry's name ends in a hash of its recipe, so that two checkouts with
different recipes don't rebuild each other's. It is made where it stays, since
a kernel build tree holds its own absolute path, and is valid once its stamp
lies beside it: the stamp is written last. It holds that path, and the sizes of
the files that matter, so that a truncated or missing one is noticed. What has
no valid stamp is removed and made again.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil

from .say import Failure, say

ROOT = os.environ["RUST_LOOP_CACHE"]
LOGS = os.path.join(ROOT, "log")
GIB = 1 << 30


def path(*parts):
    return os.path.join(ROOT, *parts)


def log(name):
    return os.path.join(LOGS, name + ".log")


def recipe_key(*inputs):
    """A short hash of anything JSON can hold."""
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:12]


@contextlib.contextmanager
def locked(lock_path, waiting_for):
    """Hold an exclusive lock; say so if somebody else has it."""
    os.makedirs(os.path.dirname(lock_path), exist_ok=True)
    with open(lock_path, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another run is at {waiting_for}, waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def need_space(gib):
    os.makedirs(ROOT, exist_ok=True)
    free = shutil.disk_usage(ROOT).free / GIB
    if free < gib:
        raise Failure(
            f"{ROOT} needs {gib} GiB, {free:.1f} GiB are free\n"
            "  make room, or put the cache elsewhere with XDG_CACHE_HOME=/some/where"
        )


class Entry:
    """One directory of the cache. A subclass says its name, key, size and how it is made."""

    name = None
    key = None
    gib = 0
    # Whether make() can go on with what another one, which was interrupted, has left.
    resumable = False

    @property
    def dir(self):
        return path(f"{self.name}-{self.key}")

    @property
    def stamp(self):
        return self.dir + ".stamp"

    def make(self):
        """Fill self.dir, which exists, and is empty unless this is resumable. Returns the paths that vouch for it."""
        raise NotImplementedError

    def sizes(self, files):
        return {name: os.stat(os.path.join(self.dir, name)).st_size for name in files}

    def intact(self):
        try:
            with open(self.stamp) as stamp:
                claim = json.load(stamp)
            return claim["dir"] == self.dir and self.sizes(claim["sizes"]) == claim["sizes"]
        except (OSError, ValueError, KeyError):
            return False

    def get(self):
        """The entry, made first if it has to be."""
        if self.intact():
            return self
        with locked(path(self.name + ".lock"), f"making {self.name}"):
            if not self.intact():
                self.remake()
        return self

    def remake(self):
        resume = self.resumable and not os.path.exists(self.stamp)
        if os.path.exists(self.dir):
            say(f"{self.name} in the cache is broken or half made, {'going on with it' if resume else 'making it again'}")
        need_space(self.gib)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.stamp)
        if not resume:
            shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir, exist_ok=True)
        sizes = self.sizes(self.make())
        with open(self.stamp + ".new", "w") as stamp:
            json.dump({"dir": self.dir, "sizes": sizes}, stamp, indent=1)
        os.rename(self.stamp + ".new", self.stamp)
