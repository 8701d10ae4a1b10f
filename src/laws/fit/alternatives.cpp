#include "laws/fit/alternatives.hpp"

#include <algorithm>
#include <cmath>

#include "laws/fit/robust_fit.hpp"
#include "laws/fit/theta.hpp"
#include "laws/search/solver.hpp"

namespace isoflop::laws {
namespace {

constexpr std::size_t kLeftOut[] = {1, 3, 5, 10, 20, 50, 100};
constexpr std::size_t kShareLeftOut = 10;  // at most a tenth of the points

/// The response of a law that is fitted to its logarithm, on its own scale.
class OnOwnScale final : public Law {
 public:
  explicit OnOwnScale(const Law& law) : law_(law) { parameters = law.parameters; }

  double evaluate(const double* x, const double* theta, double* gradient,
                  double* hessian) const override {
    const double value = std::exp(law_.evaluate(x, theta, gradient, hessian));
    for (std::size_t i = 0; gradient != nullptr && hessian != nullptr && i < size(); ++i)
      for (std::size_t k = 0; k <= i; ++k) {
        double& second = hessian[i * kMaxParameters + k];
        second = value * (second + gradient[i] * gradient[k]);
      }
    for (std::size_t i = 0; gradient != nullptr && i < size(); ++i) gradient[i] *= value;
    return value;
  }
  std::vector<Vector> starts(const Samples&) const override { return {}; }
  Vector values(const Vector& theta) const override { return law_.values(theta); }
  Vector coordinates(const Vector& values) const override { return law_.coordinates(values); }

 private:
  const Law& law_;
};

class Refits {
 public:
  Refits(const Contender& contender, std::span<const Vector> starts)
      : law_(*contender.law), variables_(contender.variables), starts_(starts) {}

  /// The one just added.
  Alternative& add(const Points& points, double delta) {
    return add(name_of_loss(delta), delta, find(law_, law_.rows(points, variables_), delta));
  }

  void add_squares_of_losses(const Points& points) {
    Samples samples = law_.rows(points, variables_);
    for (double& y : samples.y) y = std::exp(y);
    add("least squares of losses", kSquaresDelta, find(OnOwnScale(law_), samples, kSquaresDelta));
  }
  std::vector<Alternative> take() { return std::move(found_); }

 private:
  Alternative& add(std::string loss, double delta, const Vector& optimum) {
    const Vector values = law_.values(optimum);
    Alternative one{std::move(loss), delta, 0, to_row(values, law_.size()), {}};
    for (const NamedValue& derived : law_.derived(values)) one.derived.push_back(derived.value);
    return found_.emplace_back(std::move(one));
  }

  Vector find(const Law& law, const Samples& samples, double delta) const {
    const Objective objective(law, samples, delta);
    return objective.has_many_rows()
               ? polish(objective, best_of(law, thin_rows(samples), delta)).theta
               : best_of(law, samples, delta);
  }

  Vector best_of(const Law& law, const Samples& samples, double delta) const {
    const Objective objective(law, samples, delta);
    Vector best = starts_.front();
    double lowest = value_or_infinity(objective, best);
    for (const Vector& start : starts_) {
      const Vector theta = refit(law, samples, delta, start);
      const double value = value_or_infinity(objective, theta);
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
                                           const Points& with_outliers, double huber_delta,
                                           std::span<const Vector> starts) {
  Refits refits(contender, starts);
  refits.add(prepared, huber_delta);
  for (const double width : {kSquaresDelta, kAbsoluteDelta, 1e-4, 1e-3, 1e-2})
    if (width != huber_delta) refits.add(prepared, width);
  const Law& law = *contender.law;
  if (with_outliers.size() > prepared.size())
    refits.add(with_outliers, huber_delta).put_back = with_outliers.size() - prepared.size();
  if (law.response != Variable::loss || law.reads_curves) return refits.take();
  refits.add_squares_of_losses(prepared);
  for (const std::size_t count : kLeftOut) {
    if (count * kShareLeftOut > prepared.size()) break;
    const Points fewer = drop_worst(prepared, count);
    if (!is_enough(fewer, law, contender.variables)) break;
    refits.add(fewer, huber_delta).left_out = count;
  }
  return refits.take();
}

}  // namespace isoflop::laws
