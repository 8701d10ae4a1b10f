"""Files that commands write: nothing is lost when the place is wrong, and devices, pipes and links stay what they are."""
import os
import stat
import subprocess
import unittest

from command_line import BINARY, CommandLineTest, LIMIT

POINTS = "params,tokens,loss\n" + "".join(
    f"{n:g},{d:g},{1.8 + 480 / n**0.35 + 2000 / d**0.365:.6f}\n" for n in (1e6, 3e6, 1e7, 3e7) for d in (1e8, 3e8, 1e9))


class Output(CommandLineTest):
    def setUp(self):
        super().setUp()
        (self.folder / "points.csv").write_text(POINTS)

    def fit(self, *arguments, **options):
        return self.run_here("fit", "points.csv", "--law", "chinchilla", "--bootstrap", "0", *arguments, **options)

    def test_a_place_that_cannot_be_written_is_found_before_the_work(self):
        for place in ("nowhere/fit.json", "corpus", "points.csv/fit.json"):
            self.refused("fit", "points.csv", "--law", "chinchilla", "--json", place, says=["--json", place, "cannot be written"])

    def test_an_input_is_not_overwritten(self):
        self.refused("fit", "points.csv", "--law", "chinchilla", "--json", "./points.csv", says=["points.csv", "another file"])
        self.assertEqual((self.folder / "points.csv").read_text(), POINTS)

    def test_what_is_no_such_result_is_not_overwritten(self):
        for other in ("run.toml", "corpus/text-train-00000.bin"):
            self.refused("fit", "points.csv", "--law", "chinchilla", "--json", other, says=[other, "holds something else"])
        for _ in range(2):  # a result may be replaced
            self.assertEqual(self.fit("--json", "fit.json").returncode, 0)

    def test_the_configuration_is_not_overwritten_by_the_resolved_one(self):
        given = (self.folder / "run.toml").read_text()
        self.refused("train", "run.toml", "--out", ".", says=["run.toml", "--out"])
        self.assertEqual((self.folder / "run.toml").read_text(), given)

    def test_a_link_stays_a_link(self):
        (self.folder / "fit.json").write_text("")
        os.symlink("fit.json", self.folder / "link.json")
        self.assertEqual(self.fit("--json", "link.json").returncode, 0)
        self.assertTrue((self.folder / "link.json").is_symlink())
        self.assertIn('"chinchilla"', (self.folder / "fit.json").read_text())

    def test_a_pipe_is_written_into(self):
        pipe = self.folder / "pipe"
        os.mkfifo(pipe)
        with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True) as reader:
            self.assertEqual(self.fit("--json", "pipe").returncode, 0)
            self.assertIn('"chinchilla"', reader.communicate(timeout=LIMIT)[0])
        self.assertTrue(stat.S_ISFIFO(pipe.stat().st_mode))

    def test_a_closed_standard_output_is_found_before_the_work(self):
        closed = ["bash", "-c", 'exec "$@" >&-', "bash"]
        before = self.files()
        for arguments in (["--version"], ["train", "run.toml", "--out", "out"], ["fit", "points.csv", "--law", "chinchilla", "--json", "f.json"]):
            done = subprocess.run([*closed, BINARY, *arguments], cwd=self.folder, stderr=subprocess.PIPE, text=True, timeout=LIMIT)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertEqual(done.stderr, "isoflop: standard output is closed; send it to a file or to /dev/null\n")
        self.assertEqual(self.files(), before)

    def test_no_file_takes_the_place_of_a_closed_stream(self):
        done = subprocess.run(["bash", "-c", 'exec "$@" <&- 2>&-', "bash", BINARY, "train", "run.toml", "--out", "out"], cwd=self.folder,
                              stdout=subprocess.PIPE, timeout=LIMIT)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(self.run_here("checkpoint", "verify", "out").returncode, 0)

    def test_a_reader_that_goes_away_ends_no_run(self):
        with subprocess.Popen([BINARY, "train", "run.toml", "--out", "out"], cwd=self.folder, stdout=subprocess.PIPE) as run:
            run.stdout.readline()
            run.stdout.close()
            self.assertEqual(run.wait(timeout=LIMIT), 0)
        self.assertTrue((self.folder / "out/finished").exists())

    def test_a_full_disk_behind_standard_output_is_an_error(self):
        with open("/dev/full", "w") as full:
            for arguments in (["fit", "--list-laws"], ["--help"], ["--help-all"], ["train", "run.toml", "--out", "out"],
                              ["fit", "points.csv", "--law", "chinchilla", "--bootstrap", "0", "--json", "-"]):
                done = subprocess.run([BINARY, *arguments], cwd=self.folder, stdout=full, stderr=subprocess.PIPE, text=True, timeout=LIMIT)
                self.assertEqual(done.returncode, 1, arguments)
                self.assertRegex(done.stderr, r"\Aisoflop: standard output: (No space left on device|cannot be written)\n\Z")
        self.assertTrue((self.folder / "out/finished").exists())


if __name__ == "__main__":
    unittest.main()
