// A model cut into stages computes the bits of the whole: losses and gradients, weight gradients
// put off or not, several micro-batches in flight.
#include "model/stage.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <random>
#include <tuple>

#include "kernels/api/optimizer.hpp"
#include "model/cost.hpp"
#include "model/transformer.hpp"

namespace isoflop::model {
namespace {

ModelConfig small(bool tied, Activation activation, kernels::NormKind norm, Position position) {
  ModelConfig config;
  config.layers = 3;
  config.width = 24;
  config.heads = 4;
  config.kv_heads = 2;
  config.feed_forward = 40;
  config.context = 13;
  config.vocabulary = 37;
  config.tied = tied;
  config.activation = activation;
  config.norm = norm;
  config.position = position;
  return config;
}

constexpr std::size_t kBatch = 2;
constexpr std::size_t kMicroBatches = 3;

/// The micro-batches of one virtual rank, and what the whole model makes of them.
template <class T>
struct Whole {
  explicit Whole(const ModelConfig& config)
      : config(config), table(config), weights(table.buffer_size()), gradient(weights.size()) {
    std::mt19937 random(3);
    std::normal_distribution<float> normal;
    for (const Parameter& parameter : table.parameters())
      for (std::size_t i = 0; i < parameter.count; ++i)
        weights[parameter.offset + i] = T(0.3f * normal(random));
    Transformer<T> model(config, whole_model(config), {kBatch}, Mode::training, profile);
    for (std::size_t i = 0; i < kMicroBatches; ++i) {
      auto& batch_tokens = tokens.emplace_back(kBatch * config.context);
      auto& batch_targets = targets.emplace_back(kBatch * config.context);
      for (auto* ids : {&batch_tokens, &batch_targets})
        for (std::int32_t& id : *ids) id = static_cast<std::int32_t>(random() % config.vocabulary);
      losses.push_back(
          model.train_batch(weights.data(), batch_tokens, batch_targets, gradient.data()));
    }
    model.close_gradient(gradient.data());
  }

  MicroBatch batch(std::size_t i) const { return {kBatch, tokens[i], targets[i]}; }

  ModelConfig config;
  ParameterTable table;
  std::vector<T> weights;
  std::vector<float> gradient;
  std::vector<std::vector<std::int32_t>> tokens, targets;
  std::vector<double> losses;
  profile::Profile profile;
};

/// The same in stages: all forward passes, then the backward passes.
template <class T>
class Cut {
 public:
  Cut(Whole<T>& whole, const std::vector<parallel::Extent>& layers, std::size_t put_off)
      : whole_(whole),
        put_off_(put_off),
        stream_size_(kBatch * whole.config.context * whole.config.width),
        gradient_(whole.gradient.size()),
        head_gradient_(whole.config.vocabulary * whole.config.width) {
    for (const parallel::Extent& extent : layers)
      stages_.push_back(std::make_unique<Transformer<T>>(
          whole.config, stage_of(whole.config, extent), Room{kBatch, kMicroBatches, put_off},
          Mode::training, whole.profile));
  }

  void expect_the_same() {
    for (std::size_t i = 0; i < kMicroBatches; ++i) forward(i);
    EXPECT_EQ(stages_.back()->evaluate(weights(*stages_.back()), 1, whole_.batch(1)),
              whole_.losses[1]);
    for (std::size_t i = 0; i < kMicroBatches; ++i) EXPECT_EQ(backward(i), whole_.losses[i]);
    if (whole_.config.tied) {
      device::Stream stream;
      kernels::add_in_place(stream, head_gradient_.size(), head_gradient_.data(),
                            gradient_.data() + whole_.table.token_embedding());
    }
    EXPECT_EQ(gradient_, whole_.gradient);
  }

 private:
  Weights<T> weights(const Transformer<T>& stage) const {
    return {whole_.weights.data() + elements_of(whole_.table, stage.stage()).begin,
            whole_.weights.data() + whole_.table.head()};
  }
  Gradient gradient(const Transformer<T>& stage) {
    return {gradient_.data() + elements_of(whole_.table, stage.stage()).begin,
            whole_.config.tied ? head_gradient_.data() : gradient_.data() + whole_.table.head()};
  }

  void forward(std::size_t i) {
    std::vector<T> output(stream_size_);
    for (auto& stage : stages_) {
      if (!stage->stage().embedding) std::copy(output.begin(), output.end(), stage->input(i));
      stage->forward(weights(*stage), i, whole_.batch(i), output.data());
    }
  }

  void backward_weight(Transformer<T>& stage, std::size_t i) {
    stage.backward_weight(weights(stage), i, i % put_off_, kBatch, gradient(stage));
  }

  double backward(std::size_t i) {
    std::vector<T> d_stream(stream_size_);
    double loss = 0.0;
    for (std::size_t s = stages_.size(); s-- > 0;) {
      Transformer<T>& stage = *stages_[s];
      if (put_off_ == 0) {
        loss +=
            stage.backward(weights(stage), i, whole_.batch(i), d_stream.data(), gradient(stage));
        continue;
      }
      const Gradient early{stage.stage().embedding ? gradient(stage).elements : nullptr,
                           gradient(stage).head};
      loss += stage.backward_input(weights(stage), i, i % put_off_, whole_.batch(i),
                                   d_stream.data(), early);
      if (i > 0) backward_weight(stage, i - 1);
      if (i + 1 == kMicroBatches) backward_weight(stage, i);
    }
    return loss;
  }

  Whole<T>& whole_;
  std::size_t put_off_;
  std::size_t stream_size_;
  std::vector<float> gradient_, head_gradient_;
  std::vector<std::unique_ptr<Transformer<T>>> stages_;
};

class Stages : public ::testing::TestWithParam<bool> {
 protected:
  template <class T>
  void check(const ModelConfig& config) {
    Whole<T> whole(config);
    const std::vector<std::vector<parallel::Extent>> cuts = {
        {{0, 5}}, {{0, 2}, {2, 5}}, {{0, 1}, {1, 3}, {3, 4}, {4, 5}}};
    for (const auto& layers : cuts)
      for (const std::size_t put_off : {0u, 2u}) Cut<T>(whole, layers, put_off).expect_the_same();
  }
};

TEST_P(Stages, HaveTheBitsOfTheWhole) {
  using kernels::NormKind;
  const bool tied = GetParam();
  check<float>(small(tied, Activation::gelu, NormKind::rms, Position::rope));
  check<bf16>(small(tied, Activation::gelu, NormKind::rms, Position::rope));
  check<bf16>(small(tied, Activation::swiglu, NormKind::layer, Position::learned));
}
INSTANTIATE_TEST_SUITE_P(Tied, Stages, ::testing::Bool());

TEST(Stage, ElementsTileTheBufferInWholeBlocks) {
  const ModelConfig config =
      small(true, Activation::gelu, kernels::NormKind::layer, Position::learned);
  const ParameterTable table(config);
  std::size_t next = 0;
  for (std::size_t layer = 0; layer < config.layers + 2; ++layer) {
    const parallel::Extent elements = elements_of(table, stage_of(config, {layer, layer + 1}));
    EXPECT_EQ(elements.begin, next);
    EXPECT_EQ(elements.begin % kernels::kSumBlock, 0u);
    next = elements.end;
  }
  EXPECT_EQ(next, table.buffer_size());
  EXPECT_EQ(elements_of(table, whole_model(config)), (parallel::Extent{0, table.buffer_size()}));
}

TEST(Stage, LayerCostsAddUpToTheModels) {
  const ModelConfig config =
      small(false, Activation::swiglu, kernels::NormKind::rms, Position::rope);
  const std::vector<double> costs = layer_costs(config);
  EXPECT_EQ(costs.size(), 5u);
  EXPECT_DOUBLE_EQ(std::accumulate(costs.begin(), costs.end(), 0.0), flops_per_token_exact(config));
  EXPECT_EQ(costs[1], costs[3]);
}

}  // namespace
}  // namespace isoflop::model
