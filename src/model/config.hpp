// What a model is: the [model] table of a run configuration. Symbols as in docs/architecture.md.
#pragma once

#include <cstddef>
#include <string>

#include "kernels/api/attention.hpp"
#include "kernels/api/norm.hpp"

namespace isoflop::model {

enum class Activation { gelu, swiglu };
enum class Position { rope, learned };

struct ModelConfig {
  std::size_t layers = 0;        // l
  std::size_t width = 0;         // d
  std::size_t heads = 0;         // H, divides d
  std::size_t kv_heads = 0;      // K, divides H
  std::size_t feed_forward = 0;  // F
  std::size_t context = 0;       // T, tokens
  std::size_t vocabulary = 0;    // V, tokens; from the corpus
  kernels::NormKind norm = kernels::NormKind::rms;
  Activation activation = Activation::gelu;
  Position position = Position::rope;
  bool tied = true;  // the output head is the token embedding

  std::size_t head_width() const { return width / heads; }
  std::size_t qkv_width() const { return (heads + 2 * kv_heads) * head_width(); }

  /// Outputs of the first feed-forward matrix: swiglu has gates beside the values.
  std::size_t up_width() const {
    return activation == Activation::swiglu ? 2 * feed_forward : feed_forward;
  }

  kernels::AttentionShape attention_shape(std::size_t batch) const {
    return {batch, context, heads, kv_heads, head_width()};
  }
};

/// d 4 for gelu; for swiglu the multiple of 64 next above 8 d / 3, which has about as many
/// parameters.
std::size_t default_feed_forward(Activation activation, std::size_t width);

/// Empty if the config can be built, else what is wrong: "heads: seen 3, needed a divisor of width
/// 64".
std::string problem(const ModelConfig& config);

}  // namespace isoflop::model
