# SPDX-License-Identifier: GPL-2.0
"""Names of kernels, the table of kernels, and what compilers refuse by file."""

import re
import unittest

from lab import kernel, kernels
from lab.say import Failure

LOG = """\
error[E0308]: mismatched types
  --> /m/abstractions/block.rs:12:5
   |
error: unused import
   --> /m/loop_cmd.rs:3:1
error[E0425]: cannot find value
  --> /m/abstractions/block.rs:7:1
/m/helpers/fs.c:7:3: error: implicit declaration
ERROR: modpost: "freeze" [/m/loop.ko] undefined!
error: aborting due to 3 previous errors
"""


class Names(unittest.TestCase):
    def test_parts(self):
        for name, parts in {
            "7.2": ("7.2", "7.2", "trixie-backports", "cloud-amd64", "amd64"),
            "7.2-cloud-amd64": ("7.2", "7.2", "trixie-backports", "cloud-amd64", "amd64"),
            "7.2-generic": ("7.2-generic", "7.2", "trixie-backports", "amd64", "amd64"),
            "7.3-rt-arm64": ("7.3-rt-arm64", "7.3", "trixie-backports", "rt-arm64", "arm64"),
            "7.3-experimental": ("7.3-experimental", "7.3", "experimental", "cloud-amd64", "amd64"),
        }.items():
            each = kernel.Kernel(name)
            self.assertEqual((each.series, each.linux, each.suite, each.flavour, each.arch), parts)

    def test_wrong(self):
        for name in ("", "7", "7.2-foo", "7.2-arm64-rt", "7.2-debug"):
            self.assertRaises(Failure, kernel.Kernel, name)

    def test_cache_entry_stays(self):
        """The caches of 7.2 and 7.3 of before there were others are found."""
        self.assertEqual(kernel.Kernel("7.3").key, "5bd761c13753")

    def test_headers(self):
        for name, release in {
            "linux-headers-7.2.12+deb13-cloud-amd64": "7.2.12+deb13-cloud-amd64",
            "linux-headers-7.2-cloud-amd64": "7.2-cloud-amd64",
            "linux-headers-7.2.12+deb13-amd64": None,
            "linux-headers-7.21.1-cloud-amd64": None,
        }.items():
            found = re.fullmatch(kernel.header_pattern("7.2", "cloud-amd64"), name)
            self.assertEqual(found and found[1], release)
        self.assertFalse(re.fullmatch(kernel.header_pattern("7.2", "amd64"), "linux-headers-7.2.12+deb13-rt-amd64"))


class Table(unittest.TestCase):
    def test_errors(self):
        self.assertEqual(
            kernels.compile_errors(LOG, "/m"),
            {
                "abstractions/block.rs": [(12, "mismatched types"), (7, "cannot find value")],
                "loop_cmd.rs": [(3, "unused import")],
                "helpers/fs.c": [(7, "implicit declaration")],
                "loop.ko": [(0, '"freeze" [/m/loop.ko] undefined!')],
            },
        )

    def test_choice(self):
        self.assertIn("7.2-rt", kernels.choose(["*-rt"]))
        self.assertEqual(kernels.choose(["7.4-experimental", "7.[23]"]), ["7.4-experimental", "7.2", "7.3"])
        self.assertRaises(Failure, kernels.choose, ["nothing"])
