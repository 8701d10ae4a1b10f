// A family of shapes: which width, depth and heads a model of N parameters gets.
//
// Loss depends on the shape far less than on N: Kaplan et al. 2020 (figure 5) measure a few percent
// over a factor of ten in width / layers. So the family keeps that ratio, the aspect, about
// constant, and heads of a usual width; 100 lies amid Chinchilla 70B (8192 / 80 = 102), Llama 7B
// (128) and GPT-3 175B (128).
#pragma once

#include "model/config.hpp"

namespace isoflop::model {

struct Family {
  /// Everything that the size does not decide: context, vocabulary, activation, tied, position,
  /// norm. layers, width, heads, kv_heads and feed_forward are overwritten.
  ModelConfig base;
  double aspect = 100;           // width / layers
  std::size_t head_width = 0;    // 0: 64 in widths below 2048, 128 from there on
  bool count_embeddings = true;  // what N means
};

/// The shape whose parameters are nearest to `params` among those with an aspect close to the
/// family's: 1% in N weighs as much as 10% in the aspect. Width is a multiple of the head width;
/// kv_heads = heads, feed_forward = default_feed_forward. Throws InputError for a family without
/// context or vocabulary and for N that is not finite or below the smallest shape by more than 2x.
ModelConfig shape_for(const Family& family, double params);

}  // namespace isoflop::model
