# SPDX-License-Identifier: GPL-2.0
"""loop.ko, built for one of the lab's kernels as build/<series>/loop.ko.

Without pinned mode (`make … LOOP_PINNED=n`) it is build/<series>/core/loop.ko. What is in samples/
is built beside it for its own tests only.

The sources are copied to a directory of the build's own first: kbuild leaves
its objects beside the sources, and those of two kernels must not meet.
"""

import io
import os
import shutil

from . import cache
from .say import Failure, Step, say

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOURCES = (".rs", ".c", ".h")
SAMPLES = "samples"
NOT_DRIVER = ("build", "scripts", "tests", SAMPLES)


def sources():
    """Paths of what kbuild needs for the driver, relative to the repository."""
    for base, dirs, files in os.walk(REPO):
        dirs[:] = [name for name in dirs if not name.startswith(".")]
        if base == REPO:
            dirs[:] = [name for name in dirs if name not in NOT_DRIVER]
        for name in files:
            if name in ("Kbuild", "VERSION") or name.endswith(SOURCES) and not name.endswith(".mod.c"):
                yield os.path.relpath(os.path.join(base, name), REPO)


def sample_sources():
    """Paths of what kbuild needs besides for the sample."""
    for name in os.listdir(os.path.join(REPO, SAMPLES)):
        if name.endswith(SOURCES):
            yield os.path.join(SAMPLES, name)


def same_stat(one, other):
    return (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)


def copy_sources(where):
    """Bring the copy up to date; untouched files keep their times, so make does little."""
    wanted = {*sources(), *sample_sources()}
    if "Kbuild" not in wanted:
        raise Failure(f"there is no Kbuild in {REPO}: no driver to build")
    for name in wanted:
        source, target = os.path.join(REPO, name), os.path.join(where, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.exists(target) or not same_stat(os.stat(source), os.stat(target)):
            shutil.copy2(source, target)
    for base, _, files in os.walk(where):
        for name in files:
            path = os.path.relpath(os.path.join(base, name), where)
            if name.endswith(SOURCES) and not name.endswith(".mod.c") and path not in wanted:
                os.unlink(os.path.join(where, path))


def kbuild(stock, where, *arguments, copied=False):
    """Build the copy in a directory, made before or now; compiler messages go to standard error."""
    name = os.path.basename(where)
    os.makedirs(where, exist_ok=True)
    if not copied:
        copy_sources(where)
    with Step(f"building loop.ko for {stock.release}", cache.log(f"{name}-{stock.series}")) as step:
        command = stock.command("make", "-C", stock.kdir, f"M={where}", *stock.make_arguments, *arguments, "modules")
        try:
            step.run(*command)
        except Failure:
            with open(step.log) as log:
                say("\n" + log.read())
            raise
    with open(step.log) as log:
        text = log.read()
    if "warning:" in text:
        say("\n" + text)


def place_of(stock):
    """The directory of what is built for a kernel, of the form that was asked for: see Kbuild."""
    place = os.path.join(REPO, "build", stock.series)
    return place if os.environ.get("LOOP_PINNED", "y") == "y" else os.path.join(place, "core")


def build(stock, ko="loop.ko", *arguments):
    """The path of loop.ko for a kernel, up to date; or of another module that the arguments ask for."""
    place = place_of(stock)
    result = os.path.join(place, ko)
    with cache.locked(os.path.join(place, ".lock"), "building the module"):
        kbuild(stock, os.path.join(place, "module"), *arguments)
        built = os.path.join(place, "module", ko)
        if not os.path.exists(result) or not same_stat(os.stat(built), os.stat(result)):
            shutil.copy2(built, result + ".new")
            os.rename(result + ".new", result)
    return result


def build_sample(stock):
    """The path of samples/rust_mirror.rs as a module."""
    return build(stock, "rust_mirror.ko", "SAMPLES=y")


def broken_texts(changes):
    """Of changes (file, text, what takes its place) those whose text is not there exactly once."""
    for name, old, _ in changes:
        path = os.path.join(REPO, name)
        with open(path) if os.path.exists(path) else io.StringIO() as file:
            if (count := file.read().count(old)) != 1:
                yield f"{name} has {count} times: {old.strip()}"


def build_changed(stock, name, changes):
    """The path of loop.ko with changes (file, text, what takes its place), in a directory of its own."""
    where = os.path.join(place_of(stock), name)
    with cache.locked(where + ".lock", "building the broken module"):
        for complaint in broken_texts(changes):
            raise Failure(f"the driver cannot be broken: {complaint}")
        shutil.rmtree(where, ignore_errors=True)
        copy_sources(where)
        for path, old, new in changes:
            path = os.path.join(where, path)
            with open(path) as file:
                text = file.read()
            with open(path, "w") as file:
                file.write(text.replace(old, new))
        kbuild(stock, where, copied=True)
    return os.path.join(where, "loop.ko")
