// Layers and models that are cut across tensor-parallel ranks compute what the whole ones do.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "comm/mpi/mpi.hpp"
#include "model/transformer.hpp"

namespace isoflop::model {
namespace {

constexpr std::size_t kBatch = 3;  // rows of a rank begin inside a sequence

ModelConfig shape(Activation activation, std::size_t kv_heads, Position position,
                  kernels::NormKind norm, bool tied) {
  ModelConfig config;
  config.layers = 2;
  config.width = 32;
  config.heads = 8;
  config.kv_heads = kv_heads;
  config.feed_forward = 48;
  config.context = 12;
  config.vocabulary = 29;  // of 2 ranks 15 and 14, of 4 ranks 8, 8, 8 and 5
  config.norm = norm;
  config.activation = activation;
  config.position = position;
  config.tied = tied;
  return config;
}

std::vector<float> random_values(std::size_t count, unsigned seed, float deviation) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0.0f, deviation);
  std::vector<float> values(count);
  for (float& value : values) value = normal(engine);
  return values;
}

// A stage on this rank alone, and its piece on each of all ranks, with the same weights and input.
class Twins {
 public:
  Twins(const ModelConfig& config, const Stage& stage, Recompute recompute)
      : config_(config),
        stage_(stage),
        whole_(config, stage, {.batch = kBatch, .recompute = recompute}, Mode::training, profile_),
        cut_(config, stage, {.batch = kBatch, .recompute = recompute}, Mode::training, profile_,
             &world_),
        weights_(random_values(whole_.table().buffer_size(), 1, 0.3f)),
        cut_weights_(cut_.table().buffer_size()) {
    for (const Parameter& parameter : cut_.table().parameters())
      each_run(parameter,
               [&](std::size_t here, std::size_t whole) { cut_weights_[here] = weights_[whole]; });
    std::mt19937 engine(2);
    for (std::size_t i = 0; i < kBatch * config.context; ++i) {
      tokens_.push_back(static_cast<std::int32_t>(engine() % config.vocabulary));
      targets_.push_back(static_cast<std::int32_t>(engine() % config.vocabulary));
    }
  }

  void expect_equal() {
    const std::size_t stream = kBatch * config_.context * config_.width;
    const std::size_t ranks = static_cast<std::size_t>(world_.size()), rows = stream / ranks;
    const std::size_t first = static_cast<std::size_t>(world_.rank()) * rows;
    const std::vector<float> input = random_values(stream, 3, 1.0f);
    const std::vector<float> d_output = random_values(stream, 4, 1.0f);
    std::vector<float> output(stream), cut_output(rows), d_stream = d_output;
    std::vector<float> cut_d_stream(d_output.begin() + static_cast<std::ptrdiff_t>(first),
                                    d_output.begin() + static_cast<std::ptrdiff_t>(first + rows));
    if (!stage_.embedding) {
      std::copy(input.begin(), input.end(), whole_.input(0));
      std::copy_n(input.begin() + static_cast<std::ptrdiff_t>(first), rows, cut_.input(0));
    }
    Sums whole = run(whole_, weights_, output.data(), d_stream.data());
    Sums cut = run(cut_, cut_weights_, cut_output.data(), cut_d_stream.data());
    EXPECT_NEAR(cut.loss, whole.loss, 1e-6 * std::abs(whole.loss));
    EXPECT_NEAR(cut.evaluated, whole.loss, 1e-6 * std::abs(whole.loss));
    if (!stage_.head) expect_near(cut_output.data(), output.data() + first, rows, "output");
    expect_near(cut_d_stream.data(), d_stream.data() + first, rows, "input gradient");
    expect_equal_gradients(whole, cut);
  }

 private:
  struct Sums {
    double loss = 0.0, evaluated = 0.0;
    std::vector<float> gradient, head;
  };

  // The whole buffer has the elements of the table; stages see theirs.
  template <class Use>
  void each_run(const Parameter& parameter, Use&& use) const {
    parameter.for_each_run({0, cut_.table().buffer_size()},
                           [&](std::size_t here, std::size_t whole, std::size_t count) {
                             for (std::size_t i = 0; i < count; ++i)
                               use(here + i, parameter.whole_offset + whole + i);
                           });
  }

  Sums run(Transformer<float>& model, const std::vector<float>& weights, float* output,
           float* d_stream) {
    const ParameterTable& table = model.table();
    const MicroBatch batch{kBatch, tokens_, targets_};
    const std::size_t first = elements_of(table, stage_).begin;
    const Weights<float> view{weights.data() + first, weights.data() + table.head()};
    Sums sums{.gradient = std::vector<float>(table.buffer_size()),
              .head = std::vector<float>(config_.vocabulary * config_.width)};
    model.forward(view, 0, batch, output);
    if (stage_.head) sums.evaluated = model.evaluate(view, 0, batch);
    sums.loss =
        model.backward(view, 0, batch, d_stream,
                       {sums.gradient.data() + first, config_.tied ? sums.head.data() : nullptr});
    return sums;
  }

  void expect_near(const float* seen, const float* expected, std::size_t count,
                   const std::string& what) {
    float largest = 0.0f;
    for (std::size_t i = 0; i < count; ++i) largest = std::max(largest, std::abs(expected[i]));
    for (std::size_t i = 0; i < count; ++i)
      ASSERT_NEAR(seen[i], expected[i], 2e-5f * largest) << what << " " << i;
  }

  void expect_equal_gradients(const Sums& whole, Sums& cut) {
    const ParameterTable& table = cut_.table();
    for (std::size_t part = 0; part < table.parts().size(); ++part) {
      const auto [begin, end] = table.replicated(part);
      if (begin < end)
        world_.all_reduce(std::span(cut.gradient.data() + begin, end - begin), comm::Combine::sum);
    }
    for (const Parameter& parameter : table.parameters()) {
      std::vector<float> seen, expected;
      each_run(parameter, [&](std::size_t here, std::size_t at) {
        seen.push_back(cut.gradient[here]);
        expected.push_back(whole.gradient[at]);
      });
      expect_near(seen.data(), expected.data(), seen.size(), parameter.name);
    }
    if (!config_.tied || !stage_.head) return;
    const std::size_t width = config_.width;
    const parallel::Extent tokens = table.split().share(config_.vocabulary);
    expect_near(cut.head.data(), whole.head.data() + tokens.begin * width, tokens.size() * width,
                "tied head");
  }

  comm::Communicator world_{comm::make_mpi_transport()};
  profile::Profile profile_;
  ModelConfig config_;
  Stage stage_;
  Transformer<float> whole_, cut_;
  std::vector<float> weights_, cut_weights_;
  std::vector<std::int32_t> tokens_, targets_;
};

struct Kind {
  Activation activation;
  std::size_t kv_heads;
  Position position;
  kernels::NormKind norm;
  bool tied;
  Recompute recompute;
};

class TensorSplit : public ::testing::TestWithParam<Kind> {
 protected:
  ModelConfig config() const {
    const Kind& kind = GetParam();
    return shape(kind.activation, kind.kv_heads, kind.position, kind.norm, kind.tied);
  }
};

// Within 2e-5 of the largest value of each tensor: sums over the same terms in another order.
TEST_P(TensorSplit, EveryLayerComputesWhatItIsCutFrom) {
  for (std::size_t layer = 0; layer < config().layers + 2; ++layer)
    Twins(config(), stage_of(config(), {layer, layer + 1}), GetParam().recompute).expect_equal();
}

TEST_P(TensorSplit, TheModelComputesWhatItIsCutFrom) {
  Twins(config(), whole_model(config()), GetParam().recompute).expect_equal();
}

// The last rank's shorter piece alone would have other chunks: 2048 rows instead of 2016.
TEST(TensorSplitHead, RanksOfUnequalPiecesTakeTheSameChunks) {
  ModelConfig config = shape(Activation::gelu, 8, Position::rope, kernels::NormKind::rms, false);
  const comm::Communicator world(comm::make_mpi_transport());
  config.vocabulary = 2048 * static_cast<std::size_t>(world.size()) + 1;
  config.context = 1024;
  Twins(config, stage_of(config, {config.layers + 1, config.layers + 2}), Recompute::none)
      .expect_equal();
}

INSTANTIATE_TEST_SUITE_P(Kinds, TensorSplit,
                         ::testing::Values(Kind{Activation::gelu, 8, Position::rope,
                                                kernels::NormKind::rms, true, Recompute::none},
                                           Kind{Activation::swiglu, 4, Position::rope,
                                                kernels::NormKind::rms, true, Recompute::full},
                                           Kind{Activation::swiglu, 8, Position::learned,
                                                kernels::NormKind::layer, false,
                                                Recompute::attention},
                                           Kind{Activation::gelu, 4, Position::learned,
                                                kernels::NormKind::layer, true, Recompute::none}));

}  // namespace
}  // namespace isoflop::model
