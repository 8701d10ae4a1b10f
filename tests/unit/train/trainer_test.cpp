#include "train/trainer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "tests/harness/peak_memory.hpp"
#include "tests/unit/train/small_run.hpp"
#include "train/memory.hpp"

namespace isoflop::train {
namespace {

class Precisions : public ::testing::TestWithParam<const char*> {};

// The process has a known entropy: a model that has learnt it comes close and never below what
// chance allows.
TEST_P(Precisions, LearnsAMarkovChainDownToItsEntropy) {
  SmallRun run({std::string("train.precision=") + GetParam()});
  const double before = run.trainer->evaluate();
  for (std::int64_t step = 0; step < run.config.steps; ++step) run.trainer->step();
  const double after = run.trainer->evaluate();
  const double ideal = run.source.ideal_loss(run.source.context());
  EXPECT_GT(before, ideal + 0.3);
  EXPECT_LT(after, ideal + 0.05);
  EXPECT_GT(after, ideal - 0.03);
}
INSTANTIATE_TEST_SUITE_P(All, Precisions, ::testing::Values("fp32", "bf16"));

TEST(Trainer, TwoTrainersOfOneConfigurationAgreeToTheBit) {
  SmallRun a({}), b({});
  for (int step = 0; step < 3; ++step) EXPECT_EQ(a.trainer->step().loss, b.trainer->step().loss);
  EXPECT_EQ(a.trainer->evaluate(), b.trainer->evaluate());
}

// Whether `action` finds in step `step` that the run diverged, and `tensor` to be the first.
template <class Action>
::testing::AssertionResult diverges(const Action& action, const std::string& step,
                                    const std::string& tensor) {
  try {
    action();
  } catch (const CheckFailed& error) {
    const std::string message = error.what();
    if (message.starts_with(step + ": ") &&
        message.find("first non-finite tensor: " + tensor + ";") != std::string::npos)
      return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << message;
  }
  return ::testing::AssertionFailure() << "it went unnoticed";
}

TEST(Trainer, DivergenceNamesStepAndTensor) {
  SmallRun run(
      {"optimizer.learning_rate=1e3", "optimizer.clip_norm=0.0", "optimizer.epsilon=1e-30"});
  const std::vector<OwnedState> state = run.trainer->owned_state();
  run.trainer->step();
  const model::Parameter& up = run.trainer->table().parameters()[5];
  const OwnedState& part = state[1];  // the first block
  ASSERT_LE(part.elements.begin, up.offset);
  ASSERT_LT(up.offset, part.elements.end);
  part.parameters[up.offset - part.elements.begin] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(diverges([&] { run.trainer->step(); }, "step 2", "weight " + up.name));
  EXPECT_TRUE(diverges([&] { run.trainer->evaluate(); }, "step 1", "weight " + up.name));
}

// All numbers of the weights are finite; their product is not, in one place, and spreads from
// there.
TEST(Trainer, DivergenceNamesTheFirstOutputThatIsNoNumber) {
  for (const char* recompute : {"none", "attention"}) {
    SmallRun run({std::string("parallel.recompute=") + recompute});
    const auto& parameters = run.trainer->table().parameters();
    const auto qkv = std::find_if(parameters.begin(), parameters.end(), [](const auto& tensor) {
      return tensor.name == "blocks.1.feed_forward.down";
    });
    const OwnedState part = run.trainer->owned_state()[2];  // the second block
    std::fill_n(part.parameters + (qkv->offset - part.elements.begin), qkv->count, 3e38f);
    run.trainer->restore(0);
    EXPECT_TRUE(diverges([&] { run.trainer->step(); }, "step 1", "output of blocks.1"));
    EXPECT_TRUE(diverges([&] { run.trainer->evaluate(); }, "step 0", "output of blocks.1"));
  }
}

// A source whose validation text alone has the last token.
class OddValidation final : public data::TokenSource {
 public:
  explicit OddValidation(const data::TokenSource& other) : other_(other) {}
  std::int64_t vocabulary() const override { return other_.vocabulary(); }
  std::int64_t context() const override { return other_.context(); }
  const std::string& fingerprint() const override { return other_.fingerprint(); }
  void sequence(std::uint64_t g, std::span<std::int32_t> tokens) const override {
    other_.sequence(g, tokens);
    std::ranges::replace(tokens, last(), 0);
  }
  std::int64_t validation_sequences() const override { return other_.validation_sequences(); }
  void validation_sequence(std::int64_t, std::span<std::int32_t> tokens) const override {
    std::ranges::fill(tokens, last());
  }
  double validation_bytes_per_token() const override { return 1.0; }
  std::int64_t unique_tokens(std::int64_t tokens) const override { return tokens; }

 private:
  std::int32_t last() const { return static_cast<std::int32_t>(vocabulary() - 1); }

  const data::TokenSource& other_;
};

// All numbers of the weights are finite, and of the passes over the training text too.
TEST(Trainer, AnEvaluationThatIsNoNumberNamesAnOutputOfItsOwnText) {
  SmallRun run({"model.norm=layer", "model.tied=false"});
  const OddValidation source(run.source);
  run.trainer = nullptr;
  const auto trainer = make_trainer(run.config, source, run.communicator);
  const model::Parameter& embedding = trainer->table().parameters().front();
  std::ranges::fill(weights_of(*trainer, embedding).last(run.config.model.width), 3e38f);
  trainer->restore(0);
  EXPECT_TRUE(
      diverges([&] { trainer->evaluate(); }, "step 0", "output of blocks.0.attention.norm"));
  EXPECT_TRUE(std::isfinite(trainer->step().loss));
}

TEST(Trainer, MemoryMatchesTheFormula) {
  if (!test::is_memory_its_own()) GTEST_SKIP() << test::kMemoryOfSanitizers;
  ASSERT_TRUE(test::forget_peak_memory());
  const std::size_t before = resident_bytes();
  SmallRun run({"model.width=256", "model.layers=4", "model.heads=4", "model.context=256",
                "train.global_batch=32", "train.micro_batch=16", "train.precision=bf16",
                "schedule.warmup_tokens=0"});
  run.trainer->step();
  const auto measured = static_cast<double>(peak_resident_bytes() - before);
  const auto predicted = static_cast<double>(plan_memory(run.config, 1, 0).total());
  EXPECT_NEAR(measured / predicted, 1.0, 0.02)
      << measured / 1e6 << " MB, predicted " << predicted / 1e6;
}

}  // namespace
}  // namespace isoflop::train
