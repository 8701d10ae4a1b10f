// Weights that make a step diverge, and what the step then names.
#pragma once

#include <algorithm>
#include <string>

#include "core/error.hpp"
#include "model/parameters.hpp"
#include "train/trainer.hpp"

namespace isoflop::test {

/// Gives all elements of a tensor the same value, on the ranks that own them; restore() then makes
/// weights of them.
inline void fill_weight(train::Trainer& trainer, const model::ModelConfig& config,
                        const std::string& name, float value) {
  const model::ParameterTable whole(config);
  for (const model::Parameter& tensor : whole.parameters()) {
    if (tensor.name != name) continue;
    for (const train::OwnedState& mine : trainer.owned_state()) {
      const std::size_t begin = std::max(tensor.offset, mine.elements.begin);
      const std::size_t end = std::min(tensor.offset + tensor.count, mine.elements.end);
      for (std::size_t i = begin; i < end; ++i) mine.parameters[i - mine.elements.begin] = value;
    }
  }
}

/// The first non-finite tensor, as the next step names it; empty when the step finds none.
inline std::string tensor_named_by_step(train::Trainer& trainer) {
  try {
    trainer.step();
  } catch (const CheckFailed& error) {
    const std::string message = error.what(), key = "first non-finite tensor: ";
    const std::size_t begin = message.find(key) + key.size();
    return message.substr(begin, message.find(';', begin) - begin);
  }
  return "";
}

/// Finite weights, after which the forward pass has finite values alone and the gradients of the
/// down products of two blocks have not. Their inputs are large, and meet weights of zero on the
/// way forward; what comes back from the head is large as well.
inline void make_gradients_overflow(train::Trainer& trainer, const config::RunConfig& config,
                                    int earlier_block, int later_block) {
  const model::ParameterTable whole(config.model);
  for (const model::Parameter& tensor : whole.parameters())
    if (tensor.name.starts_with("final_norm"))
      fill_weight(trainer, config.model, tensor.name, 1e3f);
  for (const int block : {earlier_block, later_block}) {
    const std::string name = "blocks." + std::to_string(block) + ".feed_forward.";
    fill_weight(trainer, config.model, name + "up", 1e37f);
    fill_weight(trainer, config.model, name + "down", 0.0f);
  }
  trainer.restore(0);
}

}  // namespace isoflop::test
