#include "config/run_config.hpp"

#include <gtest/gtest.h>

#include "core/atomic_file.hpp"
#include "core/config_document.hpp"
#include "core/error.hpp"
#include "tests/harness/scratch_directory.hpp"

namespace isoflop::config {
namespace {

constexpr const char* kRun =
    "[model]\nlayers = 2\nwidth = 64\nheads = 2\ncontext = 128\n"
    "[data]\ncorpus = \"corpus\"\n"
    "[train]\ntokens = 100_000\nglobal_batch = 16\nmicro_batch = 4\n"
    "[schedule]\nname = \"wsd\"\nwarmup_tokens = 4096\n";

RunConfig run(const std::vector<std::string>& sets) {
  ConfigDocument document = ConfigDocument::from_text(kRun, "run.toml");
  for (const std::string& assignment : sets) document.set(assignment);
  RunConfig config = read_run_config(document.root());
  document.root().refuse_unknown_keys();
  resolve(config, 257, "00ff");
  return config;
}

std::string message(const std::vector<std::string>& sets) {
  try {
    run(sets);
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(RunConfig, ResolvesStepsAndVirtualRanks) {
  const RunConfig config = run({});
  EXPECT_EQ(config.tokens_per_step(), 16 * 128);
  EXPECT_EQ(config.steps, 49);  // 100,000 / 2,048 rounded up
  EXPECT_EQ(config.tokens(), 49 * 2048);
  EXPECT_EQ(config.parallel.virtual_ranks, 4);
  EXPECT_EQ(config.model.vocabulary, 257u);
  EXPECT_EQ(run({"train.global_batch=128", "train.tokens=1000000"}).parallel.virtual_ranks, 8);
  EXPECT_EQ(run({"train.global_batch=12"}).parallel.virtual_ranks, 1);  // 3 micro-batches
}

TEST(RunConfig, ResolvedTextReadsBackTheSame) {
  const RunConfig config =
      run({"optimizer.learning_rate=0.0123456789", "model.activation=swiglu", "train.seed=7",
           "evaluate.at_tokens=[1, 5000]", "guard.on_spike=skip", "guard.z_score=4.5"});
  ConfigDocument document = ConfigDocument::from_text(to_toml(config), "again.toml");
  RunConfig again = read_run_config(document.root());
  document.root().refuse_unknown_keys();
  resolve(again, 257, "00ff");
  EXPECT_EQ(to_toml(again), to_toml(config));
  EXPECT_EQ(run_id(again), run_id(config));
}

// Names of sources are any text, and so is the path of a corpus.
TEST(RunConfig, ResolvedTextQuotesNames) {
  RunConfig config = run({"data.weights.plain=1.0"});
  const std::string id = run_id(config);
  EXPECT_NE(to_toml(config).find("{ plain = 1.0 }"), std::string::npos);
  config.data.weights = {{"books.en", 2.0}, {"a \"b\"\n", 1.0}, {"", 3.0}};
  config.data.corpus = "C:\\text \"x\"";
  ConfigDocument document = ConfigDocument::from_text(to_toml(config), "again.toml");
  const RunConfig again = read_run_config(document.root());
  EXPECT_EQ(again.data.weights, config.data.weights);
  EXPECT_EQ(again.data.corpus, config.data.corpus);
  EXPECT_NE(run_id(config), id);
}

TEST(RunConfig, IdCoversWhatChangesTheNumbersAndNothingElse) {
  const std::string id = run_id(run({}));
  for (const char* same :
       {"train.threads=2", "parallel.zero=1", "parallel.data=2", "parallel.pipeline=2",
        "parallel.schedule=gpipe", "evaluate.every_tokens=10000", "evaluate.at_tokens=[5000]",
        "checkpoint.every_tokens=50000", "guard.window=64", "data.corpus=elsewhere"}) {
    EXPECT_EQ(run_id(run({same})), id) << same;
  }
  for (const char* other :
       {"train.seed=2", "model.layers=3", "train.precision=fp32", "parallel.virtual_ranks=2",
        "train.tokens=200_000", "schedule.decay_fraction=0.3", "train.micro_batch=2",
        "optimizer.learning_rate=0.002", "data.weights.code=2.0", "guard.on_spike=skip",
        "train.reproducible=false"}) {
    EXPECT_NE(run_id(run({other})), id) << other;
  }
  const auto going_back = [](const char* set) {
    return run_id(run({"guard.on_spike=rollback", "checkpoint.every_tokens=4096", set}));
  };
  EXPECT_EQ(going_back("checkpoint.keep=2"), going_back("checkpoint.keep=3"));
  EXPECT_NE(going_back("checkpoint.every_tokens=8192"), going_back("checkpoint.keep=2"))
      << "where it goes back to";
}

TEST(RunConfig, TrunkIdIgnoresTheEnd) {
  const std::string trunk = trunk_id(run({}));
  EXPECT_EQ(trunk_id(run({"train.tokens=200_000"})), trunk);
  EXPECT_EQ(trunk_id(run({"schedule.decay_fraction=0.0"})), trunk);
  EXPECT_NE(trunk_id(run({"schedule.warmup_tokens=2048"})), trunk);
}

TEST(RunConfig, TellsOfADecayThatACosineDoesNotRead) {
  EXPECT_EQ(unread_setting(run({"schedule.decay_fraction=0.3"})), "");
  EXPECT_EQ(unread_setting(run({"schedule.name=cosine"})), "");
  EXPECT_EQ(unread_setting(run({"schedule.decay_fraction=0.3", "schedule.name=cosine"})),
            "schedule.decay_fraction = 0.3 does nothing: schedule.name = \"cosine\" decays all the "
            "way; \"wsd\" reads it");
}

TEST(RunConfig, RefusesWhatCannotWork) {
  EXPECT_EQ(message({"model.heads=3"}),
            "--set model.heads=3: model.heads: seen 3, needed a divisor of width 64");
  EXPECT_NE(message({"train.global_batch=10"}).find("needed a multiple of micro_batch 4"),
            std::string::npos);
  EXPECT_NE(message({"train.reproducible=false", "parallel.zero=2"})
                .find("seen 2 with train.reproducible = false, needed 0 or 1"),
            std::string::npos);
  EXPECT_NE(message({"train.reproducible=false", "parallel.tensor=2"})
                .find("seen 2 with train.reproducible = false, needed 1"),
            std::string::npos);
  EXPECT_NE(message({"parallel.virtual_ranks=3"}).find("power of two"), std::string::npos);
  EXPECT_NE(message({"parallel.pipeline=2", "parallel.chunks=2"}).find("interleaved"),
            std::string::npos);
  EXPECT_EQ(message({"parallel.schedule=interleaved"}), "accepted");  // as any other schedule
  EXPECT_NE(message({"parallel.schedule=interleaved", "parallel.chunks=2"}).find("at least 2"),
            std::string::npos);
  EXPECT_NE(message({"schedule.warmup_tokens=1_000_000"}).find("fewer than the"),
            std::string::npos);
  EXPECT_EQ(
      message({"schedule.decay_fraction=0.97"}),
      "run.toml:14: schedule.warmup_tokens: seen 4096, needed at most the 3011 tokens before "
      "the decay (schedule.decay_fraction 0.97 of 100352); shorten one of the two, or lengthen "
      "the run");
  EXPECT_EQ(message({"schedule.decay_fraction=0.97", "schedule.name=cosine"}), "accepted");
  EXPECT_EQ(message({"model.heads=64", "model.position=learned"}),
            "--set model.heads=64: model.heads: seen 64, which makes heads 1 wide; needed an even "
            "width from 2 to 256");
  EXPECT_NE(message({"model.width=512", "model.heads=1"}).find("from 2 to 256"), std::string::npos);
  EXPECT_NE(message({"model.vocabulary=512"}).find("the data has 257 tokens"), std::string::npos);
  EXPECT_NE(message({"train.precison=fp32"}).find("nearest is \"precision\""), std::string::npos);
  EXPECT_NE(message({"guard.on_spike=rollback"}).find("checkpoint.every_tokens = 0"),
            std::string::npos);
  EXPECT_NE(message({"data.kind=markov"}).find("remove one"), std::string::npos);
  EXPECT_NE(message({"checkpoint.at_tokens=[1000]"}).find("multiple of the 2048 tokens"),
            std::string::npos);
}

// The keys that it makes missing are not what is wrong.
TEST(RunConfig, AMisspeltNameWinsOverWhatItMakesMissing) {
  const auto misspelt = [](const std::string& name, const std::string& as) {
    std::string text = kRun;
    text.replace(text.find(name), name.size(), as);
    try {
      read_run_config(ConfigDocument::from_text(text, "run.toml").root());
    } catch (const InputError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_EQ(misspelt("[model]", "[modle]"),
            "run.toml:1: modle: is not a known key; the nearest is \"model\"");
  EXPECT_EQ(misspelt("[train]", "[trian]"),
            "run.toml:8: trian: is not a known key; the nearest is \"train\"");
  EXPECT_EQ(misspelt("[model]", "[architecture]"),
            "run.toml:1: architecture: is not a known key; the known ones are model, data, train, "
            "optimizer, schedule, parallel, evaluate, checkpoint, guard");
  EXPECT_EQ(misspelt("corpus =", "corpsu ="),
            "run.toml:7: data.corpsu: is not a known key; the nearest is \"corpus\"");
  EXPECT_EQ(misspelt("corpus =", "kidn ="),
            "run.toml:7: data.kidn: is not a known key; the nearest is \"kind\"");
  EXPECT_EQ(misspelt("layers", "lyers"),
            "run.toml:2: model.lyers: is not a known key; the nearest is \"layers\"");
  EXPECT_EQ(message({"trian.tokens=5"}),
            "--set trian.tokens=5: trian: is not a known key; the nearest is \"train\"");
}

// What only the data or the ranks show to be wrong has a place in the file too.
TEST(RunConfig, LateRefusalsNameThePlaceInTheFile) {
  ConfigDocument document = ConfigDocument::from_text(
      std::string(kRun) + "[checkpoint]\nat_tokens = [1000]\n", "run.toml");
  RunConfig config = read_run_config(document.root());
  try {
    resolve(config, 257, "00ff");
    FAIL() << "accepted";
  } catch (const InputError& error) {
    EXPECT_TRUE(
        std::string(error.what()).starts_with("run.toml:16: checkpoint.at_tokens: seen 1000"))
        << error.what();
  }
  EXPECT_EQ(config.place("data.corpus"), "run.toml:7: data.corpus");
  EXPECT_EQ(config.place("parallel.pipeline"), "run.toml: parallel.pipeline");
}

// The first thing that is wrong is named, not the keys behind it that were not read yet.
TEST(RunConfig, NamesTheValueThatIsWrongInAFile) {
  const test::ScratchDirectory scratch;
  const std::string path = scratch.path() / "run.toml";
  write_file_atomically(path, kRun);
  try {
    read_run_config(path, {"model.heads=3"});
    FAIL() << "accepted";
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(),
                 "--set model.heads=3: model.heads: seen 3, needed a divisor of width 64");
  }
}

}  // namespace
}  // namespace isoflop::config
