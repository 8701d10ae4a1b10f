// Finds the first activation of a micro-batch that holds a value that is no number.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/bf16.hpp"
#include "core/error.hpp"
#include "model/transformer.hpp"

namespace isoflop::model {
namespace {

// Outputs of a block in the order in which a forward pass computes them; the first is the residual
// stream that comes in.
constexpr std::array kOutputs = {"",
                                 ".attention.norm",
                                 ".attention.qkv",
                                 ".attention",
                                 ".attention.out",
                                 ".feed_forward.norm",
                                 ".feed_forward.up",
                                 ".feed_forward.activation"};
constexpr std::size_t kFinalNorm = 1, kLogits = 2;  // in place of a block behind the last one

template <class T>
bool all_finite(const T* values, std::size_t count) {
  return std::all_of(values, values + count,
                     [](T value) { return std::isfinite(static_cast<float>(value)); });
}

}  // namespace

template <class T>
std::size_t Transformer<T>::first_non_finite_of_block(std::size_t i, std::size_t slot,
                                                      std::size_t sequences) const {
  const std::size_t tokens = tokens_of(sequences), stream = stream_of(sequences);
  const Block& block = act_.in_flight[slot].blocks[i];
  const std::pair<const T*, std::size_t> outputs[] = {
      {block.x, stream},
      {block.normed, stream},
      {block.qkv, tokens * held_.qkv_width()},
      {block.attended, tokens * held_.attended_width()},
      {block.x_middle, stream},
      {block.normed_middle, stream},
      {block.up, tokens * held_.up_width},
      {block.active, tokens * held_.feed_forward}};
  for (std::size_t k = 0; k < kOutputs.size(); ++k) {
    const auto& [values, count] = outputs[k];
    if (!all_finite(values, count)) return (stage_.blocks.begin + i) * kOutputs.size() + k;
  }
  return kAllFinite;
}

template <class T>
std::size_t Transformer<T>::first_non_finite(std::size_t slot, std::size_t sequences,
                                             double loss) const {
  const std::size_t stream = stream_of(sequences), behind = config_.layers * kOutputs.size();
  const auto& kept = act_.in_flight[slot];
  if (first_of_blocks_ != kAllFinite || !stage_.head) return first_of_blocks_;
  if (!all_finite(kept.x_final, stream)) return behind;
  if (!all_finite(kept.normed_final, stream)) return behind + kFinalNorm;
  return std::isfinite(loss) ? kAllFinite : behind + kLogits;
}

template <class T>
std::string Transformer<T>::name_of_output(std::size_t place) const {
  const std::size_t block = place / kOutputs.size(), output = place % kOutputs.size();
  if (output == 0) return block == 0 ? "embedding" : fmt::format("blocks.{}", block - 1);
  if (block < config_.layers) return fmt::format("blocks.{}{}", block, kOutputs[output]);
  return output == kFinalNorm ? "final_norm" : "head";
}

template std::size_t Transformer<float>::first_non_finite(std::size_t, std::size_t, double) const;
template std::size_t Transformer<bf16>::first_non_finite(std::size_t, std::size_t, double) const;
template std::size_t Transformer<float>::first_non_finite_of_block(std::size_t, std::size_t,
                                                                   std::size_t) const;
template std::size_t Transformer<bf16>::first_non_finite_of_block(std::size_t, std::size_t,
                                                                  std::size_t) const;
template std::string Transformer<float>::name_of_output(std::size_t) const;
template std::string Transformer<bf16>::name_of_output(std::size_t) const;

}  // namespace isoflop::model
