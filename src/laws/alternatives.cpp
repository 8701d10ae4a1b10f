#include "laws/alternatives.hpp"

#include <algorithm>
#include <cmath>

#include "laws/robust_fit.hpp"
#include "laws/solver.hpp"

namespace isoflop::laws {
namespace {

constexpr double kSquares = 1e3;    // every residual lies inside
constexpr double kAbsolute = 1e-8;  // none does
constexpr double kWidths[] = {1e-4, 1e-3, 1e-2};
constexpr std::size_t kLeftOut[] = {1, 3, 5, 10, 20, 50, 100};
constexpr std::size_t kShareLeftOut = 10;  // at most a tenth of the points

class Refits {
 public:
  Refits(const Contender& contender, std::span<const Vector> starts)
      : law_(*contender.law), variables_(contender.variables), starts_(starts) {}

  void add(const Points& points, std::string loss, double delta, std::size_t left_out) {
    const Samples samples = law_.rows(points, variables_);
    const Objective objective(law_, samples, delta);
    const Vector best = objective.has_many_rows()
                            ? polish(objective, best_of(thin_rows(samples), delta)).theta
                            : best_of(samples, delta);
    const Vector values = law_.values(best);
    Alternative one{std::move(loss), delta, left_out, {}, {}};
    one.parameters.assign(values.begin(), values.begin() + static_cast<long>(law_.size()));
    for (const NamedValue& derived : law_.derived(values)) one.derived.push_back(derived.value);
    found_.push_back(std::move(one));
  }
  std::vector<Alternative> take() { return std::move(found_); }

 private:
  Vector best_of(const Samples& samples, double delta) const {
    const Objective objective(law_, samples, delta);
    Vector best = starts_.front();
    double lowest = objective.value(best);
    for (const Vector& start : starts_) {
      const Vector theta = refit(law_, samples, delta, start);
      const double value = objective.value(theta);
      if (value >= lowest) continue;
      lowest = value;
      best = theta;
    }
    return best;
  }

  const Law& law_;
  std::span<const Variable> variables_;
  std::span<const Vector> starts_;
  std::vector<Alternative> found_;
};

}  // namespace

std::vector<Alternative> find_alternatives(const Contender& contender, const Points& prepared,
                                           double huber_delta, std::span<const Vector> starts) {
  Refits refits(contender, starts);
  refits.add(prepared, "huber", huber_delta, 0);
  refits.add(prepared, "least squares", kSquares, 0);
  refits.add(prepared, "least absolute deviations", kAbsolute, 0);
  for (const double width : kWidths)
    if (width != huber_delta) refits.add(prepared, "huber", width, 0);
  const Law& law = *contender.law;
  if (law.response != Variable::loss || law.reads_curves) return refits.take();
  for (const std::size_t count : kLeftOut) {
    if (count * kShareLeftOut > prepared.size()) break;
    const Points fewer = drop_worst(prepared, count);
    if (!is_enough(fewer, law, contender.variables)) break;
    refits.add(fewer, "huber", huber_delta, count);
  }
  return refits.take();
}

}  // namespace isoflop::laws
