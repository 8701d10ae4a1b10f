// What a run's model is like at the start, and what a step of it costs: as the formulas say.
#include <gtest/gtest.h>

#include <cmath>

#include "model/cost.hpp"
#include "tests/unit/train/small_run.hpp"

namespace isoflop::train {
namespace {

using Sets = std::vector<std::string>;

class Variants : public ::testing::TestWithParam<Sets> {};

// What the kernels are asked to do, counted where they are called, is what the run is said to cost.
TEST_P(Variants, CountTheFlopOfTheFormula) {
  SmallRun run(GetParam());
  run.trainer->step();
  const model::ModelConfig& model = run.config.model;
  const double a_token = model::flops_per_token_exact(model) +
                         model::recomputed_flops_per_token(model, run.config.parallel.recompute);
  const profile::Profile& profile = run.trainer->profile();
  EXPECT_DOUBLE_EQ(
      profile[profile::Region::matmul].flops + profile[profile::Region::attention].flops,
      a_token * static_cast<double>(run.config.tokens_per_step()));
  EXPECT_EQ(profile.flops(),
            profile[profile::Region::matmul].flops + profile[profile::Region::attention].flops);
}
INSTANTIATE_TEST_SUITE_P(
    All, Variants,
    ::testing::Values(Sets{}, Sets{"train.precision=bf16"}, Sets{"model.kv_heads=1"},
                      Sets{"model.activation=swiglu"}, Sets{"model.feed_forward=40"},
                      Sets{"model.norm=layer"}, Sets{"model.position=learned"},
                      Sets{"model.tied=false"}, Sets{"model.layers=1", "model.context=37"},
                      Sets{"parallel.recompute=attention"}, Sets{"parallel.recompute=full"},
                      Sets{"parallel.recompute=full", "model.activation=swiglu",
                           "model.kv_heads=1"}));

struct Size {
  std::size_t layers;
  std::size_t width;
};

class Initial : public ::testing::TestWithParam<Size> {
 protected:
  Initial()
      : run_({"model.layers=" + std::to_string(GetParam().layers),
              "model.width=" + std::to_string(GetParam().width), "model.tied=false",
              "model.position=learned", "model.norm=layer", "data.symbols=1024"}) {}

  double expected_deviation(const model::Parameter& parameter) const {
    const std::string& name = parameter.name;
    const auto inputs = static_cast<double>(parameter.shape.back());
    if (name.ends_with(".out") || name.ends_with(".down"))  // joins the residual stream
      return 1.0 / std::sqrt(inputs * 2.0 * static_cast<double>(GetParam().layers));
    if (name.ends_with(".qkv") || name.ends_with(".up")) return 1.0 / std::sqrt(inputs);
    return 0.5 / std::sqrt(inputs);  // embeddings and head
  }

  SmallRun run_;
};

constexpr double kSigmas = 5.0;  // of the measurement

TEST_P(Initial, TensorsHaveTheDeviationOfTheirWidthAndDepth) {
  for (const model::Parameter& parameter : run_.trainer->table().parameters()) {
    const std::span<const float> weights = weights_of(*run_.trainer, parameter);
    const auto count = static_cast<double>(weights.size());
    double sum = 0.0, squares = 0.0;
    for (const float weight : weights) {
      sum += weight;
      squares += double{weight} * weight;
    }
    const double mean = sum / count, deviation = std::sqrt(squares / count - mean * mean);
    if (parameter.shape.size() == 1) {
      EXPECT_EQ(mean, parameter.name.ends_with("gain") ? 1.0 : 0.0) << parameter.name;
      EXPECT_EQ(deviation, 0.0) << parameter.name;
      continue;
    }
    const double expected = expected_deviation(parameter);
    EXPECT_NEAR(mean, 0.0, kSigmas * expected / std::sqrt(count)) << parameter.name;
    EXPECT_NEAR(deviation, expected, kSigmas * expected / std::sqrt(2.0 * count)) << parameter.name;
  }
}

// Logits that deviate by s at random cost s^2 / 2 above the loss of guessing: s = 0.5 at any size.
TEST_P(Initial, LogitsDeviateByOneHalf) {
  const double above = run_.trainer->evaluate() - std::log(1024.0);
  EXPECT_NEAR(above, 0.5 * 0.5 * 0.5, 0.03);
}
INSTANTIATE_TEST_SUITE_P(Sizes, Initial,
                         ::testing::Values(Size{1, 32}, Size{1, 128}, Size{4, 32}, Size{4, 128}));

}  // namespace
}  // namespace isoflop::train
