// How to train an optimum: its shape, batch, steps and learning rate.
//
// Batch and learning rate come from fitted laws when there are any, else from the published Step
// Law (Li et al. 2025, arXiv 2503.04715; the laws step-lr and step-batch with their example
// values), N without embeddings: measured on dense and mixture models of 60M to 1B parameters with
// AdamW and a cosine that ends at 1e-5.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "laws/plan/optimal.hpp"
#include "model/family.hpp"

namespace isoflop::experiment {

struct RecipeOptions {
  model::Family family;
  std::string params_kind = {};  // of the optimum (laws/points/conventions.hpp); empty: not stated
  const laws::Fit* learning_rate = nullptr;  // fits that replace the Step Law
  const laws::Fit* batch = nullptr;
};

/// A value, its interval (over the draws of the optimum and, of a fit, its own) and where it is
/// from.
struct Setting {
  double value = 0;
  std::optional<laws::Interval> interval;
  std::string source;
};

/// Least and most over the shapes of the interval of params. Along N the family trades depth for
/// width, so its shapes at the ends need not have them.
struct ShapeRange {
  struct End {
    std::size_t layers, width, heads;
  };
  End low, high;
};

struct Recipe {
  model::ModelConfig shape;
  std::optional<ShapeRange> shapes;
  std::int64_t n_total = 0;
  std::int64_t n_non_embedding = 0;
  Setting learning_rate;       // peak
  Setting batch;               // tokens, as the law says
  std::int64_t sequences = 0;  // global_batch: the batch in whole sequences
  std::int64_t steps = 0;      // to see at least the tokens of the optimum
  std::optional<laws::Interval> steps_interval;

  std::int64_t tokens() const;
};

/// Throws InputError for a family that has no shape for the optimum.
Recipe make_recipe(const laws::Optimum& optimum, const RecipeOptions& options, double level);

std::string describe(const Recipe& recipe);
nlohmann::ordered_json json_of(const Recipe& recipe);

}  // namespace isoflop::experiment
