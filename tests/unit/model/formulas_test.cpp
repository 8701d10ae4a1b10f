#include <gtest/gtest.h>

#include "model/cost.hpp"
#include "model/parameters.hpp"

namespace isoflop::model {
namespace {

ModelConfig gpt2() {
  ModelConfig config;
  config.layers = 12;
  config.width = 768;
  config.heads = config.kv_heads = 12;
  config.feed_forward = 3072;
  config.context = 1024;
  config.vocabulary = 50304;
  return config;
}

TEST(Formulas, ParametersByHand) {
  ModelConfig config = gpt2();
  const std::size_t d = 768;
  const std::size_t block = 3 * d * d + d * d + 2 * 4 * d * d + 2 * d;
  const ParameterTable table(config);
  EXPECT_EQ(table.n_non_embedding(), 12 * block + d);
  EXPECT_EQ(table.n_total(), 12 * block + d + 50304 * d);

  config.norm = kernels::NormKind::layer;
  config.tied = false;
  config.position = Position::learned;
  config.kv_heads = 4;
  config.activation = Activation::swiglu;
  config.feed_forward = default_feed_forward(Activation::swiglu, d);
  EXPECT_EQ(config.feed_forward, 2048u);
  const std::size_t other = (d + 2 * 256) * d + d * d + 3 * 2048 * d + 4 * d;
  const ParameterTable untied(config);
  EXPECT_EQ(untied.n_non_embedding(), 12 * other + 2 * d);
  EXPECT_EQ(untied.n_total(), 12 * other + 2 * d + 2 * 50304 * d + 1024 * d);
}

TEST(Formulas, TensorsDoNotOverlapAndAreAligned) {
  ModelConfig config = gpt2();
  config.width = 60;
  config.heads = config.kv_heads = 3;
  config.feed_forward = 77;
  config.vocabulary = 257;
  const ParameterTable table(config);
  std::size_t end = 0;
  for (const Parameter& parameter : table.parameters()) {
    EXPECT_EQ(parameter.offset % kTensorAlignment, 0u) << parameter.name;
    EXPECT_GE(parameter.offset, end) << parameter.name;
    end = parameter.offset + parameter.count;
  }
  EXPECT_GE(table.buffer_size(), end);
}

TEST(Formulas, RecomputedFlopsByHand) {
  const ModelConfig config = gpt2();
  const double d = 768, attention = 12 * 2 * 2 * d * 1025 / 2;  // forward
  EXPECT_EQ(recomputed_flops_per_token(config, Recompute::none), 0.0);
  EXPECT_DOUBLE_EQ(recomputed_flops_per_token(config, Recompute::attention),
                   12 * 2 * 3 * d * d + attention);
  // All of a block's products but the last one.
  EXPECT_DOUBLE_EQ(recomputed_flops_per_token(config, Recompute::full),
                   flops_per_token_exact(config) / 3 - 2 * 50304 * d - 12 * 2 * 4 * d * d);
}

TEST(Formulas, FlopsByHand) {
  const ModelConfig config = gpt2();
  const double d = 768;
  const double matmul = 12 * 12 * d * d + 50304 * d;           // weights in products
  const double attention = 12 * 2 * 2 * d * (1024 + 1) / 2.0;  // forward, causal pairs only
  EXPECT_DOUBLE_EQ(flops_per_token_exact(config), 3 * (2 * matmul + attention));
  EXPECT_DOUBLE_EQ(attention_flops_per_token(config), 3 * attention);
  EXPECT_DOUBLE_EQ(flops_per_token_6nd(config),
                   6.0 * static_cast<double>(ParameterTable(config).n_total()));
}

}  // namespace
}  // namespace isoflop::model
