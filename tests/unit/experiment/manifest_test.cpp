#include "experiment/manifest.hpp"

#include <gtest/gtest.h>

#include "tests/unit/experiment/studies.hpp"

namespace isoflop::experiment {
namespace {

Manifest read(const std::string& text) { return read_manifest(text, "study.toml"); }

TEST(Manifest, ASizeIsTheBaseAndWhatDiffers) {
  const Manifest manifest = read(kBase + "[[grid]]\ntokens = [10_000]\n");
  EXPECT_EQ(manifest.name, "small");
  ASSERT_EQ(manifest.sizes.size(), 2u);
  EXPECT_EQ(manifest.sizes[1].label, "b");
  EXPECT_EQ(manifest.sizes[1].run.model.width, 64u);
  EXPECT_EQ(manifest.sizes[1].run.model.context, 64u);
  EXPECT_EQ(manifest.sizes[1].run.optimizer.learning_rate, 0.002);
  EXPECT_EQ(manifest.sizes[0].run.optimizer.learning_rate, 0.001);
  EXPECT_EQ(manifest.grids[0].sizes, (std::vector<std::size_t>{0, 1}));
  EXPECT_EQ(manifest.grids[0].seeds, (std::vector<std::int64_t>{1}));
  EXPECT_FALSE(manifest.target);
}

TEST(Manifest, ListsAndRangesOfWidthsAndLayersCombine) {
  const Manifest manifest =
      read(kBase +
           "[sizes]\nwidth = { from = 64, to = 128, step = 32 }\nlayers = [2, 4]\n"
           "[[grid]]\ntokens = [10_000]\nseeds = [3, 4]\n");
  ASSERT_EQ(manifest.sizes.size(), 8u);
  EXPECT_EQ(manifest.sizes[2].label, "w64-l2");
  EXPECT_EQ(manifest.sizes[7].label, "w128-l4");
  EXPECT_EQ(manifest.sizes[5].run.model.width, 96u);
  EXPECT_EQ(manifest.sizes[5].run.model.layers, 4u);
  EXPECT_EQ(manifest.grids[0].seeds, (std::vector<std::int64_t>{3, 4}));
}

TEST(Manifest, ARangeOfBudgetsIsEvenInTheLogarithm) {
  const Manifest manifest =
      read(kBase + "[[grid]]\nsizes = ['b']\nbudgets = { from = 1e12, to = 1e14, count = 5 }\n");
  EXPECT_EQ(manifest.grids[0].axis, Axis::budgets);
  const std::vector<double> budgets{1e12, 3.16e12, 1e13, 3.16e13, 1e14};
  ASSERT_EQ(manifest.grids[0].values.size(), budgets.size());
  for (std::size_t i = 0; i < budgets.size(); ++i)
    EXPECT_DOUBLE_EQ(manifest.grids[0].values[i], budgets[i]);
}

TEST(Manifest, TargetAndFitAreRead) {
  const Manifest manifest = read(kBase +
                                 "[[grid]]\ntokens = [10_000]\n[target]\nmodel.layers = 3\n"
                                 "model.width = 96\nflops = 1e13\nseed = 7\n"
                                 "[fit]\nlaws = ['chinchilla']\nmethods = ['approach3']\n");
  ASSERT_TRUE(manifest.target);
  EXPECT_EQ(manifest.target->size.label, "target");
  EXPECT_EQ(manifest.target->size.run.model.width, 96u);
  EXPECT_EQ(manifest.target->axis, Axis::budgets);
  EXPECT_EQ(manifest.target->value, 1e13);
  EXPECT_EQ(manifest.target->seed, 7);
  ASSERT_TRUE(manifest.fit);
  EXPECT_EQ(manifest.fit->laws, (std::vector<std::string>{"chinchilla"}));
}

struct Bad {
  const char* more;  // behind the base
  const char* message;
};

class BadManifest : public testing::TestWithParam<Bad> {};

TEST_P(BadManifest, IsRefusedInOneLineThatNamesThePlace) {
  EXPECT_EQ(trouble(kBase + GetParam().more), GetParam().message);
}

TEST(Manifest, AnUnknownLawIsToldTheEnsembleToo) {
  const std::string message =
      trouble(std::string(kBase) + "[[grid]]\ntokens = [1e4]\n[fit]\nlaws = ['ensembl']\n");
  EXPECT_TRUE(message.starts_with(
      "study.toml:29: fit.laws: law: 'ensembl' is unknown, did you mean 'ensemble'?"))
      << message;
}

INSTANTIATE_TEST_SUITE_P(
    All, BadManifest,
    testing::Values(
        Bad{"", "study.toml:1: grid: is missing, needed at least one [[grid]] table"},
        Bad{"[[grid]]\n",
            "study.toml:26: grid[0].tokens: is missing, needed one of tokens, "
            "budgets, tokens_per_parameter"},
        Bad{"[[grid]]\ntokens = [1e4]\nbudgets = [1e12]\n",
            "study.toml:28: grid[0].budgets: seen beside tokens, needed only one of them"},
        Bad{"[[grid]]\ntokens = [1e4]\nsizes = ['c']\n",
            "study.toml:28: grid[0].sizes: seen 'c', needed labels of sizes; the nearest is 'a'"},
        Bad{"[[grid]]\ntokens = [1e4]\nbranches = true\n",
            "study.toml:28: grid[0].branches: is not a known key; the nearest is \"branch\""},
        Bad{"[[grid]]\ntokens = [-1]\n",
            "study.toml:27: grid[0].tokens: seen -1 in the list, needed a number above 0, "
            "up to 1e+30"},
        Bad{"[[size]]\nmodel.layers = 1\nmodel.width = 32\nmodel.dept = 3\n[[grid]]\ntokens = "
            "[1e4]\n",
            "study.toml:29: model.dept: is not a known key; the known ones are activation, "
            "context, "
            "feed_forward, heads, kv_heads, layers, norm, norm_position, position, tied, "
            "vocabulary, width (for size number 3)"},
        Bad{"[[size]]\nlabel = 'a'\nmodel.layers = 1\nmodel.width = 48\n[[grid]]\ntokens = [1e4]\n",
            "study.toml:27: size[2].label: seen 'a' twice, needed a name of its own"},
        Bad{"[[size]]\nlabel = 'a/b'\nmodel.layers = 1\nmodel.width = 48\n",
            "study.toml:27: size[2].label: seen 'a/b', needed 1 to 32 letters, digits, '.', '_' or "
            "'-'"},
        Bad{"[[size]]\nmodel.layers = 1\nmodel.width = 48\ntrain.tokens = 5\n",
            "study.toml:29: size[2].train.tokens: is for a [[grid]] or the [target] to say; remove "
            "it "
            "here"},
        Bad{"[[size]]\nmodel.layers = 1\nmodel.width = 48\ntrain.seed = 5\n",
            "study.toml:29: size[2].train.seed: is for study.seeds or the [target] to say; remove "
            "it here"},
        Bad{"[sizes]\nwidth = [65]\nlayers = [1]\n",
            "study.toml:4: model.heads: seen 1, which makes heads 65 wide; needed an even width "
            "from 2 to 256 (for size w65-l1)"},
        Bad{"[[grid]]\ntokens = [1e4]\n[target]\nmodel.layers = 1\nmodel.width = 48\n",
            "study.toml:28: target.tokens: is missing, needed one of tokens, flops"},
        Bad{"[[size]]\nlabel = 'c'\nmodel.layers = 1\nmodel.width = 48\nschedule.name = 'cosine'\n"
            "[[grid]]\ntokens = [1e4]\nbranch = true\n",
            "study.toml:33: grid[0].branch: seen true, but size c has nothing to branch; needed "
            "schedule.name = \"wsd\" and a decay_fraction between 0 and 1"},
        Bad{"[[grid]]\ntokens = [1e4]\n[fit]\n",
            "study.toml:28: fit.laws: is missing, needed a list of strings in quotes"},
        Bad{"[[grid]]\ntokens = [1e4]\n[fit]\nlaws = ['kaplan-ns', 'accuracy-sigmoid']\n",
            "study.toml:29: fit.laws: seen 'accuracy-sigmoid', which predicts the accuracy, needed "
            "a law of the loss; isoflop fit makes others from a CSV"},
        Bad{"[[gird]]\ntokens = [1e4]\n",
            "study.toml:26: gird: is not a known key; the nearest is \"grid\""},
        Bad{"[stdy]\nname = 'x'\n",
            "study.toml:26: stdy: is not a known key; the nearest is \"study\""},
        Bad{"[[grid]]\nbudegts = [1e12]\n",
            "study.toml:27: grid[0].budegts: is not a known key; the nearest is \"budgets\""},
        Bad{"[base.modle]\n",
            "study.toml:26: base.modle: is not a known key; the nearest is \"model\""},
        Bad{"[[size]]\nlable = 'c'\n",
            "study.toml:27: size[2].lable: is not a known key; the nearest is \"label\""},
        Bad{"[target]\nsede = 3\n",
            "study.toml:27: target.sede: is not a known key; the nearest is \"seed\""},
        Bad{"[target]\nflosp = 1e12\n",
            "study.toml:27: target.flosp: is not a known key; the nearest is \"flops\""},
        Bad{"[target]\nunheard = 3\n",
            "study.toml:27: target.unheard: is not a known key; the known ones are label, tokens, "
            "flops, seed, model, data, train, optimizer, schedule, parallel, evaluate, checkpoint, "
            "guard"},
        Bad{"[[grid]]\ntokens = [1e4]\n[target]\nmodel.layers = 1\nmodel.width = 48\nflops = 0\n",
            "study.toml:31: target.flops: seen 0, needed a number above 0, up to 1e+30"},
        Bad{"[[grid]]\ntokens = [1e4]\n[target]\nmodel.width = 48\nflops = 1e12\n",
            "study.toml:4: model.layers: is missing, needed an integer from 1 to 1000 (for the "
            "target)"},
        // The base alone cannot be a size: it has no layers.
        Bad{"[[size]]\nmodel.width = 48\n",
            "study.toml:4: model.layers: is missing, needed an integer from 1 to 1000 (for size "
            "number 3)"}));

}  // namespace
}  // namespace isoflop::experiment
