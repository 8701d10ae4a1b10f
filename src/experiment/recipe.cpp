#include "experiment/recipe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/error.hpp"
#include "laws/json_parts.hpp"
#include "laws/law.hpp"
#include "laws/report.hpp"
#include "model/cost.hpp"
#include "model/parameters.hpp"

namespace isoflop::experiment {
namespace {

constexpr const char* kStepLaw =
    "Step Law as published (arXiv 2503.04715), not fitted to your runs";
constexpr const char* kOverOptimum = "the spread of params and tokens, not of the law itself";

/// The shape of an optimum, and what its fit counts as parameters.
struct Shape {
  const model::ModelConfig& config;
  bool counts_embeddings;
  double share_without_embeddings;  // of all parameters

  double params_as(double params, bool with_embeddings) const {
    if (with_embeddings == counts_embeddings) return params;
    return with_embeddings ? params / share_without_embeddings : params * share_without_embeddings;
  }
};

/// The optimum counted like the points of `fit`.
laws::RunSize run_for(const laws::Fit& fit, const laws::Optimum& optimum, const Shape& shape) {
  const bool with_embeddings = laws::counts_embeddings(fit);
  const bool exact = fit.conventions.flops == "exact";
  laws::Conventions asked;
  asked.params = with_embeddings ? "total" : "non-embedding";
  asked.flops = exact ? "exact" : "6nd";
  laws::require_same_kind(asked, fit.conventions, fmt::format("recipe: fit of law {}", fit.law));
  laws::RunSize run;
  run.params = shape.params_as(optimum.params, with_embeddings);
  run.tokens = optimum.tokens;
  run.flops = exact ? model::flops_per_token_exact(shape.config) * optimum.tokens
                    : 6 * *run.params * optimum.tokens;
  return run;
}

Setting by_fit(const laws::Fit& fit, laws::Variable wanted, const laws::Optimum& optimum,
               const Shape& shape, double level) {
  const laws::Variable response = laws::find_law(fit.law).response;
  require(response == wanted, "recipe: a fit of law {} predicts the {}, needed one of the {}",
          fit.law, to_string(response), to_string(wanted));
  const laws::Prediction prediction = laws::predict(fit, run_for(fit, optimum, shape), level);
  return {prediction.value, prediction.interval,
          fmt::format("{} fitted to {} points", fit.law, fit.used)};
}

/// A law of tuned settings with the values that its source published, at N without embeddings.
double published(const char* name, double params, double tokens) {
  const laws::Law& law = laws::find_law(name);
  std::vector<double> x;
  for (const laws::Variable variable : law.variables)
    x.push_back(std::log(variable == laws::Variable::params ? params : tokens));
  const laws::Vector theta = law.coordinates(laws::example_values(law));
  return law.from_scale(law.evaluate(x.data(), theta.data(), nullptr, nullptr));
}

Setting by_step_law(const char* law, const laws::Optimum& optimum, const Shape& shape,
                    double level) {
  const auto value = [&](double params, double tokens) {
    return published(law, shape.params_as(params, false), tokens);
  };
  std::vector<double> drawn;
  for (const laws::Split& draw : optimum.draws) drawn.push_back(value(draw.params, draw.tokens));
  return {value(optimum.params, optimum.tokens),
          laws::interval_over_draws(std::move(drawn), level, kOverOptimum), kStepLaw};
}

Setting choose_learning_rate(const laws::Optimum& optimum, const RecipeOptions& options,
                             const Shape& shape, double level) {
  if (options.learning_rate)
    return by_fit(*options.learning_rate, laws::Variable::learning_rate, optimum, shape, level);
  return by_step_law("step-lr", optimum, shape, level);
}

Setting choose_batch(const laws::Optimum& optimum, const RecipeOptions& options, const Shape& shape,
                     double level) {
  if (options.batch) return by_fit(*options.batch, laws::Variable::batch, optimum, shape, level);
  return by_step_law("step-batch", optimum, shape, level);
}

std::int64_t whole(double value) { return std::max<std::int64_t>(1, std::llround(value)); }

std::string or_no_limit(double high, std::string (*show)(double)) {
  return std::isfinite(high) ? show(high) : "no limit";
}

std::string setting_line(const char* name, const std::string& value, const Setting& setting,
                         std::string (*show)(double)) {
  std::string text = fmt::format("  {:<14} {:>10}", name, value);
  if (setting.interval)
    text += fmt::format("   {} to {}", show(setting.interval->low),
                        or_no_limit(setting.interval->high, show));
  return text + fmt::format("   [{}]\n", setting.source);
}

nlohmann::ordered_json json_of(const Setting& setting) {
  return {{"value", setting.value},
          {"interval", laws::json_of(setting.interval)},
          {"source", setting.source}};
}

}  // namespace

std::int64_t Recipe::tokens() const {
  return steps * sequences * static_cast<std::int64_t>(shape.context);
}

Recipe make_recipe(const laws::Optimum& optimum, const RecipeOptions& options, double level) {
  Recipe recipe;
  recipe.shape = model::shape_for(options.family, optimum.params);
  const model::ParameterTable table(recipe.shape);
  recipe.n_total = static_cast<std::int64_t>(table.n_total());
  recipe.n_non_embedding = static_cast<std::int64_t>(table.n_non_embedding());
  const Shape shape{
      recipe.shape, options.family.count_embeddings,
      static_cast<double>(recipe.n_non_embedding) / static_cast<double>(recipe.n_total)};
  recipe.learning_rate = choose_learning_rate(optimum, options, shape, level);
  recipe.batch = choose_batch(optimum, options, shape, level);

  const auto context = static_cast<double>(recipe.shape.context);
  recipe.sequences = whole(recipe.batch.value / context);
  const double step_tokens = static_cast<double>(recipe.sequences) * context;
  recipe.steps = whole(std::ceil(optimum.tokens / step_tokens));
  std::vector<double> steps;
  for (const laws::Split& draw : optimum.draws) {
    const double batch =
        options.batch ? step_tokens : published("step-batch", draw.params, draw.tokens);
    steps.push_back(std::isinf(draw.tokens) ? draw.tokens : draw.tokens / batch);
  }
  recipe.steps_interval = laws::interval_over_draws(std::move(steps), level, kOverOptimum);
  return recipe;
}

std::string describe(const Recipe& recipe) {
  const model::ModelConfig& shape = recipe.shape;
  const auto rate = [](double value) { return fmt::format("{:.3g}", value); };
  std::string text = fmt::format(
      "how to train it (a shape of the family, context {}, vocabulary {})\n\n"
      "  {:<14} {:>10}   {} layers, width {}, {} heads of {}; {} without embeddings\n",
      shape.context, shape.vocabulary, "shape",
      laws::short_count(static_cast<double>(recipe.n_total)), shape.layers, shape.width,
      shape.heads, shape.head_width(),
      laws::short_count(static_cast<double>(recipe.n_non_embedding)));
  text +=
      setting_line("learning rate", rate(recipe.learning_rate.value), recipe.learning_rate, +rate);
  text += setting_line("batch, tokens", laws::short_count(recipe.batch.value), recipe.batch,
                       laws::short_count);
  text += fmt::format("  {:<14} {:>10}   of {} sequences", "steps",
                      laws::short_count(static_cast<double>(recipe.steps)), recipe.sequences);
  if (recipe.steps_interval)
    text += fmt::format(", {} to {}", laws::short_count(recipe.steps_interval->low),
                        or_no_limit(recipe.steps_interval->high, laws::short_count));
  return text + "\n";
}

nlohmann::ordered_json json_of(const Recipe& recipe) {
  return {{"layers", recipe.shape.layers},
          {"width", recipe.shape.width},
          {"heads", recipe.shape.heads},
          {"feed_forward", recipe.shape.feed_forward},
          {"context", recipe.shape.context},
          {"vocabulary", recipe.shape.vocabulary},
          {"n_total", recipe.n_total},
          {"n_non_embedding", recipe.n_non_embedding},
          {"learning_rate", json_of(recipe.learning_rate)},
          {"batch_tokens", json_of(recipe.batch)},
          {"global_batch", recipe.sequences},
          {"steps", recipe.steps},
          {"steps_interval", laws::json_of(recipe.steps_interval)},
          {"tokens", recipe.tokens()}};
}

}  // namespace isoflop::experiment
