#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The rules of this repository that no compiler or linter enforces.

    scripts/audit.py [FILE…]     (default: all files that git knows or would add)

- driver files have no unsafe code and no bindings; those are for abstractions/
- each unsafe block and impl says why it is sound, also in macros (where
  clippy does not look); each unsafe function and trait says what it asks for
- abstractions/ and samples/ do not know of the driver
- no circle of imports among driver files: what is imported lies below
- no panics: neither unwrap and expect nor the macros
- comments of Rust code, but for tables, are no wider than 100 columns
- no host name of a mirror or registry, in any file

Of tests only the reasons for unsafe code are asked, and no host names.

Tries itself on known good and bad code first, so that a rule that no longer
sees anything is noticed.
"""

import os
import re
import subprocess
import sys

LITERAL_OR_COMMENT = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)
    |   [bc]?r(?P<hashes>\#*)".*?"(?P=hashes)
    |   [bc]?"(?:\\.|[^"\\])*"
    |   b?'(?:\\(?:x..|u\{[^}]*\}|.)|[^'\\\n])'
    """,
    re.DOTALL | re.VERBOSE,
)
PANICS = re.compile(r"\.unwrap\(\)|\.expect\(|\b(?:todo|panic|unimplemented|unreachable)!")
# Columns of a comment; a table cannot be wrapped.
WIDTH = 100
TABLE = re.compile(r"\s*//[/!]? *\|")
NEEDS_SAFETY_COMMENT = re.compile(r"\bunsafe\s*(?:\{|impl\b|$)")
NEEDS_SAFETY_SECTION = re.compile(r"\bunsafe\s+(?:extern\s*\S*\s+)?(?:fn\s+\w|trait\b)")
# `module!` defines LocalModule for any driver.
OF_THE_DRIVER = re.compile(r"\bLoop[A-Z]\w*|\bLOOP_\w+|\bcrate::(?!(?:abstractions|LocalModule)\b)\w+")
REGISTRIES = re.compile(
    r"\b(?:deb|ftp\d*|snapshot|security|archive|mirrors?|registry|index|static|files)"
    r"\.[\w.-]*\b(?:debian|ubuntu|crates|npmjs|pythonhosted|pypi)\b"
)


def blank(text):
    return re.sub(r"[^\n]", " ", text)


def split(source):
    """The lines of Rust source twice: code without comments and literals, and comments alone."""
    code = LITERAL_OR_COMMENT.sub(lambda found: blank(found[0]), source)
    comments = list(blank(source))
    for found in LITERAL_OR_COMMENT.finditer(source):
        if found["comment"]:
            comments[found.start() : found.end()] = found[0]
    return code.split("\n"), "".join(comments).split("\n")


def comment_above(code, comments, line):
    """The comment of the statement or item that a line belongs to, with the line's own."""
    text = comments[line]
    while line > 0:
        line -= 1
        before = code[line].strip()
        # A blank line, or the end of an earlier statement, ends the search.
        if not before and not comments[line].strip():
            break
        if before and not before.startswith("#") and before[-1] in ";{},":
            break
        text = comments[line] + "\n" + text
    return text


def indentation(line):
    return len(line) - len(line.lstrip())


def implements_trait(code, line):
    """Whether a function is in an `impl Trait for`: the trait says what its callers owe."""
    inside = indentation(code[line])
    for start in range(line, -1, -1):
        if indentation(code[start]) < inside and re.match(r"\s*(?:unsafe\s+)?impl\b", code[start]):
            return " for " in " ".join(code[start:line]).split("{")[0]
    return False


def audit_rust(path, source):
    """Yields (line number, complaint)."""
    code, comments = split(source)
    is_test = path.startswith("tests/")
    is_abstraction = path.startswith("abstractions/")
    for number, line in enumerate(code):
        if not is_abstraction and not is_test:
            for word in re.findall(r"\b(?:unsafe|bindings)\b", line):
                yield number, f"`{word}` in a driver file: it belongs in abstractions/"
        if (is_abstraction or path.startswith("samples/")) and (found := OF_THE_DRIVER.search(line)):
            yield number, f"`{found[0]}` in {path.partition('/')[0]}/, which must not know of the driver"
        if NEEDS_SAFETY_COMMENT.search(line) and "SAFETY:" not in comment_above(code, comments, number):
            yield number, "unsafe without a `SAFETY:` comment"
        if NEEDS_SAFETY_SECTION.search(line) and not implements_trait(code, number):
            if "# Safety" not in comment_above(code, comments, number):
                yield number, "unsafe function or trait without a `# Safety` section"
        if not is_test and (found := PANICS.search(line)):
            yield number, f"`{found[0]}` may panic"
        if not is_test and len(comments[number].rstrip()) > WIDTH and not TABLE.match(comments[number]):
            yield number, f"a comment that is wider than {WIDTH} columns"
        if re.search(r"SAFETY:\s*TODO", comments[number]):
            yield number, "a `SAFETY:` that is still to do"


def audit(path, source):
    """Yields (line number, complaint) for any file."""
    if path.endswith(".rs"):
        yield from audit_rust(path, source)
    for number, line in enumerate(source.split("\n")):
        if found := REGISTRIES.search(line):
            yield number, f"`{found[0]}…`: the mirror comes from the machine, no host is named"


# (path, source, part of the complaint, or None where there is to be none)
TRIALS = (
    ("device.rs", "#![deny(unsafe_code)]\n// unsafe bindings\nlet a = \"unsafe { \";", None),
    ("device.rs", "let a = unsafe { b() };", "driver file"),
    ("uapi.rs", "use kernel::bindings;", "driver file"),
    ("abstractions/a.rs", "// SAFETY: It is.\nlet a =\n    unsafe { b() };", None),
    ("abstractions/a.rs", "// SAFETY: It is.\nlet a = 1;\nlet a = unsafe { b() };", "without a `SAFETY:`"),
    ("abstractions/a.rs", "unsafe impl Send for A {}", "without a `SAFETY:`"),
    ("abstractions/a.rs", "// SAFETY: TODO.\nunsafe impl Send for A {}", "still to do"),
    ("abstractions/a.rs", "/// A.\n///\n/// # Safety\n///\n/// B.\n#[inline]\npub unsafe fn a() {}", None),
    ("abstractions/a.rs", "/// A.\nunsafe extern \"C\" fn a() {}", "`# Safety`"),
    ("abstractions/a.rs", "pub unsafe trait A {}", "`# Safety`"),
    ("abstractions/a.rs", "// SAFETY: It is.\nunsafe impl A for B {\n    unsafe fn a() {}\n}", None),
    ("abstractions/a.rs", "impl A {\n    pub unsafe fn a() {}\n}", "`# Safety`"),
    ("abstractions/a.rs", "f: unsafe extern \"C\" fn(u32),", None),
    ("abstractions/a.rs", "use crate::abstractions::b;\nloop {}", None),
    ("abstractions/a.rs", "use crate::device::Device;", "know of the driver"),
    ("abstractions/a.rs", "fn a(b: &LoopCmd) {}", "know of the driver"),
    ("samples/a.rs", "use crate::abstractions::b;", None),
    ("samples/a.rs", "use crate::device::Device;", "know of the driver"),
    ("samples/a.rs", "let a = unsafe { b() };", "driver file"),
    ("device.rs", "let a = b.unwrap();", "panic"),
    ("device.rs", "let a = b.unwrap_or('\"');\nlet c = b.expect(\"\");", "panic"),
    ("device.rs", "panic!(\"\");", "panic"),
    ("tests/host/a.rs", "let a = bindings::b().unwrap();", None),
    ("tests/host/a.rs", "let a = unsafe { b() };", "without a `SAFETY:`"),
    ("device.rs", f"// {'a' * 97}", None),
    ("device.rs", f"    // {'a' * 97}", "wider"),
    ("device.rs", f"//! | {'a' * 97} |", None),
    ("device.rs", f"let a = {'b' * 97};", None),
    ("README.md", "see http://deb." + "debian.org/", "no host"),
)


def siblings(module, code, modules):
    """What a file in a directory imports by `super::`, and the `mod.rs` of one from its files."""
    directory, _, file = module.partition("/")
    if file:
        for found in re.finditer(r"\buse\s+super::([^;]*);", code):
            for name in re.findall(r"\w+", re.sub(r"::\{[^}]*\}|::\w+", "", found[1])):
                below = f"{directory}/{name}"
                yield below if below in modules else directory
    else:
        for found in re.finditer(r"\buse\s+(\w+)::", code):
            yield f"{module}/{found[1]}"


def imports(module, source, modules):
    """The driver files that Rust source imports, as paths without their ending."""
    code = "\n".join(split(source)[0])
    yield from siblings(module, code, modules)
    for found in re.finditer(r"\buse\s+crate::([^;]*);", code):
        tree = found[1].strip()
        names = [tree]
        if tree.startswith("{"):
            flat = tree[1:-1]
            # What is in braces belongs to the name before; only `switch` is a file of its own below another.
            names = re.split(r",(?![^{]*\})", re.sub(r"\{[^{}]*\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}[^{}]*\}", "{}", flat))
        for name in names:
            if first := re.match(r"\s*(\w+)(?:::\{?([^}]*))?", name):
                yield first[1]
                for inner in re.findall(r"\w+", first[2] or ""):
                    yield f"{first[1]}/{inner}"


def circle(sources):
    """The files of a circle of imports among sources by path, or nothing."""
    modules = {path.removesuffix(".rs").removesuffix("/mod"): source for path, source in sources.items()}
    below = {
        module: {name for name in imports(module, source, modules) if name in modules} - {module}
        for module, source in modules.items()
    }
    while free := [name for name in below if not below[name]]:
        for name in free:
            del below[name]
        for names in below.values():
            names.difference_update(free)
    return sorted(below)


def try_circle():
    good = {"a.rs": "use crate::{b::{C, D}, e};", "b/mod.rs": "use crate::e::F;", "e.rs": "use crate::abstractions::a;"}
    if circle(good) or circle(good | {"e.rs": "use crate::{\n    abstractions::{x::{y, z}, w},\n    a,\n};"}) != ["a", "b", "e"]:
        sys.exit("audit: the search for circles is broken")
    inner = {"p/mod.rs": "mod q;\npub(crate) use q::A;", "p/q.rs": "use super::{r::B, s};", "p/r.rs": "", "p/s.rs": ""}
    if circle(inner) or circle(inner | {"p/s.rs": "use super::A;"}) != ["p", "p/q", "p/s"]:
        sys.exit("audit: the search for circles in a directory is broken")


def try_rules():
    for path, source, expected in TRIALS:
        complaints = [complaint for _, complaint in audit(path, source)]
        if expected is None and complaints or expected and not any(expected in c for c in complaints):
            sys.exit(f"audit: a rule is broken: {source!r} gives {complaints}, not {expected!r}")


def main():
    os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    try_rules()
    try_circle()
    listing = ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard"]
    paths = sys.argv[1:] or subprocess.run(listing, check=True, capture_output=True, text=True).stdout.split("\n")
    found = 0
    for path in filter(os.path.isfile, paths):
        with open(path, errors="replace") as file:
            for number, complaint in audit(path, file.read()):
                print(f"{path}:{number + 1}: {complaint}")
                found += 1
    driver = [path for path in paths if re.fullmatch(r"(?:pinned/)?\w+\.rs", path) and path != "rust_loop.rs"]
    if len(driver) > 1 and (names := circle({path: open(path).read() for path in driver if os.path.isfile(path)})):
        print(f"driver files that import each other in a circle, or lie above one: {' '.join(names)}")
        found += 1
    return found > 0


if __name__ == "__main__":
    sys.exit(main())
