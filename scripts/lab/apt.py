# SPDX-License-Identifier: GPL-2.0
"""Debian packages, fetched and unpacked inside the toolbox, never installed."""

import functools
import glob
import os
import re
import shutil
import subprocess

from . import cache
from .say import Failure, Step

SUITE = "trixie"
BACKPORTS = f"{SUITE}-backports"
ARCH = "amd64"
MIRROR = os.environ.get("RUST_LOOP_MIRROR", "")
PROXY = os.environ.get("RUST_LOOP_APT_PROXY", "")
# The toolbox may have no user but root (user namespaces).
OPTIONS = ["-o", "APT::Sandbox::User=root"]

_updated = False


def mirror():
    if not MIRROR:
        raise Failure("cannot tell the Debian mirror from apt's configuration; say it: MIRROR=URL")
    return MIRROR


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def use_proxy():
    with open("/etc/apt/apt.conf.d/90proxy", "w") as file:
        file.write(PROXY + "\n")


def update():
    """Bring the package lists up to date, once a run."""
    global _updated
    if _updated:
        return
    with open("/etc/apt/sources.list", "w") as file:
        for suite in (SUITE, BACKPORTS):
            file.write(f"deb {mirror()} {suite} main\n")
    use_proxy()
    with cache.locked(cache.path("apt.lock"), "apt"), Step(
        "looking what the mirror has", cache.log("apt-update")
    ) as step:
        try:
            step.run("apt-get", *OPTIONS, "-o", "APT::Update::Error-Mode=any", "update")
        except Failure as failure:
            raise Failure(
                f"{failure}\n  no network, or not a Debian mirror? Another one: MIRROR=URL"
            ) from None
    _updated = True


@functools.cache
def archive(suite, arch):
    """Options with which apt looks at a suite for an architecture, brought up to date once a run; none for its own."""
    if (suite, arch) == (BACKPORTS, ARCH):
        update()
        return ()
    name = f"apt-{suite}-{arch}"
    with cache.locked(cache.path(f"{name}.lock"), "apt"), Step(f"looking what {suite} has for {arch}", cache.log(name)) as step:
        # Backports have only what differs from the stable suite.
        suites = (SUITE, BACKPORTS) if suite == BACKPORTS else (suite,)
        return tuple(look_into(step, suites, cache.path(name), arch))


def names(pattern, options=()):
    """Names of packages that match a regular expression."""
    return [line for line in output("apt-cache", *options, "pkgnames").split() if re.fullmatch(pattern, line)]


def versions(package, options=()):
    """Versions that the mirror has of a package, highest first."""
    lines = output("apt-cache", *options, "madison", package).splitlines()
    return [line.split("|")[1].strip() for line in lines]


def look_into(step, suites, where, arch=ARCH):
    """Fetch the package lists of other suites into a directory. Returns options with which apt uses them."""
    use_proxy()
    os.makedirs(os.path.join(where, "lists/partial"), exist_ok=True)
    os.makedirs(os.path.join(where, "archives/partial"), exist_ok=True)
    sources = os.path.join(where, "sources.list")
    with open(sources, "w") as file:
        for suite in suites:
            file.write(f"deb [arch={arch}] {mirror()} {suite} main\n")
    # A mirror may be a copy that is no longer updated, and the signatures of such a suite expire within a week.
    settings = (
        f"Dir::State={where}", f"Dir::Cache={where}", f"Dir::Etc::sourcelist={sources}", "Dir::Etc::sourceparts=/dev/null",
        "Acquire::Languages=none", "Acquire::Check-Valid-Until=false", f"APT::Architecture={arch}",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
    )  # fmt: skip
    options = [word for setting in settings for word in ("-o", setting)]
    step.run("apt-get", *OPTIONS, *options, "-o", "APT::Update::Error-Mode=any", "update")
    return options


def unpack(step, packages, where, suite=None, options=()):
    """Download packages ("name" or "name=version"), perhaps of another suite, and unpack them in a directory."""
    debs = os.path.join(where, "debs")
    os.makedirs(debs)
    options = look_into(step, [suite], os.path.join(debs, suite)) if suite else options
    step.run("apt-get", *OPTIONS, *options, "download", *packages, cwd=debs)
    for deb in glob.glob(os.path.join(debs, "*.deb")):
        step.run("dpkg-deb", "-x", deb, where)
        os.unlink(deb)
    shutil.rmtree(debs)


def source(step, package, where):
    """Download what upstream wrote of a source package of the stable suite and unpack it in a directory."""
    listing, lists = os.path.join(where, "sources.list"), cache.path("sources")
    with open(listing, "w") as file:
        file.write(f"deb-src {mirror()} {SUITE} main\n")
    os.makedirs(os.path.join(lists, "partial"), exist_ok=True)
    options = list(OPTIONS)
    for option in (
        f"Dir::Etc::sourcelist={listing}", "Dir::Etc::sourceparts=-", f"Dir::State::lists={lists}",
        "Dir::Cache::pkgcache=", "Dir::Cache::srcpkgcache=",
    ):  # fmt: skip
        options += ["-o", option]
    use_proxy()
    with cache.locked(cache.path("sources.lock"), "apt"):
        step.run("apt-get", *options, "-o", "APT::Update::Error-Mode=any", "update")
        step.run("apt-get", *options, "source", "--download-only", "--tar-only", package, cwd=where)
    for tar in glob.glob(os.path.join(where, "*.orig.tar.*z*")):
        step.run("tar", "-C", where, "--strip-components=1", "-xf", tar)
        os.unlink(tar)
