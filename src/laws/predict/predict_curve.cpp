#include "laws/predict/predict_curve.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "laws/fit/bootstrap.hpp"
#include "laws/fit/calibration.hpp"
#include "laws/fit/theta.hpp"
#include "laws/json/json_parts.hpp"
#include "laws/law/law.hpp"

namespace isoflop::laws {
namespace {

constexpr std::size_t kMostPredicted = 1000;
constexpr std::size_t kMostShown = 20;

std::optional<Interval> interval_at(const Fit& fit, const Law& law,
                                    const std::vector<std::vector<double>>& states, const double* x,
                                    double centre, double level) {
  std::vector<double> drawn;
  for (const auto& state : states)
    drawn.push_back(law.evaluate(x, to_vector(state).data(), nullptr, nullptr));
  const auto spread = interval_over_draws(std::move(drawn), level);
  if (!spread) return std::nullopt;
  const double noise = normal_half_width(level) * fit.residual_rms;
  const double below = std::max(0.0, centre - spread->low);
  const double above = std::max(0.0, spread->high - centre);
  return Interval{level, law.from_scale(centre - std::hypot(below, noise)),
                  law.from_scale(centre + std::hypot(above, noise)),
                  "parameters (bootstrap) and scatter of the curves", why_not_calibrated(fit)};
}

}  // namespace

std::vector<CurvePoint> predict_curve(const Fit& fit, const Points& schedule, double level) {
  const Law& law = find_law(fit.law);
  require(law.reads_curves, "schedule: law {} does not predict curves; fit multi-power", fit.law);
  require(level > 0 && level < 1, "level: saw {}, needed a number between 0 and 1", level);
  require(!schedule.steps.empty() && !schedule.learning_rate.empty(),
          "schedule: needs the columns steps and learning_rate");
  const Samples rows = law.along(prepare(schedule), kMostPredicted);
  const Points ordered = prepare(schedule);
  const Vector theta = theta_of(fit);
  const std::vector<std::vector<double>> states = drawn_states(fit);
  std::vector<CurvePoint> curve;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double centre = law.evaluate(rows.row(i), theta.data(), nullptr, nullptr);
    const std::size_t at = rows.point[i];
    curve.push_back({ordered.steps[at], ordered.learning_rate[at], law.from_scale(centre),
                     interval_at(fit, law, states, rows.row(i), centre, level)});
  }
  return curve;
}

std::string describe(const Fit& fit, const std::vector<CurvePoint>& curve) {
  std::string text = fmt::format("{} [{}]\n\n  {:>9} {:>12} {:>10} {:>10} {:>10}\n", fit.law,
                                 fit.method, "step", "lr", "loss", "low", "high");
  const std::size_t shown = std::min(kMostShown, curve.size());
  for (std::size_t k = 0; k < shown; ++k) {
    const CurvePoint& point = curve[(k + 1) * curve.size() / shown - 1];
    text +=
        fmt::format("  {:>9g} {:>12.4g} {:>10.6g}", point.step, point.learning_rate, point.loss);
    text += point.interval
                ? fmt::format(" {:>10.6g} {:>10.6g}\n", point.interval->low, point.interval->high)
                : fmt::format(" {:>10} {:>10}\n", "-", "-");
  }
  if (!curve.empty() && curve.back().interval)
    text += fmt::format("\n{:.4g}% interval: {}\nnot calibrated: {}\n",
                        100 * curve.back().interval->level, curve.back().interval->covers,
                        curve.back().interval->not_calibrated);
  return text;
}

std::string to_json(const std::vector<CurvePoint>& curve) {
  Json list = Json::array();
  for (const CurvePoint& point : curve)
    list.push_back({{"step", point.step},
                    {"learning_rate", point.learning_rate},
                    {"loss", number(point.loss)},
                    {"interval", json_of(point.interval)}});
  return Json{{"curve", list}}.dump(1) + "\n";
}

}  // namespace isoflop::laws
