#include "train/step_time.hpp"

#include <gtest/gtest.h>

#include "model/cost.hpp"
#include "parallel/pipeline/timeline.hpp"
#include "tests/harness/run_from.hpp"
#include "train/layout.hpp"

namespace isoflop::train {
namespace {

constexpr double kAtOnce = 1e300;  // FLOP/s
constexpr Line kSecondEach{.alpha = 1.0};
constexpr Line kSecondAByte{.beta = 1.0};

config::RunConfig run(const std::vector<std::string>& sets) {
  config::RunConfig config = test::run_from(
      "[model]\nlayers = 3\nwidth = 256\nheads = 4\ncontext = 64\n[data]\nkind = \"markov\"\n"
      "[train]\ntokens = 100_000\nglobal_batch = 16\nmicro_batch = 2\nprecision = \"fp32\"\n",
      sets);
  config::resolve(config, 64, "00ff");
  return config;
}

StepTime predict(std::size_t ranks, const Speeds& speeds, const std::vector<std::string>& sets) {
  return predict_step(run(sets), ranks, speeds);
}

TEST(StepTime, OneRankComputesAtItsRate) {
  const config::RunConfig config = run({});
  const StepTime step = predict_step(config, 1, {.flops = 1e9, .send = kSecondEach});
  const double tokens = static_cast<double>(config.tokens_per_step());
  EXPECT_NEAR(step.compute, tokens * model::flops_per_token_exact(config.model) / 1e9, 1e-9);
  EXPECT_EQ(step.total(), step.compute);
  const double again = model::recomputed_flops_per_token(config.model, model::Recompute::full);
  EXPECT_NEAR(predict(1, {.flops = 1e9}, {"parallel.recompute=full"}).compute - step.compute,
              tokens * again / 1e9, 1e-9);
}

TEST(StepTime, RanksShareTheWork) {
  const double alone = predict(1, {.flops = 1e9}, {}).compute;
  EXPECT_NEAR(predict(4, {.flops = 1e9}, {}).compute, alone / 4, 1e-9);
  EXPECT_NEAR(predict(4, {.flops = 1e9}, {"parallel.tensor=2"}).compute, alone / 4, 1e-9);
}

// Bytes that a rank of two sends for a model of P parameters (docs/parallelism.md, ZeRO).
TEST(StepTime, ReplicasSendHalfOfTheModel) {
  const double half = 0.5 * static_cast<double>(model::ParameterTable(run({}).model).buffer_size());
  const auto sent = [&](const Speeds& speeds, const std::vector<std::string>& sets) {
    return predict(2, speeds, sets).replicas / half;
  };
  const Speeds sums{.flops = kAtOnce, .exchange = kSecondAByte};
  const Speeds gathers{.flops = kAtOnce, .gather = kSecondAByte};
  constexpr double kPadding = 0.15;
  const Speeds scatters{.flops = kAtOnce, .library_scatter = kSecondAByte};
  const Speeds reductions{.flops = kAtOnce, .library_reduce = kSecondAByte};
  const std::string free = "train.reproducible=false";
  EXPECT_NEAR(sent(reductions, {free}), 2 * 4.0, 2 * kPadding);
  EXPECT_NEAR(sent(scatters, {free, "parallel.zero=1"}), 4.0, kPadding);
  EXPECT_NEAR(sent(gathers, {free, "parallel.zero=1"}), 4.0, kPadding);
  EXPECT_EQ(sent(sums, {free}) + sent(gathers, {free}), 0.0);
  EXPECT_NEAR(sent(sums, {}), 4.0, kPadding);
  EXPECT_NEAR(sent(gathers, {}), 4.0, kPadding);
  EXPECT_NEAR(sent(gathers, {"parallel.zero=1", "train.precision=bf16"}), 2.0, kPadding);
  EXPECT_NEAR(sent(sums, {"parallel.zero=2"}), 4.0 * 4, 4 * kPadding);     // V / R rounds
  EXPECT_NEAR(sent(gathers, {"parallel.zero=3"}), 4.0 * 8, 8 * kPadding);  // 4 x 2 passes
}

TEST(StepTime, ABlockHasTenCollectives) {
  const Speeds speeds{.flops = kAtOnce, .exchange = kSecondEach, .gather = kSecondEach};
  const auto collectives = [&](const char* recompute) {
    return predict(2, speeds, {"parallel.tensor=2", std::string("parallel.recompute=") + recompute})
        .tensor;
  };
  constexpr double kMicroBatches = 8, kBlocks = 3, kEnds = 4;
  EXPECT_NEAR(collectives("none"), kMicroBatches * (10 * kBlocks + kEnds), 1e-9);
  EXPECT_NEAR(collectives("attention"), kMicroBatches * (11 * kBlocks + kEnds), 1e-9);
  EXPECT_NEAR(collectives("full"), kMicroBatches * (13 * kBlocks + kEnds), 1e-9);
}

TEST(StepTime, StagesWaitAsTheirScheduleSays) {
  const StepTime messages =
      predict(2, {.flops = kAtOnce, .send = kSecondEach}, {"parallel.pipeline=2"});
  const Layout layout = layout_of(run({"parallel.pipeline=2"}), 2, 0);
  EXPECT_NEAR(
      messages.total(),
      simulate(make_schedule(layout.shape), equal_stages(layout.shape, {0.0, 0.0, 0.0}, 1.0))
          .makespan(),
      1e-9);
  // Two blocks a stage, and a head of a fiftieth of them.
  const StepTime even = predict(2, {.flops = 1e9}, {"parallel.pipeline=2", "model.layers=4"});
  EXPECT_NEAR(even.pipeline / even.total(), *bubble_formula(layout.shape, {}), 0.02);
  EXPECT_NEAR(even.bubble, *bubble_formula(layout.shape, {}), 0.02);
}

// The second stage takes longer, so that it never waits but for the first forward pass, and the
// first waits for it in every micro-batch.
TEST(StepTime, ABubbleIsThatOfTheStagesAsTheyAre) {
  config::RunConfig config = run({"parallel.pipeline=2", "model.layers=5"});
  config.model.vocabulary = 4096;
  const std::vector<double> layers = model::layer_costs(config.model);  // embedding, blocks, head
  const double block = layers[1], head = layers.back();
  ASSERT_GT(head, block);
  const double first = 3 * block, second = 2 * block + head, micro_batches = 8;
  const double makespan = micro_batches * second + first;
  EXPECT_NEAR(predict_step(config, 2, kOnlyCompute).bubble,
              1.0 - micro_batches * (first + second) / (2.0 * makespan), 1e-9);
}

// F + B - W of a block: its products with weights once, those inside attention three times.
TEST(StepTime, AttentionHasNoWeightGradientsToPutOff) {
  const auto bubble = [](const std::string& context) {
    return predict(2, kOnlyCompute,
                   {"parallel.pipeline=2", "model.layers=4", "parallel.schedule=zero-bubble",
                    "train.tokens=131072", "model.context=" + context})
        .bubble;
  };
  EXPECT_NEAR(bubble("16"), 1.0 / 25, 0.01);
  EXPECT_GT(bubble("4096"), bubble("16") + 0.03);
}

}  // namespace
}  // namespace isoflop::train
