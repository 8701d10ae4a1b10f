#include "laws/fit/profile.hpp"

#include <algorithm>
#include <cmath>
#include <memory>

#include "laws/fit/bootstrap.hpp"
#include "laws/search/solver.hpp"

namespace isoflop::laws {
namespace {

/// A law with one direction taken away: theta = base + sum_k direction_k phi_k.
class Slice final : public Law {
 public:
  Slice(const Law& law, const Vector& base) : law_(law), base_(base) {}

  void add(const ParameterInfo& info, const Vector& direction) {
    parameters.push_back(info);
    directions_.push_back(direction);
  }

  Vector theta(const double* phi) const {
    Vector theta = base_;
    for (std::size_t k = 0; k < size(); ++k)
      for (std::size_t i = 0; i < law_.size(); ++i) theta[i] += directions_[k][i] * phi[k];
    return theta;
  }

  double evaluate(const double* x, const double* phi, double* gradient,
                  double* hessian) const override {
    const Vector full = theta(phi);
    if (gradient == nullptr) return law_.evaluate(x, full.data(), nullptr, nullptr);
    Vector g{};
    Matrix h;
    const double value =
        law_.evaluate(x, full.data(), g.data(), hessian == nullptr ? nullptr : h.data());
    const std::size_t n = law_.size();
    for (std::size_t k = 0; k < size(); ++k) {
      gradient[k] = 0;
      for (std::size_t i = 0; i < n; ++i) gradient[k] += directions_[k][i] * g[i];
      if (hessian == nullptr) continue;
      Vector product{};
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j)
          product[i] += at(h, std::max(i, j), std::min(i, j)) * directions_[k][j];
      for (std::size_t m = 0; m <= k; ++m) {
        double sum = 0;
        for (std::size_t i = 0; i < n; ++i) sum += directions_[m][i] * product[i];
        hessian[k * kMaxParameters + m] = sum;
      }
    }
    return value;
  }
  std::vector<Vector> starts(const Samples&) const override { return {}; }
  Vector values(const Vector& phi) const override { return law_.values(theta(phi.data())); }
  Vector coordinates(const Vector& values) const override { return law_.coordinates(values); }

 private:
  const Law& law_;
  Vector base_;
  std::vector<Vector> directions_;
};

/// Of a free parameter; the law's size: it has none of this name.
std::size_t position_of(const Law& law, std::string_view name) {
  std::size_t i = 0;
  while (i < law.size() && (law.parameters[i].name != name || law.parameters[i].is_fixed())) ++i;
  return i;
}

/// What a profile holds fixed: how to slice the law at a value, and where on the slice to begin.
class Quantity {
 public:
  virtual ~Quantity() = default;
  virtual std::unique_ptr<Slice> slice(double value, const Vector& theta, Vector& phi) const = 0;
  virtual double shown(double value) const = 0;  // for people
  double lowest = 0, highest = 0, start = 0, step = 0;
};

class OneCoordinate final : public Quantity {
 public:
  OneCoordinate(const Law& law, std::size_t position, const Vector& theta)
      : law_(law), position_(position) {
    lowest = law.parameters[position].lower;
    highest = law.parameters[position].upper;
    start = theta[position];
    step = 0.01;
  }
  std::unique_ptr<Slice> slice(double value, const Vector& theta, Vector& phi) const override {
    Vector base{};
    base[position_] = value;
    auto slice = std::make_unique<Slice>(law_, base);
    for (std::size_t i = 0; i < law_.size(); ++i) {
      if (i == position_) continue;
      Vector direction{};
      direction[i] = 1;
      phi[slice->size()] = theta[i];
      slice->add(law_.parameters[i], direction);
    }
    return slice;
  }
  double shown(double value) const override { return std::exp(value); }

 private:
  const Law& law_;
  std::size_t position_;
};

/// a = beta / (alpha + beta): alpha = (1 - a) s, beta = a s.
class Exponent final : public Quantity {
 public:
  Exponent(const Law& law, const Vector& theta)
      : law_(law), alpha_(position_of(law, "alpha")), beta_(position_of(law, "beta")) {
    lowest = 0.01;
    highest = 0.99;
    start = theta[beta_] / (theta[alpha_] + theta[beta_]);
    step = 0.005;
  }
  std::unique_ptr<Slice> slice(double value, const Vector& theta, Vector& phi) const override {
    auto slice = std::make_unique<Slice>(law_, Vector{});
    for (std::size_t i = 0; i < law_.size(); ++i) {
      if (i == beta_) continue;
      Vector direction{};
      ParameterInfo info = law_.parameters[i];
      phi[slice->size()] = theta[i];
      direction[i] = 1;
      if (i == alpha_) {
        phi[slice->size()] = theta[alpha_] + theta[beta_];
        direction[alpha_] = 1 - value;
        direction[beta_] = value;
        info.upper = std::min(info.upper / (1 - value), law_.parameters[beta_].upper / value);
      }
      slice->add(info, direction);
    }
    return slice;
  }
  double shown(double value) const override { return value; }

 private:
  const Law& law_;
  std::size_t alpha_, beta_;
};

/// Follows a quantity away from the optimum.
class Walk {
 public:
  Walk(const Quantity& quantity, const Objective& objective, const Vector& theta)
      : quantity_(quantity),
        objective_(objective),
        optimum_(theta),
        lowest_(objective.value(theta)),
        scale_(scale_of(objective, theta)) {}

  /// 2 (F - F_min) / s at `value`; the search begins at `theta`, which becomes its end.
  double deviance(double value, Vector& theta) const {
    Vector phi{};
    const std::unique_ptr<Slice> slice = quantity_.slice(value, theta, phi);
    const Objective sliced(*slice, objective_.samples(), objective_.delta());
    Minimum minimum = minimise(sliced, phi);
    if (!minimum.converged) {
      const Minimum gradual = minimise_gradually(sliced, phi);
      if (gradual.objective < minimum.objective) minimum = gradual;
    }
    theta = slice->theta(minimum.theta.data());
    return 2 * std::max(0.0, minimum.objective - lowest_) / scale_;
  }

  /// Where the deviance reaches `limit` on one side; empty: nowhere.
  std::optional<double> find(double direction, double limit) const {
    const double target = std::sqrt(limit);
    Vector theta = optimum_;
    double inside = quantity_.start;
    double below = -target;
    for (double step = quantity_.step;; step *= 2) {
      const double value =
          std::clamp(quantity_.start + direction * step, quantity_.lowest, quantity_.highest);
      const Vector before = theta;
      const double miss = std::sqrt(deviance(value, theta)) - target;
      if (miss > 0) return cross(inside, below, value, miss, before, target);
      if (value == quantity_.lowest || value == quantity_.highest) return std::nullopt;
      inside = value;
      below = miss;
    }
  }

 private:
  /// The root of sqrt(deviance) - target between two values, by the Illinois rule: the root of a
  /// deviance is nearly a straight line.
  double cross(double inside, double below, double outside, double above, Vector theta,
               double target) const {
    constexpr int kMostSteps = 40;
    for (int k = 0; k < kMostSteps && std::fabs(outside - inside) > 1e-7; ++k) {
      const double value = inside - below * (outside - inside) / (above - below);
      Vector there = theta;
      const double miss = std::sqrt(deviance(value, there)) - target;
      if (std::fabs(miss) < 1e-5 * target) return value;
      if (miss > 0) {
        outside = value;
        above = miss;
        below *= 0.5;
      } else {
        inside = value;
        below = miss;
        above *= 0.5;
        theta = there;
      }
    }
    return inside;
  }

  const Quantity& quantity_;
  const Objective& objective_;
  Vector optimum_;
  double lowest_;
  double scale_;
};

LikelihoodProfile follow(std::string name, const Quantity& quantity, const Objective& objective,
                         const Vector& theta, double level) {
  constexpr int kCurvePoints = 6;  // on each side
  const double limit = std::pow(normal_half_width(level), 2);
  const Walk walk(quantity, objective, theta);
  LikelihoodProfile profile{std::move(name), level, {}, {}, {}, {}};
  for (const double side : {-1.0, 1.0}) {
    const std::optional<double> end = walk.find(side, limit);
    (side < 0 ? profile.low : profile.high) =
        end ? std::optional(quantity.shown(*end)) : std::nullopt;
    const double reach = end ? *end - quantity.start : side * 16 * quantity.step;
    Vector here = theta;
    for (int k = 1; k <= kCurvePoints; ++k) {
      const double value = std::clamp(quantity.start + 1.5 * reach * k / kCurvePoints,
                                      quantity.lowest, quantity.highest);
      profile.values.push_back(quantity.shown(value));
      profile.deviance.push_back(walk.deviance(value, here));
    }
    if (side < 0) {
      std::reverse(profile.values.begin(), profile.values.end());
      std::reverse(profile.deviance.begin(), profile.deviance.end());
      profile.values.push_back(quantity.shown(quantity.start));
      profile.deviance.push_back(0);
    }
  }
  return profile;
}

}  // namespace

double scale_of(const Objective& objective, const Vector& theta) {
  const std::vector<double> residuals = objective.residuals(theta);
  const std::vector<double>& weight = objective.samples().weight;
  std::vector<double> sizes;
  for (const double residual : residuals) sizes.push_back(std::fabs(residual));
  std::sort(sizes.begin(), sizes.end());
  const double delta = objective.delta();
  constexpr double kShare = 0.4;  // of the points in the band
  const double band = std::max(delta, quantile(sizes, kShare));
  double squares = 0;
  double slopes = 0;
  for (std::size_t i = 0; i < residuals.size(); ++i) {
    const double psi = weight[i] * std::clamp(residuals[i], -delta, delta);
    squares += psi * psi;
    if (std::fabs(residuals[i]) <= band) slopes += weight[i] * delta / band;
  }
  const auto n = static_cast<double>(residuals.size());
  const double freedom = std::max(1.0, n - static_cast<double>(objective.law().free_parameters()));
  // A wide loss has slope 1 where its residuals are: the band is delta and holds them all.
  return squares / slopes * n / freedom;
}

std::vector<LikelihoodProfile> profiles_of(const Law& law, const Samples& samples,
                                           double huber_delta, const Vector& theta, double level) {
  const Objective objective(law, samples, huber_delta);
  std::vector<LikelihoodProfile> profiles;
  if (samples.size() <= law.free_parameters()) return profiles;
  const std::size_t floor = position_of(law, "E");
  if (floor < law.size() && law.parameters[floor].coordinate == "ln E")
    profiles.push_back(follow("E", OneCoordinate(law, floor, theta), objective, theta, level));
  const std::vector<NamedValue> derived = law.derived(law.values(theta));
  if (!derived.empty() && derived.front().name == "a" && std::isfinite(derived.front().value) &&
      position_of(law, "alpha") < law.size() && position_of(law, "beta") < law.size())
    profiles.push_back(follow("a", Exponent(law, theta), objective, theta, level));
  return profiles;
}

}  // namespace isoflop::laws
