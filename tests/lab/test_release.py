# SPDX-License-Identifier: GPL-2.0
"""`make release-check` with pieces that take no time, and other small things of the lab."""

import fnmatch
import os
import tempfile
import unittest
from unittest import mock

from bench.cases import CASES
from lab import release
from lab.say import Failure

QUICK = release.Group("quick", "7.2", "", ["true", "false", "echo '3 passed, 0 failed'"], 1)
SLOW = release.Group("slow", "7.3", "sleep", ["30"], 20)


class TestRelease(unittest.TestCase):
    def setUp(self):
        where = self.enterContext(tempfile.TemporaryDirectory())
        self.record = os.path.join(where, "record.md")
        with open(self.record, "w") as file:
            file.write(f"before\n{release.BEGIN}old\n{release.END}after\n")
        self.key = "first"
        for name, value in {
            "GROUPS": [QUICK, SLOW], "MAKE": ("env",), "RECORD": self.record, "RESULTS": os.path.join(where, "results"),
            "driver": lambda: self.key, "log_of": lambda piece: os.path.join(where, "log"), "say": mock.Mock(),
            "release_of": lambda series: series, "LOCK": os.path.join(where, "lock"),
        }.items():  # fmt: skip
            self.enterContext(mock.patch.object(release, name, value))
        self.enterContext(mock.patch("builtins.print"))

    def outcomes(self):
        results = release.Results()
        return [results.outcome(piece) for piece in release.pieces()]

    def text(self):
        with open(self.record) as file:
            return file.read()

    def test_session(self):
        # The slow one does not fit.
        self.assertFalse(release.run(10, None, False))
        self.assertEqual(self.outcomes(), ["passed", "failed", "passed", None])
        self.assertFalse(release.run(0, None, True))
        text = self.text()
        self.assertTrue(text.startswith("before\n") and text.endswith("after\n"))
        self.assertIn("| quick | 7.2 | 2 of 3 (FAILED: `make false`) | 3 passed, 0 failed |", text)
        self.assertNotIn("old", text)

    def test_again(self):
        release.run(10, "false", False)
        release.run(10, None, False)
        self.assertEqual(len(release.Results().rows), 3)
        # What failed runs again only if it is named; that it failed before is told.
        with mock.patch.object(release, "run_piece", lambda piece, seconds: ("passed", "")):
            release.run(10, None, False)
            self.assertEqual(self.outcomes()[1], "failed")
            release.run(10, "f*", False)
        self.assertEqual(self.outcomes()[1], "passed")
        self.assertIn("(1 failed in an earlier run)", self.text())

    def test_other_driver(self):
        release.run(10, "true", False)
        with mock.patch.object(release, "run_piece", lambda piece, seconds: ("passed", "")):
            release.run(100, "sleep*", False)
        self.key = "second"
        self.assertEqual(self.outcomes(), [None] * 4)
        # How long it took is known, so it fits now.
        results = release.Results()
        self.assertLess(results.seconds(list(release.pieces())[-1]), 10)
        release.run(0.02, "true", False)
        self.assertEqual([row["driver"] for row in release.Results().rows], ["first", "second"])

        def change(piece, seconds):
            self.key = "third"
            return "passed", ""

        with mock.patch.object(release, "run_piece", change), self.assertRaises(Failure):
            release.run(10, "false", False)
        self.assertEqual(self.outcomes(), [None] * 4)

    def test_stopped(self):
        piece = list(release.pieces())[-1]
        self.assertEqual(release.run_piece(piece, 0.2), ("stopped", ""))
        with mock.patch.object(release, "run_piece", lambda piece, seconds: ("stopped", "")):
            release.run(100, "sleep*", False)
        self.assertEqual(self.outcomes()[-1], None)
        self.assertEqual(release.Results().seconds(piece), 20 * 60)


class TestLists(unittest.TestCase):
    def test_pieces_differ(self):
        commands = [piece.command for piece in release.pieces()]
        self.assertEqual(len(commands), len(set(commands)))

    def test_bench_is_whole(self):
        globs = " ".join(release.BENCH).split()
        self.assertEqual([case.name for case in CASES if not any(fnmatch.fnmatch(case.name, glob) for glob in globs)], [])

    def test_comments_do_not_count(self):
        one = 'let a = "// no"; // yes\n/// yes\nb\n'
        self.assertEqual(release.code("a.rs", one), ['let a = "// no";', "b"])
        self.assertEqual(release.code("a.c", "/* yes\n * yes */\n\tint a;\n"), ["\tint a;"])


if __name__ == "__main__":
    unittest.main()
