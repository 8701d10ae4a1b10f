// AdamW over a flat span of parameters, and clipping. Knows no ranks: the caller says which
// elements are his.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "device/stream.hpp"
#include "optim/config.hpp"

namespace isoflop::optim {

/// A run of elements that are all decayed or all not.
struct Segment {
  std::size_t begin;
  std::size_t end;
  bool decayed;
};

/// min(1, clip_norm / norm); 1 when clip_norm is 0.
double clip_factor(double norm, double clip_norm);

/// One step (step = 1, 2, ...) on every segment. All arrays begin at element `first`.
/// gradient_scale multiplies the gradient before anything sees it.
template <class T>
void adamw_step(device::Stream& stream, const OptimizerConfig& config,
                const std::vector<Segment>& segments, std::size_t first, std::int64_t step,
                double learning_rate, double gradient_scale, const float* gradient, float* master,
                float* first_moment, float* second_moment, T* weights);

}  // namespace isoflop::optim
