# SPDX-License-Identifier: GPL-2.0
"""`make deb`: Debian packages of the driver for the stock kernels, as build/deb/*.deb.

A source package is laid out (packaging/debian, and what is generated from it
here), built with debhelper, and looked at by lintian.
"""

import datetime
import filecmp
import glob
import os
import re
import shutil
import textwrap

from . import cache, kernel, kernel_tree, links, module
from .say import Failure, Step, say

PACKAGING = os.path.join(module.REPO, "packaging")
PLACE = os.path.join(module.REPO, "build", "deb")
RELEASE_HEADING = re.compile(r"## \[(\d\S*)\] - (\d{4}-\d\d-\d\d)$", re.MULTILINE)
# Beside all of doc/.
DOCUMENTS = (
    "README.md", "SECURITY.md", "CHANGELOG.md", "CONTRIBUTING.md", "MAINTAINERS", "abstractions/README.md", "tests/INDEX.md",
)  # fmt: skip
# Its links to sources lead somewhere in a checkout only, as it says.
OF_SOURCES = "doc/architecture.md"


def read(*path):
    with open(os.path.join(*path)) as file:
        return file.read()


def write(text, *path):
    with open(os.path.join(*path), "w") as file:
        file.write(text)


def fill(text, **values):
    """Replace each @NAME@."""
    return re.sub(r"@(\w+)@", lambda match: values[match[1]], text)


def version():
    return read(module.REPO, "VERSION").strip()


def changelog():
    """CHANGELOG.md in Debian's form."""
    text = read(module.REPO, "CHANGELOG.md")
    maintainer = re.search(r"^Maintainer: (.*)$", read(PACKAGING, "debian/control.in"), re.MULTILINE)[1]
    headings = list(RELEASE_HEADING.finditer(text))
    if not headings or headings[0][1] != version():
        raise Failure(
            f"CHANGELOG.md begins with {headings[0][1] if headings else 'no release'}, VERSION says {version()}\n"
            f"  make them the same: a heading '## [{version()}] - YYYY-MM-DD' in CHANGELOG.md"
        )
    entries = []
    for heading, end in zip(headings, [*(heading.start() for heading in headings[1:]), len(text)]):
        items = re.findall(r"^- (.*(?:\n  .*)*)", text[heading.end() : end], re.MULTILINE)
        date = datetime.datetime.fromisoformat(f"{heading[2]} 12:00+00:00").strftime("%a, %d %b %Y %H:%M:%S %z")
        changes = "\n".join(
            textwrap.fill(" ".join(item.split()), 78, initial_indent="  * ", subsequent_indent="    ") for item in items
        )
        entries.append(f"loop-rust ({heading[1]}) unstable; urgency=medium\n\n{changes}\n\n -- {maintainer}  {date}\n")
    return "\n".join(entries)


def lay_out(where, trees, number):
    """The source package, as of a version, in a directory that exists."""
    for name in module.sources():
        target = os.path.join(where, "driver", name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy2(os.path.join(module.REPO, name), target)
    write(f"{number}\n", where, "driver/VERSION")
    for name in DOCUMENTS:
        target = os.path.join(where, "documents", name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy2(os.path.join(module.REPO, name), target)
    shutil.copytree(os.path.join(module.REPO, "doc"), os.path.join(where, "documents/doc"))
    shutil.copytree(PACKAGING, os.path.join(where, "packaging"))
    debian = os.path.join(where, "debian")
    os.rename(os.path.join(where, "packaging/debian"), debian)
    os.rename(os.path.join(where, "packaging/dkms.conf"), os.path.join(debian, "loop-rust-dkms.dkms"))

    newest = {tree.flavour: tree for tree in trees}
    flavours = " | ".join(f"loop-rust-{flavour}" for flavour in sorted(newest))
    control = fill(read(debian, "control.in"), FLAVOURS=flavours)
    versions = {"loop-rust": f"{number}+{trees[-1].version}"}
    for flavour, tree in newest.items():
        versions[f"loop-rust-{flavour}"] = modules_version = f"{number}+{tree.version}"
        values = {"FLAVOUR": flavour, "RELEASE": tree.release, "MODULES_VERSION": modules_version}
        control += fill(read(debian, "control.flavour.in"), **values)
    for tree in trees:
        package = f"loop-rust-modules-{tree.release}"
        versions[package] = f"{number}+{tree.version}"
        control += fill(read(debian, "control.modules.in"), RELEASE=tree.release, VERSION=tree.version)
        for file in ("postinst", "prerm", "postrm", "lintian-overrides"):
            write(fill(read(debian, f"modules.{file}.in"), RELEASE=tree.release), debian, f"{package}.{file}")
    for name in glob.glob(f"{debian}/*.in"):
        os.unlink(name)
    write(control, debian, "control")
    write(changelog().replace(f"({version()})", f"({number})", 1), debian, "changelog")
    write("".join(f"{tree.release} {tree.kdir}\n" for tree in trees), debian, "kernels")
    write("".join(f"{package} {each}\n" for package, each in versions.items()), debian, "versions")


def build_in(place, trees, log, number=None):
    """Build all packages in a directory, made anew, as if of another version if one is given; returns their paths."""
    shutil.rmtree(place, ignore_errors=True)
    source = os.path.join(place, f"loop-rust-{version()}")
    os.makedirs(source)
    lay_out(source, trees, number or version())
    with Step(f"building packages for {len(trees)} kernels", cache.log(log)) as step:
        # The toolbox has what is needed, but for the C++ compiler of build-essential.
        step.run(
            "dpkg-buildpackage", "--build=binary", "--no-sign", "--no-check-builddeps", f"--jobs={os.cpu_count()}",
            cwd=source, env=os.environ | {"KERNEL_CC": kernel.CC},
        )  # fmt: skip
    return sorted(glob.glob(f"{place}/*.deb"))


def lint():
    """lintian finds nothing; its overrides in packaging/debian say why."""
    with Step("lintian", cache.log("deb-lintian")) as step:
        try:
            changes = glob.glob(f"{PLACE}/*.changes")
            step.run("lintian", "--allow-root", "--fail-on=error,warning", "--info", *changes)
        except Failure:
            say("\n" + read(step.log))
            raise


def check_links():
    """Links of the documents that are shipped lead to documents that are."""
    root = os.path.join(PLACE, f"loop-rust-{version()}", "debian/loop-rust-common/usr/share/doc/loop-rust-common")
    documents = [os.path.relpath(path, root) for path in glob.glob(f"{root}/**/*.md", recursive=True)]
    if "README.md" not in documents:
        raise Failure(f"no documents are shipped: {root}")
    wrong = [
        f"{document}: {link}" for document, link in links.dangling(root, documents)
        if document != OF_SOURCES or not os.path.exists(os.path.join(module.REPO, "doc", link))
    ]  # fmt: skip
    if wrong:
        raise Failure("links that dangle in loop-rust-common:\n  " + "\n  ".join(wrong))


def check_same(debs, trees):
    """Built again elsewhere, the packages are the same to the byte."""
    again = PLACE + "-again"
    other = build_in(again, trees, "deb-again")
    names = [os.path.basename(deb) for deb in debs]
    if names != [os.path.basename(deb) for deb in other]:
        raise Failure(f"the second build made other packages: compare {PLACE} with {again}")
    differ = [name for name, *pair in zip(names, debs, other) if not filecmp.cmp(*pair, shallow=False)]
    if differ:
        raise Failure(f"built twice, these differ: {' '.join(differ)}\n  diffoscope {PLACE}/{differ[0]} {again}/{differ[0]}")
    shutil.rmtree(again)
    say(f"built twice, {len(names)} packages are the same")


def build(wanted="", twice=False):
    """The paths of the packages for the kernels whose release begins with `wanted`."""
    trees = [tree.get() for tree in kernel_tree.offered(wanted)]
    with cache.locked(PLACE + ".lock", "building packages"):
        debs = build_in(PLACE, trees, "deb")
        lint()
        check_links()
        if twice:
            check_same(debs, trees)
    return debs
