#include "laws/curves.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.hpp"
#include "laws/bootstrap.hpp"
#include "laws/calibration.hpp"
#include "laws/json_parts.hpp"
#include "laws/law.hpp"
#include "laws/theta.hpp"

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

std::vector<Curve> split_curves(const Points& points) {
  std::vector<Curve> curves;
  std::map<std::string, std::size_t> known;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const std::string group = points.group.empty() ? "" : points.group[i];
    const auto [entry, is_new] = known.try_emplace(group, curves.size());
    if (is_new) curves.emplace_back();
    curves[entry->second].push_back(i);
  }
  for (Curve& curve : curves) {
    std::stable_sort(curve.begin(), curve.end(), [&](std::size_t a, std::size_t b) {
      return points.steps[a] < points.steps[b];
    });
    for (std::size_t k = 1; k < curve.size(); ++k)
      require(
          points.steps[curve[k]] > points.steps[curve[k - 1]],
          "{}: step {:g} appears twice in one curve: give every run its own group, and keep one "
          "row a step",
          points.name.empty() ? "curves" : points.name[curve[k]], points.steps[curve[k]]);
  }
  return curves;
}

std::vector<std::string> curve_names(const Points& points) {
  std::vector<std::string> names(points.size());
  const std::vector<Curve> curves = split_curves(points);
  for (std::size_t k = 0; k < curves.size(); ++k)
    for (const std::size_t i : curves[k]) names[i] = fmt::format("curve {}", k + 1);
  return names;
}

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
