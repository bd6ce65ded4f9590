# SPDX-License-Identifier: GPL-2.0
"""`make test-mutants` without guests: what is run, kept and reported."""

import os
import tempfile
import unittest
from unittest import mock

from lab import mutants
from lab.say import Failure

ENTRY = """
[{0}]
breaks = "It is wrong"
file = "Kbuild"
old = "{1}"
new = "x"
tests = "{2}"
"""
NO_TEST = "mutant c: there is no test_none_01.sh"


class TestMutants(unittest.TestCase):
    def setUp(self):
        where = self.enterContext(tempfile.TemporaryDirectory())
        self.list = os.path.join(where, "mutants.toml")
        self.write(("a", "obj-m", "io_04"), ("b", "obj-m", "io_0[45]"))
        self.tried = []
        self.result = ("caught", "a test failed")
        self.driver = "first"
        for what, name, value in (
            (mutants, "LIST", self.list), (mutants, "try_out", self.try_out), (mutants, "say", mock.Mock()),
            (mutants.accelerator, "choose", mock.Mock()), (mutants.image, "GuestImage", mock.Mock()),
            (mutants.kernel, "Kernel", lambda series: mock.Mock(release=series, **{"get.return_value.release": series})),
            (mutants.kselftest, "install", mock.Mock()), (mutants.module, "build_changed", mock.Mock()),
            (mutants.release, "driver", lambda: self.driver), (mutants.cache, "path", lambda *parts: os.path.join(where, *parts)),
        ):  # fmt: skip
            self.enterContext(mock.patch.object(what, name, value))
        self.print = self.enterContext(mock.patch("builtins.print"))

    def write(self, *entries):
        with open(self.list, "w") as file:
            file.writelines(ENTRY.format(*entry) for entry in entries)

    def try_out(self, mutant, *_):
        self.tried.append(mutant.name)
        return self.result

    def run_all(self, minutes=10):
        self.tried = []
        good = mutants.run("7.2", ["*"], minutes, 1, False)
        return good, self.tried

    def last_line(self):
        return self.print.call_args[0][0]

    def test_kept(self):
        self.assertEqual(self.run_all(), (True, ["a", "b"]))
        self.assertEqual(self.run_all(), (True, []))
        self.driver = "second"
        self.assertEqual(self.run_all(), (True, ["a", "b"]))
        self.write(("a", "obj-m :=", "io_04"), ("b", "obj-m", "io_0[45]"))
        self.assertEqual(self.run_all(), (True, ["a"]))
        self.assertTrue(self.last_line().startswith("2 of 2 mutants caught"))

    def test_survivors(self):
        self.result = ("survived", "")
        self.assertEqual(self.run_all(), (False, ["a", "b"]))
        self.assertTrue(self.last_line().startswith("0 of 2 mutants caught, 0 that survived have a reason"))
        with open(self.list, "a") as file:
            file.write('reason = "b is right, too"\n')
        self.assertEqual(self.run_all(), (False, []))
        self.assertTrue(self.last_line().startswith("0 of 2 mutants caught, 1 that survived have a reason"))

    def test_not_run(self):
        # Too little time, then a guest that does not boot, then a list that is wrong.
        self.assertEqual(self.run_all(1), (False, []))
        self.result = None
        self.assertEqual(self.run_all(), (False, ["a", "b"]))
        self.assertTrue(self.last_line().endswith("2 were not run"))
        mutants.module.build_changed.side_effect = Failure("does not compile")
        self.assertEqual(self.run_all(), (False, []))
        self.assertTrue(self.last_line().endswith("0 were not run"))

    def test_complaints(self):
        self.write(("a", "obj-m", "io_04"), ("b", "not there", "io_04"), ("c", "obj-m", "none_01 io_04"))
        stale, no_test = [text for text in mutants.complaints() if "mutant" in text]
        self.assertIn("mutant b is stale: Kbuild has 0 times: not there", stale)
        self.assertEqual(no_test, NO_TEST)


if __name__ == "__main__":
    unittest.main()
