# SPDX-License-Identifier: GPL-2.0
"""The litmus tests in tests/litmus: orderings that data depends on, under the kernel's memory model.

herd7 tries every execution that the model (tools/memory-model of the kernel)
allows. In none may a test's `exists` clause hold. A line

    Mutant: OLD => NEW

in a test's comment weakens the test, by replacing the first OLD by NEW: then the
clause has to hold in some execution, which shows that the test can fail. There,
`( *` stands for what would begin a comment.

Debian has herd7 from the release after the toolbox's on. It is run with the
libraries of that release.
"""

import glob
import os
import re
import shutil
import subprocess
import tempfile

from . import apt, cache, module
from .say import Failure, Step

SUITE = "testing"
PACKAGES = ("herdtools7", "libc6", "libgmp10")
LIBRARIES = "usr/lib/x86_64-linux-gnu"
MODELS = "usr/share/herdtools7/herd"
TESTS = os.path.join(module.REPO, "tests/litmus")
OBSERVATION = re.compile(r"^Observation (\S+) (\w+)", re.MULTILINE)
KNOWN = re.compile(r"C (\S+).*?\* Result: (\w+)", re.DOTALL)
MUTANT = re.compile(r"^ \* Mutant: (.*?) =>(.*)$", re.MULTILINE)


class Herd(cache.Entry):
    name = "herd"
    gib = 1
    key = cache.recipe_key(1, SUITE, PACKAGES)

    def make(self):
        apt.update()
        unpacked = os.path.join(self.dir, "unpacked")
        os.mkdir(unpacked)
        with Step("fetching herd7", cache.log("herd")) as step:
            apt.unpack(step, PACKAGES, unpacked, suite=SUITE)
        # A tenth of the packages.
        for name in ("usr/bin/herd7", LIBRARIES, MODELS):
            os.makedirs(os.path.dirname(os.path.join(self.dir, name)), exist_ok=True)
            os.rename(os.path.join(unpacked, name), os.path.join(self.dir, name))
        shutil.rmtree(unpacked)
        return ["usr/bin/herd7", f"{LIBRARIES}/libc.so.6"]

    def observe(self, stock, files):
        """What the model of a kernel says of each test (Never, Sometimes, Always), by the test's name."""
        libraries = os.path.join(self.dir, LIBRARIES)
        command = [
            f"{libraries}/ld-linux-x86-64.so.2", "--library-path", libraries, os.path.join(self.dir, "usr/bin/herd7"),
            "-set-libdir", os.path.join(self.dir, MODELS), "-conf", "linux-kernel.cfg", *files,
        ]  # fmt: skip
        model = os.path.join(stock.source, "tools/memory-model")
        done = subprocess.run(command, cwd=model, capture_output=True, text=True)
        return dict(OBSERVATION.findall(done.stdout)), done.stderr


def read(path):
    with open(path) as file:
        return file.read()


def check_herd(herd, stock):
    """Fail if herd7 and the kernel's model do not agree on the tests that the kernel has."""
    files = glob.glob(os.path.join(stock.source, "tools/memory-model/litmus-tests/*.litmus"))
    expected = dict(found.groups() for found in map(KNOWN.match, map(read, files)) if found)
    observed, errors = herd.observe(stock, files)
    if not expected or not expected.items() <= observed.items():
        raise Failure(f"herd7 and the kernel's model do not agree on the kernel's own tests\n{errors}")


def mutants(name, text):
    """Name and text of each mutant of a test. One without the text to be replaced is as strong as the test."""
    head, _, body = text.partition("*)")
    for number, mutant in enumerate(MUTANT.findall(head), 1):
        old, new = (part.strip().replace("( *", "(*") for part in mutant)
        yield f"{name}-mutant-{number}", f"C {name}-mutant-{number}\n{body.replace(old, new, 1)}"


def complaints(stock):
    """What is wrong with the tests, or with what they test."""
    herd = Herd().get()
    check_herd(herd, stock)
    texts, expected = {}, {}
    for path in sorted(glob.glob(f"{TESTS}/*.litmus")):
        name, text = os.path.basename(path).removesuffix(".litmus"), read(path)
        weaker = dict(mutants(name, text))
        if not weaker:
            yield f"{path}: no mutant"
        texts |= {name: text} | weaker
        expected |= {name: "Never"} | dict.fromkeys(weaker, "Sometimes")
    if not texts:
        yield f"{TESTS}: no tests"
    with tempfile.TemporaryDirectory() as place:
        for name, text in texts.items():
            with open(f"{place}/{name}.litmus", "w") as file:
                file.write(text)
        observed, errors = herd.observe(stock, [f"{place}/{name}.litmus" for name in texts])
    for name, result in expected.items():
        if observed.get(name) != result:
            yield f"tests/litmus: {name}: {observed.get(name, 'no result')}, should be {result}"
    if observed.keys() != expected.keys():
        yield errors
