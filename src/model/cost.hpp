// What a model costs, by formula. FLOP conventions: a multiply-add counts 2; backward = 2 x
// forward; no recomputation.
//
//   flops_6nd     6 N per token, N = all trainable parameters
//   flops_exact   every matrix product that runs: linear layers, output head, and causal
//                 attention over the pairs that exist, (T + 1) / 2 a token; elementwise work is
//                 left out
#pragma once

#include "model/activations.hpp"
#include "model/config.hpp"

namespace isoflop::model {

/// Training FLOP a token (forward and backward).
double flops_per_token_6nd(const ModelConfig& config);
double flops_per_token_exact(const ModelConfig& config);

/// The parts of flops_per_token_exact in the output head, and inside attention's products.
double head_flops_per_token(const ModelConfig& config);
double attention_flops_per_token(const ModelConfig& config);

/// What the backward pass computes again, counted as flops_per_token_exact does, which leaves it
/// out.
double recomputed_flops_per_token(const ModelConfig& config, Recompute recompute);

}  // namespace isoflop::model
