// The whole model against finite differences: each tensor's gradient along a random direction,
// every variant of the architecture.
#include "model/transformer.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "kernels/api/optimizer.hpp"

namespace isoflop::model {
namespace {

struct Variant {
  const char* name;
  kernels::NormKind norm;
  Activation activation;
  Position position;
  bool tied;
  std::size_t kv_heads;
};

class Architectures : public ::testing::TestWithParam<Variant> {
 protected:
  Architectures() {
    const Variant& variant = GetParam();
    config_.layers = 2;
    config_.width = 24;
    config_.heads = 4;
    config_.kv_heads = variant.kv_heads;
    config_.feed_forward = 40;
    config_.context = 13;
    config_.vocabulary = 37;
    config_.norm = variant.norm;
    config_.activation = variant.activation;
    config_.position = variant.position;
    config_.tied = variant.tied;
    for (std::size_t i = 0; i < kBatch * config_.context; ++i) {
      tokens_.push_back(static_cast<std::int32_t>(random_() % config_.vocabulary));
      targets_.push_back(static_cast<std::int32_t>(random_() % config_.vocabulary));
    }
  }

  std::vector<float> random_weights(const ParameterTable& table) {
    std::vector<float> weights(table.buffer_size(), 0.0f);
    std::normal_distribution<float> normal;
    for (const Parameter& parameter : table.parameters()) {
      const float deviation = std::max(0.2f, initial_deviation(parameter, config_));
      for (std::size_t i = 0; i < parameter.count; ++i) {
        weights[parameter.offset + i] =
            (parameter.role == Role::gain ? 1.0f : 0.0f) + deviation * normal(random_);
      }
    }
    return weights;
  }

  static constexpr std::size_t kBatch = 3;
  ModelConfig config_;
  std::mt19937 random_{7};
  std::vector<std::int32_t> tokens_, targets_;
  profile::Profile profile_;
};

TEST_P(Architectures, GradientMatchesFiniteDifferences) {
  Transformer<float> model(config_, whole_model(config_), {kBatch}, Mode::training, profile_);
  std::vector<float> weights = random_weights(model.table());
  std::vector<float> gradient(weights.size(), 0.0f);
  model.train_batch(weights.data(), tokens_, targets_, gradient.data());
  model.close_gradient(gradient.data());
  for (const Parameter& parameter : model.table().parameters()) {
    // Along the gradient itself: the loss must change at the rate |g|, the largest there is.
    double norm = 0.0;
    for (std::size_t i = 0; i < parameter.count; ++i)
      norm += std::pow(gradient[parameter.offset + i], 2.0);
    norm = std::sqrt(norm);
    ASSERT_GT(norm, 1e-3) << parameter.name;
    const double step = 4e-3;
    double loss[2];
    for (const int side : {0, 1}) {
      std::vector<float> moved = weights;
      for (std::size_t i = 0; i < parameter.count; ++i) {
        const double direction = gradient[parameter.offset + i] / norm;
        moved[parameter.offset + i] += static_cast<float>((side == 0 ? -step : step) * direction);
      }
      loss[side] = model.evaluate_batch(moved.data(), tokens_, targets_);
    }
    EXPECT_NEAR((loss[1] - loss[0]) / (2 * step) / norm, 1.0, 0.02) << parameter.name;
  }
}

TEST_P(Architectures, GradientAccumulatesAndLossIsTheSame) {
  Transformer<float> model(config_, whole_model(config_), {kBatch}, Mode::training, profile_);
  const std::vector<float> weights = random_weights(model.table());
  std::vector<float> once(weights.size(), 0.0f), twice(weights.size(), 0.0f);
  const double loss = model.train_batch(weights.data(), tokens_, targets_, once.data());
  model.close_gradient(once.data());
  model.train_batch(weights.data(), tokens_, targets_, twice.data());
  EXPECT_EQ(model.train_batch(weights.data(), tokens_, targets_, twice.data()), loss);
  model.close_gradient(twice.data());
  EXPECT_EQ(model.evaluate_batch(weights.data(), tokens_, targets_), loss);
  for (const Parameter& parameter : model.table().parameters()) {
    double norm = 0.0, difference = 0.0;
    for (std::size_t i = parameter.offset; i < parameter.offset + parameter.count; ++i) {
      norm += std::pow(once[i], 2.0);
      difference += std::pow(twice[i] - 2.0 * once[i], 2.0);
    }
    EXPECT_LT(std::sqrt(difference / norm), 1e-5) << parameter.name;
  }
}

TEST_P(Architectures, RecomputingGivesTheSameBitsInLessMemory) {
  const auto gradient_with = [&](Recompute recompute, std::size_t& bytes) {
    Transformer<bf16> model(config_, whole_model(config_),
                            {.batch = kBatch, .recompute = recompute}, Mode::training, profile_);
    random_.seed(3);
    const std::vector<float> weights = random_weights(model.table());
    std::vector<bf16> rounded;
    for (const float weight : weights) rounded.emplace_back(weight);
    std::vector<float> gradient(weights.size() + 1, 0.0f);
    gradient.back() =
        static_cast<float>(model.train_batch(rounded.data(), tokens_, targets_, gradient.data()));
    model.close_gradient(gradient.data());
    bytes = model.memory_bytes();
    return gradient;
  };
  std::size_t all = 0, without_attention = 0, inputs = 0;
  const std::vector<float> expected = gradient_with(Recompute::none, all);
  EXPECT_EQ(gradient_with(Recompute::attention, without_attention), expected);
  EXPECT_EQ(gradient_with(Recompute::full, inputs), expected);
  EXPECT_LT(without_attention, all);
  EXPECT_LT(inputs, without_attention);
}

TEST_P(Architectures, Bf16AgreesWithFp32WithinItsPrecision) {
  Transformer<float> exact(config_, whole_model(config_), {kBatch}, Mode::evaluation, profile_);
  Transformer<bf16> rounded(config_, whole_model(config_), {kBatch}, Mode::evaluation, profile_);
  std::vector<float> weights = random_weights(exact.table());
  std::vector<bf16> weights16(weights.size());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    weights16[i] = bf16(weights[i]);
    weights[i] = static_cast<float>(weights16[i]);  // the same weights for both
  }
  const double loss = exact.evaluate_batch(weights.data(), tokens_, targets_);
  EXPECT_NEAR(rounded.evaluate_batch(weights16.data(), tokens_, targets_) / loss, 1.0, 0.02);
}

using kernels::NormKind;
INSTANTIATE_TEST_SUITE_P(
    All, Architectures,
    ::testing::Values(Variant{"plain", NormKind::rms, Activation::gelu, Position::rope, true, 4},
                      Variant{"grouped_swiglu_untied", NormKind::rms, Activation::swiglu,
                              Position::rope, false, 2},
                      Variant{"layer_norm_learned", NormKind::layer, Activation::gelu,
                              Position::learned, true, 1},
                      Variant{"layer_norm_swiglu", NormKind::layer, Activation::swiglu,
                              Position::learned, false, 4}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace isoflop::model
