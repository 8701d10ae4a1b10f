"""isoflop cluster plan: figures, picture and refusals of the real binary."""
import json
import pathlib
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

from command_line import BINARY


class ClusterPlan(unittest.TestCase):
    def plan(self, *arguments):
        return subprocess.run([BINARY, "cluster", "plan", *map(str, arguments)], capture_output=True, text=True, timeout=60)

    def figures(self, *arguments):
        done = self.plan(*arguments, "--json", "-")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_bubbles_of_all_schedules(self):
        expected = {"gpipe": (3 / 11, [8, 8, 8, 8]), "1f1b": (3 / 11, [4, 3, 2, 1]), "zero-bubble": (1 / 9, [4, 4, 4, 4])}
        for schedule, (bubble, in_flight) in expected.items():
            got = self.figures("--pipeline", 4, "--micro-batches", 8, "--schedule", schedule)
            self.assertAlmostEqual(got["bubble"], bubble)
            self.assertAlmostEqual(got["bubble_formula"], bubble)
            self.assertEqual(got["activations_in_flight"], in_flight)
        got = self.figures("--pipeline", 4, "--micro-batches", 8, "--schedule", "interleaved", "--chunks", 2)
        self.assertAlmostEqual(got["bubble"], 3 / 19)

    def test_messages_make_it_longer(self):
        self.assertGreater(self.figures("--message", 0.5)["bubble"], self.figures()["bubble"])

    def test_draws_a_picture(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "schedule.svg"
            done = self.plan("--pipeline", 2, "--micro-batches", 3, "--draw", path)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("rank 1 | .  F0 B0 B0 F1 B1 B1 F2 B2 B2 .  .", done.stdout)
            root = xml.etree.ElementTree.parse(path).getroot()
            self.assertEqual(sum(1 for element in root.iter() if element.tag.endswith("title")), 2 * 2 * 3)

    def test_refuses_nonsense(self):
        for arguments in (["--pipeline", 0], ["--schedule", "1f2b"], ["--chunks", 2, "--schedule", "gpipe"], ["--forward", 0]):
            done = self.plan(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertEqual(len(done.stderr.splitlines()), 1)


if __name__ == "__main__":
    unittest.main()
