#include "laws/predict.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "laws/allocation.hpp"
#include "laws/bootstrap.hpp"
#include "laws/frontier.hpp"
#include "laws/law.hpp"

namespace isoflop::laws {
namespace {

Vector to_vector(const std::vector<double>& row) {
  Vector values{};
  std::copy(row.begin(), row.end(), values.begin());
  return values;
}

void require_size(const std::optional<double>& size, std::string_view name) {
  require(!size || (std::isfinite(*size) && *size > 0), "{}: saw {}, needed a number above 0", name,
          size.value_or(0));
}

void require_level(double level) {
  require(level > 0 && level < 1, "level: saw {}, needed a number between 0 and 1", level);
}

/// The predicted response, on the law's scale, as a function of the values of the parameters.
class Response {
 public:
  Response(const Fit& fit, const RunSize& run) : law_(&find_law(fit.law)) {
    if (fit.is_frontier()) {
      require(run.flops.has_value() && !(run.params && run.tokens),
              "{} fits the compute-optimal frontier only: needs flops, not params and tokens; fit "
              "with --method "
              "approach3 to predict any run",
              fit.method);
      frontier_flops_ = run.flops;
      return;
    }
    const std::vector<Variable> variables =
        law_->any_variable ? std::vector{variable_from(fit.variable)} : law_->variables;
    for (const Variable variable : variables) {
      const std::optional<double>& size = quantity(run, variable);
      require(size.has_value(), "law {} reads {}: give it", fit.law, to_string(variable));
      x_.push_back(std::log(*size));
    }
    x_.resize(variables.size() + law_->extra_columns, 0.0);
  }

  const Law& law() const { return *law_; }

  double operator()(const std::vector<double>& values) const {
    if (frontier_flops_) return std::log(frontier_loss(values, *frontier_flops_));
    const Vector theta = law_->coordinates(to_vector(values));
    return law_->evaluate(x_.data(), theta.data(), nullptr, nullptr);
  }

 private:
  const Law* law_;
  std::vector<double> x_;
  std::optional<double> frontier_flops_;
};

RunSize complete(const Fit& fit, RunSize run) {
  bool is_empty = true;
  for (const VariableInfo& variable : all_variables()) {
    const std::optional<double>& size = quantity(run, variable.variable);
    require_size(size, variable.name);
    is_empty &= !size.has_value();
  }
  require(!is_empty, "predict: needs flops, or params and tokens, or what else the law reads");
  if (run.flops && !run.params && !run.tokens && !fit.is_frontier())
    if (const auto best = Planner(fit, {}).best(fit.values(), *run.flops)) {
      run.params = best->params;
      run.tokens = best->tokens;
    }
  if (!run.flops && run.params && run.tokens) run.flops = 6 * *run.params * *run.tokens;
  return run;
}

std::optional<double> exceeds(const std::optional<double>& size, const Range& fitted) {
  if (!size || !std::isfinite(fitted.high)) return std::nullopt;
  return *size / fitted.high;
}

std::string describe_cover(const Fit& fit, bool extrapolates) {
  std::string covers = fit.is_frontier() ? "parameters (bootstrap)"
                                         : "parameters (bootstrap) and scatter of the points";
  if (!extrapolates) return covers;
  if (fit.rollout.points == 0)
    return covers + "; model error beyond the fitted compute is not included";
  return covers +
         fmt::format(
             ", model error beyond the fitted compute (from {} held-out points above {} cuts)",
             fit.rollout.points, fit.rollout.cuts);
}

std::optional<Interval> interval_of(const Fit& fit, const Response& response, double centre,
                                    const RunSize& run, double level) {
  std::vector<double> drawn;
  for (const auto& row : fit.draws.rows) drawn.push_back(response(row));
  std::erase_if(drawn, [](double value) { return !std::isfinite(value); });
  if (drawn.size() < 2) return std::nullopt;
  std::sort(drawn.begin(), drawn.end());
  const std::optional<double> beyond = exceeds(run.flops, fit.flops);
  const double distance = beyond ? std::log(std::max(1.0, *beyond)) : 0.0;
  const double width = normal_half_width(level);
  const double noise = width * fit.residual_rms;
  const double model = width * fit.rollout.growth * distance;
  const double below = std::max(0.0, centre - quantile(drawn, (1 - level) / 2));
  const double above = std::max(0.0, quantile(drawn, (1 + level) / 2) - centre);
  const double rest = noise * noise + model * model;
  const Law& law = response.law();
  return Interval{level, law.from_scale(centre - std::sqrt(below * below + rest)),
                  law.from_scale(centre + std::sqrt(above * above + rest)),
                  describe_cover(fit, distance > 0)};
}

}  // namespace

Prediction predict(const Fit& fit, const RunSize& asked, double level) {
  require_level(level);
  Prediction prediction;
  prediction.run = complete(fit, asked);
  const Response response(fit, prediction.run);
  const double centre = response(fit.values());
  prediction.response = response.law().response;
  prediction.value = response.law().from_scale(centre);
  prediction.interval = interval_of(fit, response, centre, prediction.run, level);
  if (fit.is_frontier()) {
    prediction.run.params = frontier_params(fit.values(), *prediction.run.flops);
    prediction.run.tokens = frontier_tokens(fit.values(), *prediction.run.flops);
  }
  prediction.extrapolation = {exceeds(prediction.run.params, fit.params),
                              exceeds(prediction.run.tokens, fit.tokens),
                              exceeds(prediction.run.flops, fit.flops)};
  return prediction;
}

Prediction predict(const Fit& fit, double params, double tokens, double level) {
  return predict(fit, RunSize{.params = params, .tokens = tokens}, level);
}

}  // namespace isoflop::laws
