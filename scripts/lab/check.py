# SPDX-License-Identifier: GPL-2.0
"""`make check`: what can be said about the sources without running them."""

import concurrent.futures
import glob
import os
import subprocess

from . import cache, kernel, links, litmus, module, mutants, rustdoc, test_index
from .say import Failure, say

SCRIPTS = os.path.join(module.REPO, "scripts")
HOST_TESTS = "tests/host/main.rs"


def passes(*command, cwd=module.REPO):
    return subprocess.run(command, cwd=cwd).returncode == 0


def rustfmt(stock):
    """Formatted as the kernel's .rustfmt.toml says."""
    sources = [*module.sources(), *module.sample_sources()]
    files = [name for name in sources if name.endswith(".rs")] + [HOST_TESTS]
    config = os.path.join(stock.source, ".rustfmt.toml")
    return passes("rustfmt", "--check", "--config-path", config, *files)


def lint(stock, name, *arguments):
    place = os.path.join(module.REPO, "build", stock.series)
    with cache.locked(os.path.join(place, ".check-lock"), "checking"):
        try:
            module.kbuild(
                stock, os.path.join(place, name), "SAMPLES=y", "CLIPPY=1", "KRUSTFLAGS=-Dwarnings", "KCFLAGS=-Werror", *arguments
            )
        except Failure as failure:
            say(failure)
            return False
    return True


def clippy(stock):
    """No warning of clippy with the kernel's lints, nor of the C compiler, for driver and sample."""
    return lint(stock, "check", "LOOP_PINNED=y")


def clippy_core(stock):
    """The same without pinned mode (LOOP_PINNED=n)."""
    return lint(stock, "check-core", "LOOP_PINNED=n")


def shellcheck(_stock):
    """shellcheck has nothing to say about the scripts and the tests."""
    scripts = [
        path for where in ("scripts/*", "scripts/guest/*", ".ci/*", "packaging/**")
        for path in glob.glob(f"{module.REPO}/{where}", recursive=True)
        if os.path.isfile(path) and open(path).readline().startswith(("#!/bin/sh", "#!/bin/bash"))
    ]  # fmt: skip
    tests = sorted(os.path.basename(path) for path in glob.glob(f"{module.REPO}/tests/*.sh"))
    count = os.cpu_count()
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        passed = pool.map(
            lambda part: passes("shellcheck", "-x", *part, cwd=os.path.join(module.REPO, "tests")),
            [tests[first::count] for first in range(count)],
        )
        return passes("shellcheck", *sorted(scripts)) and all(passed)


def manual(_stock):
    """mandoc has nothing to say about the manual page."""
    return passes("mandoc", "-Tlint", "-Wwarning", *glob.glob(f"{module.REPO}/doc/*.[1-9]"))


def documentation(stock):
    """No warning of rustdoc."""
    try:
        rustdoc.build(stock)
    except Failure as failure:
        say(failure)
        return False
    return True


def python(_stock):
    """All Python compiles."""
    for path in glob.glob(f"{SCRIPTS}/**/*.py", recursive=True) + glob.glob(f"{module.REPO}/tests/lab/*.py"):
        with open(path) as file:
            try:
                compile(file.read(), path, "exec")
            except SyntaxError as error:
                say(f"{path}:{error.lineno}: {error.msg}")
                return False
    return True


def audit(_stock):
    """The repository's own rules; see scripts/audit.py."""
    return passes("python3", f"{SCRIPTS}/audit.py")


def document_links(_stock):
    """Relative links of documents lead to files; see also `make deb`."""
    listing = ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    names = subprocess.run(listing, cwd=module.REPO, check=True, capture_output=True, text=True).stdout.split("\n")
    documents = [name for name in names if os.path.isfile(os.path.join(module.REPO, name))]
    wrong = list(links.dangling(module.REPO, documents))
    for document, link in wrong:
        say(f"{document}: no such file: {link}")
    return bool(documents) and not wrong


def tests_index(_stock):
    """Each test says what it shows, and tests/INDEX.md has it."""
    complaints = test_index.complaints()
    for complaint in complaints:
        say(complaint)
    return not complaints


def litmus_tests(stock):
    """The orderings in tests/litmus hold under the kernel's memory model, and no weaker ones do."""
    try:
        complaints = list(litmus.complaints(stock))
    except (Failure, OSError) as failure:
        say(f"the litmus tests cannot be run, which is no failure: {failure}")
        return None
    for complaint in complaints:
        say(complaint)
    return not complaints


def mutant_texts(_stock):
    """Each text that tests/mutants.toml, and BREAK= of the power cuts, wants to change is there once."""
    complaints = list(mutants.complaints())
    for complaint in complaints:
        say(complaint)
    return not complaints


def lab_tests(_stock):
    """What of the lab is easily wrong and seldom run does what its tests say (tests/lab/)."""
    return passes("python3", "-m", "unittest", "-q", "-b", *sorted(glob.glob("tests/lab/test_*.py", root_dir=module.REPO)))


def host_rustc(stock, built, *arguments):
    """Compile for this machine, with the kernel's configuration."""
    config = os.path.join(stock.kdir, "include/generated/rustc_cfg")
    # Cargo sets the variable, and zerocopy wants it.
    rustc = stock.command("env", "CARGO_PKG_VERSION=", "rustc", "--edition=2021", "-O", f"@{config}")
    if not passes(*rustc, *arguments, "-o", built + ".new"):
        return False
    os.rename(built + ".new", built)
    return True


def host_tests(stock):
    """The pure code does what models of it do, as tried on this machine, with pinned mode and without."""
    place = os.path.join(module.REPO, "build", stock.series, "host")
    tests, zerocopy = os.path.join(place, "tests"), os.path.join(place, "libzerocopy.rlib")
    derive = os.path.join(stock.kdir, "rust/libzerocopy_derive.so")
    with cache.locked(os.path.join(place, ".lock"), "the host tests"):
        if not os.path.exists(zerocopy) or os.stat(zerocopy).st_mtime < os.stat(derive).st_mtime:
            flags = ("--crate-name=zerocopy", "--crate-type=rlib", "--cap-lints=allow")
            if not host_rustc(stock, zerocopy, *flags, os.path.join(stock.source, "rust/zerocopy/src/lib.rs")):
                return False
        flags = ("--test", "-Dwarnings", "-Coverflow-checks=on", "-Cdebug-assertions=on")
        crates = ("--extern", f"zerocopy={zerocopy}", "--extern", f"zerocopy_derive={derive}")
        return all(
            host_rustc(stock, tests, *flags, *form, *crates, HOST_TESTS) and passes(*stock.command(tests, "--quiet"))
            for form in (("--cfg=LOOP_PINNED",), ())
        )


CHECKS = (
    rustfmt, clippy, clippy_core, documentation, manual, shellcheck, python, audit, document_links, tests_index, mutant_texts,
    lab_tests, litmus_tests, host_tests,
)  # fmt: skip


def run(series):
    stock = kernel.Kernel(series).get()
    words = {True: "ok  ", False: "FAIL", None: "skip"}
    results = []
    for check in CHECKS:
        results.append(check(stock))
        print(f"{words[results[-1]]}  {check.__name__:13}  {check.__doc__}", flush=True)
    failed, skipped = results.count(False), results.count(None)
    skips = f", {skipped} skipped" if skipped else ""
    print(f"{len(results) - failed - skipped} passed, {failed} failed{skips}", flush=True)
    return failed == 0
