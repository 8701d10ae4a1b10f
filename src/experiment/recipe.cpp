#include "experiment/recipe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/error.hpp"
#include "core/text.hpp"
#include "laws/fit/theta.hpp"
#include "laws/json/json_parts.hpp"
#include "laws/law/law.hpp"
#include "laws/predict/report.hpp"
#include "model/cost.hpp"
#include "model/parameters.hpp"

namespace isoflop::experiment {
namespace {

constexpr const char* kStepLaw =
    "Step Law as published (arXiv 2503.04715), not fitted to your runs";
constexpr const char* kOverOptimum = "the spread of params and tokens, not of the law itself";
constexpr const char* kOfBoth = "the law's own interval and the spread of params and tokens";

/// The shape of an optimum, and what its fit counts as parameters.
struct Shape {
  const model::ModelConfig& config;
  bool counts_embeddings;
  std::string params_kind;          // as the fit states it; may be empty
  double share_without_embeddings;  // of all parameters

  double params_as(double params, bool with_embeddings) const {
    if (with_embeddings == counts_embeddings) return params;
    return with_embeddings ? params / share_without_embeddings : params * share_without_embeddings;
  }
};

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

/// Not of a draw that no run will do, or that nothing bounds.
bool is_run(const laws::Split& draw) {
  return std::isfinite(draw.params) && std::isfinite(draw.tokens);
}

/// A run counted like the points of `fit`. Its FLOP a token are those of the shape times params,
/// `of_optimum` = 1 for the shape itself.
laws::RunSize run_for(const laws::Fit& fit, const laws::Split& split, double of_optimum,
                      const Shape& shape) {
  const bool with_embeddings = laws::counts_embeddings(fit);
  const bool exact = fit.conventions.flops == "exact";
  laws::Conventions asked;
  if (laws::reads(fit, laws::Variable::params) || laws::reads(fit, laws::Variable::flops))
    asked.params = with_embeddings == shape.counts_embeddings ? shape.params_kind
                   : with_embeddings                          ? "total"
                                                              : "non-embedding";
  if (laws::reads(fit, laws::Variable::flops)) asked.flops = exact ? "exact" : "6nd";
  laws::require_same_kind(asked, fit.conventions, fmt::format("recipe: fit of law {}", fit.law));
  laws::RunSize run;
  run.params = shape.params_as(split.params, with_embeddings);
  run.tokens = split.tokens;
  run.flops = exact ? model::flops_per_token_exact(shape.config) * of_optimum * split.tokens
                    : 6 * *run.params * split.tokens;
  return run;
}

/// Both widths at once, in the logarithm, where each says how far it reaches from `value`.
std::optional<laws::Interval> combine(double value, const std::optional<laws::Interval>& own,
                                      const std::optional<laws::Interval>& spread) {
  if (!own || !spread) return own ? own : spread;
  const auto reach = [&](double end) { return std::fabs(std::log(end / value)); };
  const bool below = spread->low < value;
  const bool above = spread->high > value;
  laws::Interval both = *own;
  both.low = value * std::exp(-std::hypot(reach(own->low), below ? reach(spread->low) : 0));
  both.high = value * std::exp(std::hypot(reach(own->high), above ? reach(spread->high) : 0));
  both.covers = kOfBoth;
  both.measured_coverage.reset();
  return both;
}

/// A setting and what it is at each draw of the optimum.
struct DrawnSetting {
  Setting setting;
  std::optional<laws::Interval> own;  // of its law at the optimum
  std::vector<double> drawn;
};

DrawnSetting by_fit(const laws::Fit& fit, laws::Variable wanted, const laws::Optimum& optimum,
                    const Shape& shape, double level) {
  const laws::Variable response = laws::find_law(fit.law).response;
  require(response == wanted, "recipe: a fit of law {} predicts the {}, needed one of the {}",
          fit.law, to_string(response), to_string(wanted));
  const laws::Split centre = {optimum.params, optimum.tokens, 0};
  const laws::Prediction at = laws::predict(fit, run_for(fit, centre, 1, shape), level);
  DrawnSetting result{
      {at.value, {}, fmt::format("{} fitted to {} points", fit.law, fit.used)}, at.interval, {}};
  for (const laws::Split& draw : optimum.draws) {
    const laws::RunSize run =
        run_for(fit, is_run(draw) ? draw : centre, draw.params / optimum.params, shape);
    // a batch grows with the run; of a rate, or where the tokens are few, nobody knows
    const double beyond =
        wanted == laws::Variable::batch && std::isinf(draw.tokens) ? draw.tokens : kUnknown;
    result.drawn.push_back(is_run(draw) ? laws::predict(fit, run, level).value : beyond);
  }
  const auto spread = laws::interval_over_draws(result.drawn, level, kOverOptimum);
  // of draws that nobody knows the spread is not nothing
  if (spread || (result.drawn.empty() && !optimum.is_spread_unknown))
    result.setting.interval = combine(at.value, at.interval, spread);
  return result;
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

DrawnSetting by_step_law(const char* law, const laws::Optimum& optimum, const Shape& shape,
                         double level) {
  const auto value = [&](double params, double tokens) {
    return published(law, shape.params_as(params, false), tokens);
  };
  const bool is_rate = laws::find_law(law).response == laws::Variable::learning_rate;
  std::vector<double> drawn;
  for (const laws::Split& draw : optimum.draws)
    drawn.push_back(is_rate && !is_run(draw) ? kUnknown : value(draw.params, draw.tokens));
  return {{value(optimum.params, optimum.tokens),
           laws::interval_over_draws(drawn, level, kOverOptimum), kStepLaw},
          {},
          drawn};
}

Setting choose_learning_rate(const laws::Optimum& optimum, const RecipeOptions& options,
                             const Shape& shape, double level) {
  if (options.learning_rate)
    return by_fit(*options.learning_rate, laws::Variable::learning_rate, optimum, shape, level)
        .setting;
  return by_step_law("step-lr", optimum, shape, level).setting;
}

DrawnSetting choose_batch(const laws::Optimum& optimum, const RecipeOptions& options,
                          const Shape& shape, double level) {
  if (options.batch) return by_fit(*options.batch, laws::Variable::batch, optimum, shape, level);
  return by_step_law("step-batch", optimum, shape, level);
}

/// Steps that see the tokens of each draw, in batches of that draw.
std::optional<laws::Interval> steps_over_draws(const laws::Optimum& optimum,
                                               const DrawnSetting& batch, double steps,
                                               double level) {
  if (optimum.is_spread_unknown) return std::nullopt;
  std::vector<double> drawn;
  for (std::size_t i = 0; i < optimum.draws.size(); ++i) {
    const double tokens = optimum.draws[i].tokens;
    drawn.push_back(std::isinf(tokens) ? tokens : tokens / batch.drawn[i]);
  }
  if (std::ranges::any_of(drawn, [](double one) { return std::isnan(one); })) return std::nullopt;
  std::optional<laws::Interval> own = batch.own;
  if (own) {  // a larger batch takes fewer steps
    const double value = batch.setting.value;
    own->low = steps * value / batch.own->high;
    own->high = steps * value / batch.own->low;
  }
  return combine(steps, own, laws::interval_over_draws(std::move(drawn), level, kOverOptimum));
}

void add(const model::ModelConfig& shape, ShapeRange& range) {
  const auto widen = [&](auto end, std::size_t value) {
    range.low.*end = std::min(range.low.*end, value);
    range.high.*end = std::max(range.high.*end, value);
  };
  widen(&ShapeRange::End::layers, shape.layers);
  widen(&ShapeRange::End::width, shape.width);
  widen(&ShapeRange::End::heads, shape.heads);
}

/// Over N a percent apart, or more where that makes too many; empty where there is no interval.
std::optional<ShapeRange> shapes_between(const laws::Optimum& optimum, const model::Family& family,
                                         const model::ModelConfig& centre) {
  constexpr double kStep = 0.01;  // of ln N
  constexpr double kMost = 200;
  const auto& interval = optimum.params_interval;
  if (!interval || !std::isfinite(interval->high)) return std::nullopt;
  const double span = std::log(interval->high / interval->low);
  const double steps = std::clamp(std::ceil(span / kStep), 1.0, kMost);
  const ShapeRange::End end = {centre.layers, centre.width, centre.heads};
  ShapeRange range = {end, end};
  try {
    for (double k = 0; k <= steps; ++k)
      add(model::shape_for(family, interval->low * std::exp(span * k / steps)), range);
  } catch (const InputError&) {  // the lower end is below the smallest shape
    return std::nullopt;
  }
  return range;
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

nlohmann::ordered_json json_of(const std::optional<ShapeRange>& shapes) {
  if (!shapes) return nullptr;
  const auto end = [](const ShapeRange::End& shape) -> nlohmann::ordered_json {
    return {{"layers", shape.layers}, {"width", shape.width}, {"heads", shape.heads}};
  };
  return {{"low", end(shapes->low)}, {"high", end(shapes->high)}};
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
      recipe.shape, options.family.count_embeddings, options.params_kind,
      static_cast<double>(recipe.n_non_embedding) / static_cast<double>(recipe.n_total)};
  recipe.learning_rate = choose_learning_rate(optimum, options, shape, level);
  const DrawnSetting batch = choose_batch(optimum, options, shape, level);
  recipe.batch = batch.setting;
  recipe.shapes = shapes_between(optimum, options.family, recipe.shape);

  const auto context = static_cast<double>(recipe.shape.context);
  recipe.sequences = whole(recipe.batch.value / context);
  const double step_tokens = static_cast<double>(recipe.sequences) * context;
  recipe.steps = whole(std::ceil(optimum.tokens / step_tokens));
  recipe.steps_interval =
      steps_over_draws(optimum, batch, static_cast<double>(recipe.steps), level);
  return recipe;
}

std::string describe(const Recipe& recipe) {
  const model::ModelConfig& shape = recipe.shape;
  const auto rate = [](double value) { return fmt::format("{:.3g}", value); };
  std::string text = fmt::format(
      "how to train it (a shape of the family, context {}, vocabulary {})\n\n"
      "  {:<14} {:>10}   {} layers, width {}, {} heads of {}; {} without embeddings\n",
      shape.context, shape.vocabulary, "shape", short_count(static_cast<double>(recipe.n_total)),
      shape.layers, shape.width, shape.heads, shape.head_width(),
      short_count(static_cast<double>(recipe.n_non_embedding)));
  if (const auto& shapes = recipe.shapes)
    text += fmt::format(
        "  {:<14} {:>10}   {} to {} layers, width {} to {}, {} to {} heads, by the params\n", "",
        "", shapes->low.layers, shapes->high.layers, shapes->low.width, shapes->high.width,
        shapes->low.heads, shapes->high.heads);
  text +=
      setting_line("learning rate", rate(recipe.learning_rate.value), recipe.learning_rate, +rate);
  text += setting_line("batch, tokens", short_count(recipe.batch.value), recipe.batch, short_count);
  text += fmt::format("  {:<14} {:>10}   of {} sequences", "steps",
                      short_count(static_cast<double>(recipe.steps)), recipe.sequences);
  if (recipe.steps_interval)
    text += fmt::format(", {} to {}", short_count(recipe.steps_interval->low),
                        or_no_limit(recipe.steps_interval->high, short_count));
  return text + "\n";
}

nlohmann::ordered_json json_of(const Recipe& recipe) {
  return {{"layers", recipe.shape.layers},
          {"width", recipe.shape.width},
          {"heads", recipe.shape.heads},
          {"feed_forward", recipe.shape.feed_forward},
          {"shape_interval", json_of(recipe.shapes)},
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
