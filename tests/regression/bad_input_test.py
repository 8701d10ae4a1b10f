"""Bad input: one line that says what was seen and needed, exit code 2, nothing written or lost."""
import json
import os
import resource
import shutil
import subprocess
import unittest

from command_line import BINARY, CommandLineTest, LIMIT, RUN


class BadRunConfiguration(CommandLineTest):
    def change(self, old, new):
        self.assertIn(old, RUN)
        (self.folder / "run.toml").write_text(RUN.replace(old, new))

    def test_unknown_and_misspelt_keys_name_the_nearest(self):
        self.change("micro_batch = 4", "micro_bacht = 4")
        self.refused("train", "run.toml", says=["run.toml:11", "train.micro_bacht", '"micro_batch"'])

    def test_wrong_type(self):
        self.change("width = 32", 'width = "wide"')
        self.refused("train", "run.toml", says=["run.toml:3", "model.width", "wide", "integer"])

    def test_out_of_range(self):
        self.change("layers = 1", "layers = 0")
        self.refused("train", "run.toml", says=["run.toml:2", "model.layers", "seen 0"])

    def test_width_not_divisible_by_heads(self):
        self.change("heads = 2", "heads = 5")
        self.refused("train", "run.toml", says=["model.heads", "seen 5", "divisor of width 32"])

    def test_heads_that_no_kernel_takes(self):
        self.change("width = 32\nheads = 2", "width = 512\nheads = 1")
        self.refused("train", "run.toml", "--out", "out", says=["run.toml:4", "model.heads", "512 wide", "from 2 to 256"])

    def test_a_warmup_longer_than_the_run(self):
        self.change("[optimizer]", "[schedule]\nwarmup_tokens = 1_000_000\n[optimizer]")
        self.refused("train", "run.toml", "--out", "out", says=["run.toml:14: schedule.warmup_tokens: seen 1000000"])

    def test_a_warmup_that_lasts_into_the_decay(self):
        self.change("[optimizer]", '[schedule]\nname = "wsd"\nwarmup_tokens = 8192\ndecay_fraction = 0.8\n[optimizer]')
        self.refused("train", "run.toml", "--out", "out",
                     says=["run.toml:15: schedule.warmup_tokens: seen 8192", "the 3277 tokens before the decay"])

    def test_a_context_longer_than_the_text(self):
        self.change("context = 32", "context = 100_000")
        self.refused("train", "run.toml", "--out", "out", says=["run.toml:7: data.corpus: the validation split", "context 100000"])

    def test_global_batch_not_divisible(self):
        self.change("micro_batch = 4", "micro_batch = 3")
        self.refused("train", "run.toml", says=["train.global_batch", "multiple of micro_batch 3"])

    def test_a_batch_that_would_lengthen_the_run(self):
        self.refused("train", "run.toml", "--set", "train.global_batch=100000", "--set", "train.micro_batch=1",
                     says=["train.tokens", "seen 16384", "raise to 3200000"])

    def test_a_tensor_split_that_does_not_divide_names_one_that_does(self):
        self.refused("train", "run.toml", "--set", "parallel.tensor=3", says=["parallel.tensor", "seen 3", "model.heads 2", "use parallel.tensor = 1"])

    def test_vocabulary_that_does_not_match(self):
        self.change("context = 32", "context = 32\nvocabulary = 4096")
        self.refused("train", "run.toml", says=["run.toml:6: model.vocabulary", "4096", "257"])

    def test_checkpoints_that_cannot_be_listed(self):
        (self.folder / "out").mkdir()
        (self.folder / "out/checkpoint").write_text("no folder")
        self.refused("train", "run.toml", "--out", "out", says=["out/checkpoint: list: Not a directory", "name another place"])

    def test_more_memory_than_the_machine_has(self):
        self.refused("train", "run.toml", "--out", "out", "--set", "model.width=65536", "--set", "model.heads=1024",
                     "--set", "model.layers=100", says=["run.toml", "MiB", "micro_batch"])

    def test_set_of_an_unknown_key(self):
        self.refused("train", "run.toml", "--set", "model.widht=64", says=["--set model.widht=64", '"width"'])

    def test_not_toml(self):
        self.change("[model]", "[model")
        self.refused("train", "run.toml", says=["run.toml:1"])

    def test_missing_file(self):
        self.refused("train", "nowhere.toml", says=["nowhere.toml"])

    def test_directory_in_place_of_a_file(self):
        self.refused("train", "text", says=["text: is a directory, needed a TOML file"])

    def test_a_key_like_no_other_gets_the_list(self):
        self.refused("train", "run.toml", "--set", "model.foo=1", says=["known ones are", "layers", "width"])

    def test_weights_that_are_none(self):
        for weight in ("0.0", "-1"):
            self.refused("train", "run.toml", "--set", f"data.weights.text={weight}",
                         says=["--set data.weights.text=", "needed a number above 0, up to 1000000000000"])

    def test_weights_of_a_synthetic_process(self):
        self.change('corpus = "corpus"', 'kind = "markov"\nweights = { a = 1.0 }')
        self.refused("train", "run.toml", says=["data.weights", "data.kind"])

    def test_numbers_out_of_range_name_a_readable_range(self):
        done = self.refused("bench", "train", "run.toml", "--steps", "0", says=["--steps", "1 to 1000000000"])
        self.assertLess(len(done.stderr), 100)

    def test_unknown_option_and_command(self):
        self.assertEqual(self.run_here("train", "run.toml", "--bogus").returncode, 2)
        self.refused("trian", "run.toml", says=["'trian' is no command, did you mean 'train'?", "one of data, train, sweep"])
        self.refused("sweep", "paln", "study.toml", says=["sweep: 'paln' is no command, did you mean 'plan'?", "one of plan, run, status"])

    def test_no_command_names_those_there_are(self):
        self.refused(says=["no command given; needed one of data, train, sweep"])
        self.refused("sweep", says=["sweep: no command given; needed one of plan, run, status, collect"])
        self.refused("sweep", "--jobs", "2", says=["sweep: no command before '--jobs'"])

    def test_misspelt_options_name_the_nearest_and_the_help(self):
        self.refused("train", "run.toml", "--ste", "train.seed=2", says=["train: '--ste' is no option, did you mean '--set'?", "--help"])
        self.refused("sweep", "plan", "study.toml", "--executor=slurm", says=["sweep plan: '--executor' is no option, isoflop sweep plan --help"])
        self.refused("train", "run.toml", "more.toml", says=["train: 'more.toml' is an argument too many", "isoflop train --help"])
        self.refused("train", says=["train: config is required", "isoflop train --help"])
        self.refused("predict", "fit.json", "--params", "1B", says=["--params = 1B", "needed a number", "2e6"])

    def test_empty_values_are_not_taken_for_nothing_given(self):
        for arguments in (["train", ""], ["train", "run.toml", "--out", ""], ["train", "run.toml", "--from", ""],
                          ["sweep", "plan", "run.toml", "--out", ""], ["fit", "run.toml", "--law", "chinchilla", "--json", ""]):
            self.refused(*arguments, says=["seen ''", "variable of the shell"])

    def test_a_misspelt_table_of_an_assignment_names_the_assignment(self):
        self.refused("train", "run.toml", "--set", "trian.seed=2", says=["--set trian.seed=2: trian: is not a known key", '"train"'])

    def test_a_text_with_control_characters(self):
        for character in ("\\u0000", "\\n"):
            self.refused("train", "run.toml", "--set", f'data.corpus="a{character}b"', says=["data.corpus", "without control characters"])

    def test_links_that_lead_nowhere(self):
        os.symlink("loop.toml", self.folder / "loop.toml")
        self.refused("train", "loop.toml", says=["loop.toml: cannot be read: Too many levels of symbolic links"])
        self.refused("train", "run.toml", "--out", "loop.toml", says=["loop.toml", "symbolic links"])


class BadCharacters(CommandLineTest):
    def test_a_message_is_one_line_whatever_the_values_hold(self):
        self.refused("train", "run.toml", "--set", "model.layers=\n2", says=["--set model.layers=\\n2: "])
        self.refused("train", "no\nfile.toml", says=["no\\nfile.toml: cannot be read"])
        self.refused("data", "prepare", "--source", "a=no\nfile", "--tokenizer", "bytes", "--out", "new", says=["no\\nfile"])
        self.refused("fit", "no\nfile.csv", "--law", "chinchilla", says=["no\\nfile.csv: cannot be read"])
        self.refused("fit", "\x1b[2J.csv", "--law", "chinchilla", says=["\\x1b[2J.csv: cannot be read"])


class BadRanks(CommandLineTest):
    def test_a_deadline_that_is_none_is_refused_before_training(self):
        for text in ("abc", "", "0", "-1", "nan", "inf", "1e400", "5s"):
            for command in (["train", "run.toml", "--out", "out"], ["bench", "train", "run.toml"]):
                with self.subTest(text=text, command=command):
                    self.refused(*command, env={**os.environ, "ISOFLOP_DEADLINE": text},
                                 says=[f'ISOFLOP_DEADLINE: seen "{text}", needed a finite number of seconds above 0'])

    def test_more_ranks_than_the_batch_can_be_dealt_to(self):
        for command in (["train"], ["bench", "train"]):
            with self.subTest(command):
                done = subprocess.run(["mpirun", "--oversubscribe", "-n", "2", BINARY, *command, "run.toml", "--set",
                                       "parallel.virtual_ranks=1"], cwd=self.folder, capture_output=True, text=True, timeout=LIMIT)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertEqual(done.stderr.count("parallel.virtual_ranks: 2 ranks were started"), 1, done.stderr)

    def test_more_ranks_than_micro_batches_are_told_a_smaller_one(self):
        done = subprocess.run(["mpirun", "--oversubscribe", "-n", "4", BINARY, "train", "run.toml", "--set", "parallel.zero=1"],
                              cwd=self.folder, capture_output=True, text=True, timeout=LIMIT)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("isoflop: run.toml: parallel.virtual_ranks: 4 ranks were started", done.stderr)
        self.assertIn("use train.micro_batch = 2 with parallel.virtual_ranks = 4 (another run)", done.stderr)

    def test_ranks_that_read_different_files(self):
        other = self.folder / "other"
        shutil.copytree(self.folder / "corpus", other / "corpus")
        (other / "run.toml").write_text((self.folder / "run.toml").read_text().replace("learning_rate = 0.01", "learning_rate = 0.02"))
        for command in (["train", "run.toml", "--out", self.folder / "run"], ["bench", "train", "run.toml"]):
            ranks = [BINARY, *command]
            done = subprocess.run(["mpirun", "--oversubscribe", "-n", "1", *ranks, ":", "-n", "1", "--wdir", other, *ranks],
                                  cwd=self.folder, capture_output=True, text=True, timeout=LIMIT)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("rank 1 has another configuration, corpus or --from than rank 0", done.stderr)
            self.assertFalse((self.folder / "run").exists())

    def test_layouts_planned_from_a_bench_of_several_ranks(self):
        subprocess.run(["mpirun", "--oversubscribe", "-n", "2", BINARY, "bench", "train", "run.toml", "--steps", "1", "--json",
                        "bench.json"], cwd=self.folder, check=True, capture_output=True, timeout=LIMIT)
        self.refused("cluster", "layouts", "run.toml", "--ranks", "2", "--bench", "bench.json", "--comm", "bench.json",
                     says=["bench.json: seen figures of 2 ranks", "write it anew with `isoflop bench train RUN.toml"])


class BadCorpus(CommandLineTest):
    ADVICE = ["run `isoflop data prepare` again with --force"]

    def shard(self):
        description = json.loads((self.folder / "corpus/corpus.json").read_text())
        return self.folder / "corpus" / description["sources"][0]["shards"]["train"][0]["file"]

    def test_missing(self):
        self.refused("train", "run.toml", "--set", "data.corpus=elsewhere", says=["elsewhere"])

    def test_truncated(self):
        shard = self.shard()
        shard.write_bytes(shard.read_bytes()[:-2])
        size = shard.stat().st_size
        self.refused("train", "run.toml", says=[f"corpus/{shard.name}: has {size} bytes, corpus.json says {size + 2}", *self.ADVICE])

    def test_changed_content(self):
        shard = self.shard()
        content = bytearray(shard.read_bytes())
        content[10] ^= 1
        shard.write_bytes(content)
        self.refused("train", "run.toml", says=[f"corpus/{shard.name}: checksum is ", "corpus.json says", *self.ADVICE])

    def test_wrong_fingerprint(self):
        path = self.folder / "corpus/corpus.json"
        description = json.loads(path.read_text())
        description["fingerprint"] = "0" * 16
        path.write_text(json.dumps(description))
        says = ["corpus/corpus.json: fingerprint is 0000000000000000, but its content gives", *self.ADVICE]
        self.refused("train", "run.toml", says=says)
        self.refused("data", "inspect", "corpus", says=says)

    def test_the_advice_for_a_damaged_corpus_works(self):
        (self.folder / "corpus/corpus.json").write_text("{}")
        prepare = ["data", "prepare", "--source", "text=text/*.txt", "--tokenizer", "bytes", "--validation", "0.1", "--out", "corpus"]
        self.refused("train", "run.toml", says=["corpus/corpus.json: not a corpus description", *self.ADVICE])
        done = self.refused(*prepare, says=self.ADVICE)
        self.assertEqual(done.stderr.count("--force"), 1, done.stderr)
        self.assertEqual(self.run_here(*prepare, "--force").returncode, 0)
        self.assertEqual(self.run_here("train", "run.toml").returncode, 0)

    def test_unknown_source_weight(self):
        self.refused("train", "run.toml", "--set", "data.weights.txet=1.0", says=["txet", '"text"'])


class BadText(CommandLineTest):
    def prepare(self, *arguments, says, **options):
        self.refused("data", "prepare", *arguments, "--out", "new", says=says, **options)

    def test_source_names_and_threads(self):
        self.prepare("--source", "a.b/c=text/*.txt", "--tokenizer", "bytes", says=["a.b/c", "letters, digits, '_', '-' and '.'"])
        self.prepare("--source", "a=text/*.txt", "--tokenizer", "bytes", "--threads", "100000", says=["--threads", "at most 1024"])

    def test_an_edit_that_keeps_size_and_time_is_noticed(self):
        prepare = ["data", "prepare", "--source", "a=text/*.txt", "--tokenizer", "bytes", "--validation", "0.1", "--out", "new"]
        self.assertEqual(self.run_here(*prepare).returncode, 0)
        text = self.folder / "text/0.txt"
        facts = text.stat()
        text.write_bytes(text.read_bytes().replace(b"law", b"raw"))
        os.utime(text, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        self.refused(*prepare, says=["--force"])

    def test_files_larger_than_the_limit(self):
        def smaller_files():
            resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
        self.prepare("--source", "a=text/*.txt", "--tokenizer", "bytes", "--validation", "0.1", says=["File too large"],
                     preexec_fn=smaller_files)

    def test_empty_glob(self):
        self.prepare("--source", "a=nothing/*.txt", "--tokenizer", "bytes", says=["nothing/*.txt"])

    def test_two_sources_of_one_name(self):
        self.prepare("--source", "a=text/1*.txt", "--source", "a=text/2*.txt", "--tokenizer", "bytes",
                     says=["source 'a' is named twice", "after one --source a="])

    def test_non_utf8_for_bpe_names_file_and_offset(self):
        (self.folder / "text/bad.txt").write_bytes(b"good\n" * 10 + b"\xff\xfe")
        self.prepare("--source", "a=text/*.txt", "--tokenizer", "bpe:300", says=["bad.txt", "50"])

    def test_bytes_takes_anything(self):
        (self.folder / "text/bad.txt").write_bytes(b"good\n" * 10 + b"\xff\xfe")
        done = self.run_here("data", "prepare", "--source", "a=text/*.txt", "--tokenizer", "bytes", "--validation", "0.1",
                             "--out", "new")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_vocabulary_larger_than_the_text_gives(self):
        self.prepare("--source", "a=text/*.txt", "--tokenizer", "bpe:30000", "--validation", "0.1", says=["30000"])

    def test_two_weights_of_one_source(self):
        self.prepare("--source", "a=text/*.txt", "--tokenizer", "bytes", "--weight", "a=1", "--weight", "a=2", says=["--weight a=2", "already"])

    def test_unknown_tokenizer(self):
        self.prepare("--source", "a=text/*.txt", "--tokenizer", "words", says=["words"])


class BadPoints(CommandLineTest):
    def fit(self, content, *arguments, says):
        (self.folder / "points.csv").write_text(content)
        self.refused("fit", "points.csv", *arguments, says=says)

    GOOD = "params,tokens,loss\n" + "".join(f"{n},{d},{1.7 + 400 / n**0.34 + 410 / d**0.28}\n"
                                            for n in (1e6, 1e7, 1e8) for d in (1e8, 1e9, 1e10))

    def test_nan_and_negative_losses_name_the_line(self):
        for bad in ("nan", "-2.0", "0", "loss"):
            self.fit(self.GOOD + f"1e6,1e9,{bad}\n", "--law", "chinchilla", says=["points.csv:11", "loss"])

    def test_missing_column(self):
        self.fit("params,loss\n1e6,3\n", "--law", "chinchilla", says=["points.csv", "tokens"])

    def test_too_few_points(self):
        self.fit("params,tokens,loss\n1e6,1e8,3\n1e7,1e9,2.5\n", "--law", "chinchilla", says=["2 points", "needs at least 6 points"])

    def test_files_of_another_kind(self):
        self.refused("fit", ".", "--law", "chinchilla", says=[".: is a directory, needed a file"])
        self.assertEqual(self.run_here("train", "run.toml", "--out", "run").returncode, 0)
        self.refused("fit", "run/run.h5", "--law", "chinchilla", says=["run/run.h5: is the record of one run", "results.h5 of isoflop sweep collect"])
        self.refused("predict", "run/run.h5", "--flops", "1e20", says=["run/run.h5: not JSON from byte 1 on", "written by isoflop fit"])

    def test_unknown_law(self):
        self.fit(self.GOOD, "--law", "chinchila", says=["chinchila", "chinchilla"])


class BadManifest(CommandLineTest):
    MANIFEST = ('[study]\nname = "x"\n[base.model]\ncontext = 32\n[base.data]\ncorpus = "corpus"\n'
                '[base.train]\nglobal_batch = 8\nprecision = "fp32"\n'
                '[[size]]\nmodel = { layers = 1, width = 32 }\n[[grid]]\nbudgets = [FLOPS]\n')

    def plan(self, manifest, says):
        (self.folder / "manifest.toml").write_text(manifest)
        self.refused("sweep", "plan", "manifest.toml", "--out", "sweep", says=says)

    def test_misspelt_key(self):
        self.plan(self.MANIFEST.replace("FLOPS", "1e10").replace("global_batch", "global_bacth"),
                  says=["manifest.toml:8", "global_bacth", "global_batch"])

    def test_runs_of_several_ranks(self):
        self.plan(self.MANIFEST.replace("FLOPS", "1e10") + "[base.parallel]\npipeline = 2\n",
                  says=["manifest.toml:15: parallel.pipeline", "seen 2", "one process"])

    def test_heads_that_no_kernel_takes(self):
        self.plan(self.MANIFEST.replace("FLOPS", "1e10").replace("width = 32", "width = 512, heads = 1"),
                  says=["manifest.toml:11", "model.heads", "from 2 to 256"])

    def test_no_process_at_once(self):
        (self.folder / "manifest.toml").write_text(self.MANIFEST.replace("FLOPS", "1e10"))
        self.refused("sweep", "run", "manifest.toml", "--jobs", "0", says=["--jobs", "1 to 4096"])

    def test_misspelt_grid_and_empty_target(self):
        self.plan(self.MANIFEST.replace("FLOPS", "1e10").replace("[[grid]]", "[[gird]]"), says=["gird: is not a known key", '"grid"'])
        self.plan(self.MANIFEST.replace("FLOPS", "1e10") + "[target]\n", says=["manifest.toml", "tokens", "flops"])
        self.plan(self.MANIFEST.replace("FLOPS", "-1"), says=["manifest.toml:13", "seen -1", "a number above 0, up to 1e+30"])

    def test_a_place_that_is_taken(self):
        (self.folder / "manifest.toml").write_text(self.MANIFEST.replace("FLOPS", "1e10"))
        for command in ("plan", "run", "status"):
            self.refused("sweep", command, "manifest.toml", "--out", "corpus", says=["--out corpus: holds a corpus or a run"])
            self.refused("sweep", command, "manifest.toml", "--out", "run.toml", says=["run.toml", "Not a directory"])
        (self.folder / "sweep").mkdir()
        for own in ("manifest.toml", "plan.json", "fit-chinchilla-approach3.json"):
            self.refused("sweep", "plan", "manifest.toml", "--out", "sweep", "--json", f"sweep/{own}", says=["is a file of the sweep itself"])

    def test_budget_that_no_run_can_meet(self):
        self.plan(self.MANIFEST.replace("FLOPS", "1e3"), says=["manifest.toml", "1000"])


if __name__ == "__main__":
    unittest.main()
