# SPDX-License-Identifier: GPL-2.0
"""`make series`: the driver as patches for the kernel's own tree, as build/series/.

What goes where, and in which patch, is said in upstream/series.toml. Each patch
is made by rendering all files that are there by then; so a file changes again
in a later patch if that adds something below it.
"""

import glob
import os
import re
import shutil
import subprocess
import tomllib

from . import cache, clang, kernel, kernel_debug, module
from .say import Failure, Step, say

SERIES = "7.3"
RECIPE = 1
UPSTREAM = os.path.join(module.REPO, "upstream")
PLACE = os.path.join(module.REPO, "build", "series")
ABSTRACTIONS = "abstractions/"
# What the patches change is copied and committed; the rest of the tree is linked.
CHANGED = ("MAINTAINERS", "block/Kconfig", "drivers/block", "rust", "tools/testing/selftests/Makefile")
# The kernel's name for each.
ARCHES = {"x86_64": "x86", "arm64": "arm64"}
GOALS = ["prepare", "rust/", "drivers/block/"]
# Once, at the end of the series.
LAST_GOALS = ["rustdoc"]
NO_EXAMPLES = ["# CONFIG_RUST_KERNEL_DOCTESTS is not set"]
EXTENTS = "CONFIG_RUST_FILE_EXTENTS"
HOME = "drivers/block/loop_rust"

with open(os.path.join(UPSTREAM, "series.toml"), "rb") as file:
    TABLE = tomllib.load(file)


def read(*path):
    with open(os.path.join(*path)) as file:
        return file.read()


def replace_once(text, old, new, where):
    if text.count(old) != 1:
        raise Failure(f"{where} has this {text.count(old)} times, not once; mend upstream/series.toml:\n{old}")
    return text.replace(old, new)


class Tree(cache.Entry):
    """`linux`: the stock kernel's source with one commit, to which the patches are added."""

    name = "series"
    gib = 8

    def __init__(self):
        self.stock = kernel.Kernel(SERIES).get()
        self.key = cache.recipe_key(RECIPE, self.stock.key, self.stock.release, CHANGED)

    @property
    def linux(self):
        return os.path.join(self.dir, "linux")

    def git(self, step, *arguments, **options):
        settings = ("-c", "safe.directory=*", "-c", "core.abbrev=12", "-c", "gc.auto=0")
        step.run("git", *settings, "-C", self.linux, *arguments, **options)

    def make(self):
        with Step("linking the kernel's source", cache.log(self.name)) as step:
            step.run("cp", "-al", self.stock.source, self.linux)
            for name in CHANGED:
                step.run("rm", "-rf", os.path.join(self.linux, name))
                step.run("cp", "-a", os.path.join(self.stock.source, name), os.path.join(self.linux, name))
            shutil.rmtree(os.path.join(self.linux, "tools/testing/selftests/loop"), ignore_errors=True)
            self.git(step, "init", "--quiet", "--initial-branch=base")
            self.git(step, "add", "--force", *CHANGED)
            self.git(step, *identity(), "commit", "--quiet", f"--message=linux-source-{SERIES}, {self.stock.release}")
        # The patches change the other files.
        return ["linux/.git/refs/heads/base", "linux/Makefile", "linux/scripts/checkpatch.pl"]

    def later_symbols(self):
        """The symbols of Kconfig that later patches add to what is checked out."""
        edits = [edit["new"] for patch in TABLE["patch"] for edit in patch.get("edits", [])]
        paths = [os.path.join(self.linux, name) for name in ("block/Kconfig", f"{HOME}/Kconfig")]
        present = [read(path) for path in paths if os.path.exists(path)]
        return symbols(read(UPSTREAM, "Kconfig"), *edits) - symbols(*present)


def symbols(*texts):
    return set(re.findall(r"^config (\w+)", "\n".join(texts), re.M))


def maintainer():
    """Who sends the patches: the maintainer of the driver in this repository."""
    return re.search(r"^M:\s+(.*)$", read(module.REPO, "MAINTAINERS"), re.MULTILINE)[1]


def identity():
    name, address = re.fullmatch(r"(.*) <(.*)>", maintainer()).groups()
    return ("-c", f"user.name={name}", "-c", f"user.email={address}")


# Paths in Rust code: where a module or an item of abstractions/ is found in the kernel crate.


def moved(path):
    """The path below the kernel crate of a path below abstractions, both as lists."""
    for end in range(len(path), 0, -1):
        if new := TABLE["moved"].get("/".join(path[:end])):
            return new.split("/") + path[end:]
    return path


def file_of(name):
    """rust/kernel/….rs of abstractions/<name>.rs."""
    return "rust/kernel/" + "/".join(moved(name.split("/"))) + ".rs"


def parse_use(text):
    """The paths of a use tree, as lists."""
    tokens = re.findall(r"::|[{},*]|\bas\b|[\w$]+", re.sub(r"//[^\n]*", "", text))

    def tree(prefix):
        path = list(prefix)
        while tokens:
            token = tokens.pop(0)
            if token == "{":
                paths = []
                while tokens[0] != "}":
                    paths += tree(path)
                    if tokens[0] == ",":
                        tokens.pop(0)
                tokens.pop(0)
                return paths
            path.append(token)
            if tokens[:1] == ["as"]:
                path[-1] += " as " + tokens[1]
                del tokens[:2]
            if tokens[:1] != ["::"]:
                return [path]
            tokens.pop(0)

    return tree([])


def format_use(paths):
    """The use statements of paths, a tree a crate, vertical as the kernel writes them."""

    def branch(paths, indent):
        names = sorted({path[0] for path in paths}, key=lambda name: (name != "self", name))
        texts = []
        for name in names:
            below = [path[1:] for path in paths if path[0] == name]
            inner = [path for path in below if path]
            # `a` and `a::b` of one name
            if inner and [] in below:
                inner.append(["self"])
            texts.append(f"{name}::{group(inner, indent)}" if inner else name)
        return texts

    def group(paths, indent):
        texts = branch(paths, indent + "    ")
        if len(texts) == 1 and not texts[0].startswith("self"):
            return branch(paths, indent)[0]
        lines = [f"{indent}    {text}" + ("," if text != texts[-1] else ", //") for text in texts]
        return "{\n" + "\n".join(lines) + f"\n{indent}}}"

    roots = sorted({path[0] for path in paths}, key=ROOTS.index)
    unique = [list(path) for path in sorted({tuple(path) for path in paths})]
    return "\n\n".join(
        f"use {root}::{group([path[1:] for path in unique if path[0] == root], '')};" for root in roots
    )


ROOTS = ["core", "kernel", "crate", "super"]


class Rust:
    """One source, rewritten for the kernel's tree."""

    EXTERN = re.compile(
        r"(?:^//[^\n]*\n|^#\[allow\(improper_ctypes\)\][^\n]*\n)*"
        r"^(?:unsafe )?extern \"C\" \{\n(.*?)^\}\n\n?",
        re.M | re.S,
    )
    FOREIGN = re.compile(
        r"(?:    #\[cfg\(FILE_EXTENTS\)\]\n)?"
        r"(?:    #\[link_name = \"rust_helper_(\w+)\"\]\n)?    (safe )?fn (\w+)\(([^;]*?)\)( -> [^;]*)?;",
    )
    # KUnit runs these, as a crate of their own.
    EXAMPLE = re.compile(r"^( *//[/!] )```\w*\n(?:(?!.*```).*\n)*\1```\n", re.M)
    USE = re.compile(r"^( *)((?:#\[cfg[^\n]*\n *)*)(pub(?:\([\w ]*\))? )?use ([^;$]+);\n", re.M)

    def __init__(self, name, helpers):
        self.name, self.helpers = name, helpers
        self.of_driver = not name.startswith(ABSTRACTIONS)
        self.root = "kernel" if self.of_driver else "crate"
        self.here = [] if self.of_driver else name.removeprefix(ABSTRACTIONS).removesuffix(".rs").split("/")
        self.text = read(module.REPO, name)
        for edit in TABLE["edits"].get(name, []):
            self.text = replace_once(self.text, edit["old"], edit["new"], name)
        for move in TABLE["moves"]:
            self.move(move)
        self.foreign()
        self.errors()
        self.macros()
        self.uses()
        self.paths()

    def absolute(self, path):
        """A path of a use, as one of the kernel's tree; None if it is there no more."""
        path = list(path)
        if path[0] == "super" and not self.of_driver:
            above = self.here[:-1]
            path.pop(0)
            while path[0] == "super":
                above.pop()
                path.pop(0)
            path = ["crate", "abstractions", *above, *path]
        if path[-1] in TABLE["dropped"] or path[-1].startswith("rust_helper_"):
            return None
        if path[:2] == ["crate", "abstractions"]:
            return [self.root, *moved(path[2:])]
        return ["crate" if path[0] == "kernel" and not self.of_driver else path[0], *path[1:]]

    def move(self, move):
        """A method that another file gets."""
        if self.name not in (move["from"], move["to"]):
            return
        source = read(module.REPO, move["from"])
        begin = source.index(move["begin"])
        method = source[begin : source.index("\n    }\n", begin) + len("\n    }\n")]
        if self.name == move["from"]:
            self.text = replace_once(self.text, method, "", self.name)
        else:
            self.text += f"\nimpl {move['of']} {{\n{method}}}\n"

    def foreign(self):
        """bindgen declares the helpers. The ones that are safe to call get a function."""

        def wrappers(block):
            functions = []
            for _, safe, name, arguments, result in self.FOREIGN.findall(block[1]):
                if safe:
                    passed = ", ".join(re.findall(r"(\w+):", arguments))
                    functions.append(
                        f"#[inline]\nfn {name}({arguments}){result} {{\n"
                        "    // SAFETY: The C function takes any value; who calls this is in the right context.\n"
                        f"    unsafe {{ bindings::{self.helpers[name]}({passed}) }}\n}}\n\n"
                    )
            return "".join(functions)

        if re.search(r"^extern \"C\" \{\n    static", self.text, re.M):
            return
        unsafe = [name for name in self.helpers if not self.helpers.is_safe(name)]
        calls = re.compile(rf"(?<![\w.:`])(?<!fn )({'|'.join(unsafe)})(?=\()")
        self.text = self.EXTERN.sub(wrappers, self.text)
        if not self.of_driver:
            self.text = calls.sub(lambda call: f"bindings::{self.helpers[call[1]]}", self.text)

    def errors(self):
        """7.3 has all error codes as constants, in the prelude."""
        codes = "|".join(TABLE["dropped"])
        self.text = re.sub(rf"\bok_or_else\(({codes})\)", lambda call: f"ok_or({call[1].upper()})", self.text)
        self.text = re.sub(rf"\b({codes})\(\)", lambda call: call[1].upper(), self.text)
        self.text = self.text.replace("cfg(FILE_EXTENTS)", f"cfg({EXTENTS})")
        self.text = self.text.replace("cfg(LOOP_PINNED)", "cfg(CONFIG_BLK_DEV_LOOP_RUST_PINNED)")
        self.text = self.text.replace("cfg_attr(not(LOOP_PINNED)", "cfg_attr(not(CONFIG_BLK_DEV_LOOP_RUST_PINNED)")

    def macros(self):
        if self.of_driver:
            return
        for name in re.findall(r"^pub\(crate\) use (\w+);$", self.text, re.M):
            start = f"macro_rules! {name} "
            self.text = replace_once(self.text, start, "#[macro_export]\n" + start, self.name)
        self.text = re.sub(r"^pub\(crate\) use ", "pub use ", self.text, flags=re.M)
        self.text = self.text.replace("pub(in crate::abstractions)", "pub(crate)").replace("::kernel::", "$crate::")

    def uses(self):
        """Imports at the top become one tree a crate; others are rewritten where they are."""
        merged, first = [], None

        def rewrite(use):
            nonlocal first
            indent, cfg, public, tree = use.groups()
            paths = parse_use(tree)
            if paths[0][0] not in ("core", "kernel", "crate", "super"):
                return use[0]
            kept = [path for path in map(self.absolute, paths) if path]
            if not indent and not cfg and not public:
                merged.extend(kept)
                mark, first = ("" if first else "<USES>\n"), True
                return mark
            trees = [[path for path in kept if path[0] == root] for root in ROOTS]
            return "".join(
                f"{indent}{cfg}{public or ''}{format_use(tree)}\n".replace("\n", f"\n{indent}")[: -len(indent) or None]
                for tree in trees
                if tree
            )

        self.text = self.USE.sub(rewrite, self.text)
        code = re.sub(r"//.*", "", self.text)
        if not self.of_driver and re.search(r"(?<![:\w])bindings::", code):
            merged.append(["crate", "bindings"])
            if first is None:
                self.text = re.sub(r"\A((?://[^\n]*\n|\n)+)", r"\1<USES>\n\n", self.text)
        self.text = self.text.replace("<USES>\n", format_use(merged) + "\n" if merged else "")

    def paths(self):
        """Paths in code and in comments."""

        def rewrite(path):
            return "::".join([path[1] + (self.root if not path[1] else "crate"), *moved(path[2][2:].split("::"))])

        self.text = re.sub(r"(\$?)crate::abstractions((?:::\w+)+)", rewrite, self.text)
        if not self.of_driver:
            self.text = re.sub(r"(?<![\w:$`<\[])kernel::", "crate::", self.text)
            self.text = self.EXAMPLE.sub(lambda lines: lines[0].replace("crate::", "kernel::"), self.text)
        for old, new in TABLE["words"].items():
            self.text = self.text.replace(old, new)


def children(text):
    """The modules that a source declares, with what it says of each."""
    names = re.findall(r"^(?:pub(?:\([\w ]*\))? )?mod (\w+);$", text, re.M)
    cfg, public = r"(?:^#\[cfg[^\n]*\]\n)?", r"^(?:pub(?:\([\w ]*\))? )?"
    return {name: re.findall(rf"{cfg}{public}(?:mod {name}|use {name}::[^;]*);\n", text, re.M) for name in names}


def without_children(text, missing):
    """A source without modules that come in a later patch."""
    for name in missing:
        for line in children(text)[name]:
            text = text.replace(line, "")
    return re.sub(r"\n\n\n+", "\n\n", text)


def insert_module(parent, text, name, lines):
    """Declares a module in a file of the kernel crate, in order; re-exports follow it."""
    attributes = r"(?:^#\[[^\n]*\]\n)*"
    declaration = rf"{attributes}^(?:pub(?:\(crate\))? )?mod (\w+);\n(?:{attributes}^pub use self::\1\b[^;]*;\n)*"
    declared = list(re.finditer(declaration, text, re.M))
    apart = parent.endswith(("/fs.rs", "/block.rs"))
    after = next((found for found in declared if found[1] > name), None)
    if after:
        at = after.start()
        return text[:at] + lines + ("\n" if apart else "") + text[at:]
    if declared:
        at = declared[-1].end()
        return text[:at] + ("\n" if apart else "") + lines + text[at:]
    # After the imports, or the comment at the top if there are none.
    uses = list(re.finditer(r"^use [^;]*;\n", text[: (text + "\nimpl ").find("\nimpl ")], re.M))
    at = uses[-1].end() if uses else re.match(r"(?://[^\n]*\n|\n)*", text).end() - 1
    return text[:at] + "\n" + lines + text[at:]


class Helpers(dict):
    """The C functions that Rust calls, by the name that Rust code has for them."""

    def __init__(self):
        self.safe, self.sources = set(), {}
        for path in sorted(glob.glob(f"{module.REPO}/{ABSTRACTIONS}**/*.rs", recursive=True)):
            name = os.path.relpath(path, module.REPO)
            self.sources[name] = set()
            for block in Rust.EXTERN.finditer(read(path)):
                for link, safe, local, *_ in Rust.FOREIGN.findall(block[1]):
                    helper = link or local.removeprefix("rust_helper_")
                    self[local] = TABLE["helper_names"].get(helper, helper)
                    self.sources[name].add(helper)
                    if safe:
                        self.safe.add(local)

    def is_safe(self, name):
        return name in self.safe


def c_chunks(text):
    """The parts of a C file that blank lines outside of functions separate."""
    chunk, depth = [], 0
    for line in [*text.split("\n"), ""]:
        depth += line.count("{") - line.count("}")
        if line or depth:
            chunk.append(line)
        elif chunk:
            yield "\n".join(chunk)
            chunk = []


def c_defines(chunk):
    """The name that a part of a C file defines."""
    patterns = (r"DEFINE_PER_CPU\(\w+, (\w+)\)", r"^struct (\w+) \{", r"^\w[^\n(]*?\b(\w+)\(")
    return next((found[1] for pattern in patterns if (found := re.search(pattern, chunk, re.M))), "nothing")


def wrap_c(head, arguments):
    """A function's first lines, within 80 columns."""
    lines, line = [], head + "("
    column = len(line)
    for number, argument in enumerate(arguments):
        argument += "," if number + 1 < len(arguments) else ")"
        if len(line.expandtabs(8)) + len(argument) + 1 > 80 and line.strip() and number:
            lines.append(line.rstrip())
            line = "\t" * (column // 8) + " " * (column % 8)
        line += argument + " "
    return "\n".join([*lines, line.rstrip()])


def renamed(helper):
    return "rust_helper_" + TABLE["helper_names"].get(helper[1], helper[1])


def signature(found, prefix):
    result = f"{prefix}{found[1]}".replace("\n", "")
    return wrap_c(result + found[2], re.split(r",\s*", found[3].strip())) + "\n{"


def c_helpers(name, wanted, base):
    """(headers, functions) of helpers/<name> that Rust code in `wanted` calls."""
    text = read(module.REPO, "helpers", name)
    text = re.sub(r"#if LINUX_VERSION_CODE >= [^\n]*\n(.*?)#else\n.*?#endif\n", r"\1", text, flags=re.S)
    text = re.sub(r"^(?:#include <linux/version.h>|#ifdef FILE_EXTENTS)\n", "", text, flags=re.M)
    text = re.sub(r"\n#endif\n(?=\n|\Z)", "\n", text) if name in ("block.c", "fs.c") else text
    for edit in TABLE["edits"].get(f"helpers/{name}", []):
        text = replace_once(text, edit["old"], edit["new"], f"helpers/{name}")
    chunks = [chunk for chunk in c_chunks(text) if not chunk.startswith(("// SPDX", "#include"))]
    defines = [c_defines(chunk) for chunk in chunks]
    taken = set()
    for number, chunk in enumerate(chunks):
        helper = re.search(r"^(?!\t| \*|/)[^\n]*\brust_helper_(\w+)\(", chunk, re.M)
        if helper and helper[1] in wanted and renamed(helper) + "(" not in base:
            taken.add(number)
    # What they use, and what is asserted of constants.
    for number in reversed(range(len(chunks))):
        used = any(re.search(rf"\b{defines[number]}\b", chunks[user]) for user in taken if user != number)
        if taken and (used or "static_assert" in chunks[number]):
            taken.add(number)
    functions = []
    static = [defines[number] for number in taken if re.search(r"^static ", chunks[number], re.M)]
    for number in sorted(taken):
        # Inline; but not what uses a static object, of which clang warns. With CONFIG_RUST_INLINE_HELPERS each Rust
        # object gets a copy of both all the same.
        inline = not any(re.search(rf"\b{name}\b", chunks[number]) for name in static)
        chunk = re.sub(r"\brust_helper_(\w+)", renamed, chunks[number])
        head = r"^(\w[\w \n*]*?)(rust_helper_\w+)\(([^)]*)\)\n\{"
        chunk = re.sub(head, lambda found: signature(found, "__rust_helper " * inline), chunk, flags=re.M)
        for old, new in TABLE["words"].items():
            chunk = chunk.replace(old, new)
        functions.append(chunk)
    return set(re.findall(r"^#include <[^\n]*>$", text, re.M)) if functions else set(), functions


class Series:
    """The files of the kernel's tree at each patch."""

    def __init__(self, tree):
        self.base = tree.stock.source
        self.helpers = Helpers()
        self.rust = {name: Rust(name, self.helpers).text for name in self.helpers.sources}
        self.parents = {f"{ABSTRACTIONS}{name}.rs" for name in TABLE["parents"]}

    def original(self, path):
        full = os.path.join(self.base, path)
        return read(full) if os.path.isfile(full) else ""

    def check_complete(self):
        """Each abstraction is in a patch."""
        placed = [name for patch in TABLE["patch"] for name in patch.get("rust", [])]
        expected = {
            name.removeprefix(ABSTRACTIONS).removesuffix(".rs") for name in self.rust if name not in self.parents
        }
        if sorted(placed) != sorted(expected):
            raise Failure(f"upstream/series.toml: in no patch, or in two, or unknown: {sorted(set(placed) ^ expected)}")

    def render(self, present):
        """{path: text} of all that abstractions `present` make."""
        files = {}
        declared = {}
        for parent in sorted(self.parents):
            for child, lines in children(self.rust[parent]).items():
                declared[f"{parent.removeprefix(ABSTRACTIONS).removesuffix('.rs')}/{child}"] = lines
        for name in present:
            text = self.rust[f"{ABSTRACTIONS}{name}.rs"]
            path = file_of(name)
            text = without_children(text, [child for child in children(text) if f"{name}/{child}" not in present])
            if name in TABLE["appended"]:
                part = text[text.index(TABLE["appended"][name]) :]
                files[path] = self.original(path) + "\n" + part
                continue
            files[path] = text
            parent = os.path.dirname(path) + ".rs"
            if parent == "rust/kernel.rs":
                parent = "rust/kernel/lib.rs"
            if parent in map(file_of, present):
                continue
            child = os.path.basename(path).removesuffix(".rs")
            alone = name not in declared or name in TABLE["own_modules"]
            lines = f"pub mod {child};\n" if alone else "".join(declared[name])
            old = name.rsplit("/", 1)[-1]
            lines = lines.replace(f"mod {old};", f"mod {child};").replace(f"use {old}::", f"use self::{child}::")
            lines = lines.replace("pub(super) mod", "pub mod")
            if gate := TABLE["gates"].get(parent) or TABLE["gates"].get(path):
                lines = re.sub(r"(?<!\]\n)^(?=pub|mod)", f"#[cfg({gate})]\n", lines, flags=re.M)
            files[parent] = insert_module(parent, files.get(parent, self.original(parent)), child, lines)
        files |= self.render_helpers(present)
        return files

    def render_helpers(self, present):
        files = {}
        wanted = set().union(*(self.helpers.sources[f"{ABSTRACTIONS}{name}.rs"] for name in present))
        every = self.original("rust/helpers/helpers.c")
        known = "".join(read(path) for path in glob.glob(f"{self.base}/rust/helpers/*.c"))
        for name, target in TABLE["helpers"].items():
            headers, functions = c_helpers(name, wanted, known)
            if not functions:
                continue
            path = f"rust/helpers/{target}"
            text = files.get(path, self.original(path)) or "// SPDX-License-Identifier: GPL-2.0\n\n"
            headers |= set(re.findall(r"^#include <.*>$", text, re.M))
            headers = sorted(headers, key=lambda line: ("<linux/" not in line, line))
            if "#include" in text:
                text = re.sub(r"(?:^#include <.*>\n)+", lambda _: "<HEADERS>\n", text, count=1, flags=re.M)
            else:
                text += "<HEADERS>\n"
            files[path] = text.replace("<HEADERS>", "\n".join(headers)) + "\n" + "\n\n".join(functions) + "\n"
            if not self.original(path):
                every = self.include(every, target)
        for name in present:
            for target, text in TABLE["new_helpers"].get(name, {}).items():
                files[f"rust/helpers/{target}"] = text
                every = self.include(every, target)
        files["rust/helpers/helpers.c"] = every
        return files

    @staticmethod
    def include(every, target):
        """helpers.c with one more file, in order."""
        line = f'#include "{target}"\n'
        if line in every:
            return every
        if gate := TABLE["helper_gates"].get(target):
            line = f"#ifdef {gate}\n{line}#endif\n"
        others = re.finditer(r"^(?:#ifdef \w+\n)?#include \"([^\"]*)\"\n", every, re.M)
        found = next(other for other in others if other[1] > target)
        return every[: found.start()] + line + every[found.start() :]

    def driver(self):
        files = {}
        for path in [*glob.glob(f"{module.REPO}/*.rs"), *glob.glob(f"{module.REPO}/pinned/*.rs")]:
            name = os.path.relpath(path, module.REPO)
            files[f"{HOME}/{name}"] = Rust(name, self.helpers).text
        for name in ("Kconfig", "Makefile"):
            files[f"{HOME}/{name}"] = read(UPSTREAM, name)
        return files

    def selftests(self):
        listing = ["git", "-c", "safe.directory=*", "-C", module.REPO, "ls-files", "tests"]
        names = subprocess.run(listing, check=True, capture_output=True, text=True).stdout.split()
        files = {}
        for name in names:
            # The sample and the module's version stay here, and so do their tests.
            if re.fullmatch(r"tests/(?:test_)?sample_.*|tests/test_module_14\.sh", name):
                continue
            if re.fullmatch(r"tests/(?:[^/]*\.(?:sh|c|h)|Makefile|config|settings|known-c-defects|\.gitignore)", name):
                text = read(module.REPO, name)
                for edit in TABLE["edits"].get(name, []):
                    text = replace_once(text, edit["old"], edit["new"], name)
                files["tools/testing/selftests/loop/" + name.removeprefix("tests/")] = text
        return files

    def patches(self):
        """Yields (message, {path: text}) of each patch."""
        self.check_complete()
        present, others = [], {}
        for patch in TABLE["patch"]:
            present += patch.get("rust", [])
            for edit in patch.get("edits", []):
                path = edit["file"]
                new = edit["new"].replace("@MAINTAINER@", maintainer())
                others[path] = replace_once(others.get(path, self.original(path)), edit["old"], new, path)
            if patch.get("driver"):
                others |= self.driver()
            if patch.get("selftests"):
                others |= self.selftests()
            yield f"{patch['subject']}\n\n{patch['body'].strip()}\n", self.render(present) | others


def write(linux, path, text, stock):
    """A file of the tree, formatted; never through a link to the stock kernel's."""
    full = os.path.join(linux, path)
    if os.path.isfile(full):
        os.unlink(full)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    if path.endswith(".rs"):
        config = os.path.join(stock.source, ".rustfmt.toml")
        done = subprocess.run(["rustfmt", "--config-path", config], input=text, capture_output=True, text=True)
        if done.returncode:
            with open(full, "w") as file:
                file.write(text)
            raise Failure(f"rustfmt refuses {full}: {done.stderr}")
        text = done.stdout
    with open(full, "w") as file:
        file.write(text)
    if path.endswith(".sh"):
        os.chmod(full, 0o755)


def commit(tree):
    """The commits, on top of the base."""
    series = Series(tree)
    last = ["git", "-c", "safe.directory=*", "-C", module.REPO, "log", "-1", "--format=%cI"]
    date = subprocess.run(last, check=True, capture_output=True, text=True).stdout.strip()
    dates = os.environ | {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    with Step("making the commits", cache.log("series-commits")) as step:
        tree.git(step, "checkout", "--quiet", "--force", "base")
        tree.git(step, "clean", "-fdq", *CHANGED, "tools/testing/selftests/loop")
        tree.git(step, "checkout", "--quiet", "-B", "series")
        written = {}
        for message, files in series.patches():
            for path, text in files.items():
                if written.get(path) != text:
                    write(tree.linux, path, text, tree.stock)
            written = files
            tree.git(step, "add", "--force", "--all", *CHANGED, *(path for path in files if path.startswith("tools/")))
            tree.git(step, *identity(), "commit", "--quiet", "--signoff", f"--message={message}", env=dates)


def format_patches(tree):
    shutil.rmtree(PLACE, ignore_errors=True)
    os.makedirs(PLACE)
    with Step("writing the patches", cache.log("series-patches")) as step:
        tree.git(step, "config", "branch.series.description", read(UPSTREAM, "cover-letter"))
        tree.git(
            step, *identity(), "format-patch", "--quiet", "--cover-letter", "--cover-from-description=subject",
            "--subject-prefix=RFC PATCH", "--base=base", f"--output-directory={PLACE}", "base..series",
        )  # fmt: skip
    return sorted(glob.glob(f"{PLACE}/*.patch"))


def checkpatch(tree, patches):
    """What checkpatch.pl says beyond what upstream/series.toml accepts, with a reason each."""
    complaints = []
    for patch in patches:
        command = ["perl", "scripts/checkpatch.pl", "--no-tree", "--terse", "--show-types", "--no-summary"]
        done = subprocess.run([*command, patch], cwd=tree.linux, capture_output=True, text=True)
        for line in done.stdout.splitlines():
            kind = re.search(r": (?:ERROR|WARNING|CHECK):(\w+):", line)
            accepted = TABLE["checkpatch_tests" if "-selftests-" in patch else "checkpatch"]
            if kind and kind[1] not in accepted:
                complaints.append(line)
    return complaints


class Build:
    """The tree of the series, built for one architecture."""

    def __init__(self, tree, arch):
        self.tree, self.arch = tree, arch
        self.obj = os.path.join(tree.dir, f"obj-{arch}")
        programs = clang.Clang().get().programs
        self.make = [
            "make", "-C", tree.linux, f"O={self.obj}", f"ARCH={ARCHES[arch]}", f"LLVM={programs}/",
            f"-j{os.cpu_count()}",
        ]  # fmt: skip

    def configure(self, step, more=()):
        """allnoconfig, what the debug kernel has for the guest, series.config, and more options."""
        os.makedirs(self.obj, exist_ok=True)
        options = {re.search(r"CONFIG_\w+", line)[0]: line for line in kernel_debug.options()}
        own = [*read(UPSTREAM, "series.config").splitlines(), *more]
        for line in own:
            if found := re.search(r"CONFIG_\w+", line):
                options[found[0]] = line
        wanted = os.path.join(self.obj, "wanted.config")
        text = "\n".join(options.values()) + "\n"
        if not os.path.exists(wanted) or read(wanted) != text:
            with open(wanted, "w") as file:
                file.write(text)
        step.run(*self.make, f"KCONFIG_ALLCONFIG={wanted}", "allnoconfig")
        config = os.path.join(self.obj, ".config")
        # Not all of the debug kernel's: many go with the debugging, or are of one architecture.
        matches = [found for line in own if (found := re.match(r"CONFIG_(\w+)", line))]
        asked = [options[found[0]] for found in matches if found[1] not in self.tree.later_symbols()]
        if missing := kernel_debug.missing(config, ["CONFIG_RUST=y", *asked]):
            raise Failure(f"the kernel of the series cannot have {', '.join(missing)}; the configuration is {config}")

    def run(self, step, *goals):
        step.run(*self.make, "CLIPPY=1", "KRUSTFLAGS=-Dwarnings", *goals)


def build(arch, each, goals):
    """Builds the end of the series, or after each patch."""
    tree = Tree().get()
    built = Build(tree, arch)
    with Step(f"building the series for {arch}", cache.log(f"series-build-{arch}")) as step:
        commits = ["series"]
        if each:
            listing = ["git", "-c", "safe.directory=*", "-C", tree.linux, "rev-list", "--reverse", "base..series"]
            commits = subprocess.run(listing, check=True, capture_output=True, text=True).stdout.split()
        for commit in commits:
            tree.git(step, "checkout", "--quiet", commit)
            last = commit == commits[-1]
            built.configure(step, () if last else NO_EXAMPLES)
            built.run(step, *goals)
        built.run(step, *LAST_GOALS)
    return built.obj


def run():
    tree = Tree().get()
    commit(tree)
    patches = format_patches(tree)
    with Step("checkpatch", cache.log("series-checkpatch")):
        complaints = checkpatch(tree, patches)
    for line in complaints:
        say(line)
    print(PLACE)
    return not complaints
