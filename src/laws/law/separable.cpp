#include "laws/law/separable.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/error.hpp"

namespace isoflop::laws {
namespace {

constexpr std::size_t kMostTerms = 3;
constexpr double kGrid[] = {0.02, 0.05, 0.1, 0.18, 0.3, 0.45, 0.7, 1.1, 1.8};
constexpr std::size_t kGridSize = std::size(kGrid);
constexpr std::size_t kMostMinima = 4;
constexpr double kVanished = -20;  // ln of a share of the data
using Exponents = std::array<double, 2>;

/// The residuals at some exponents, with the best coefficients.
struct State {
  double value = std::numeric_limits<double>::infinity();
  std::array<double, kMostTerms> coefficient{};  // of the centred columns
  Matrix gram{};                                 // Cholesky factor, terms in use only
  std::array<std::size_t, kMostTerms> used{};
  std::size_t used_count = 0;
};

class Projection {
 public:
  Projection(const std::vector<SeparableTerm>& terms, std::size_t exponents, const Samples& samples)
      : terms_(terms), exponents_(exponents), samples_(samples) {
    double weight = 0;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      weight += samples.weight[i];
      inverse_.push_back(std::exp(-samples.y[i]));
    }
    for (const SeparableTerm& term : terms) {
      double mean = 0;
      for (std::size_t i = 0; term.column >= 0 && i < samples.size(); ++i)
        mean += samples.weight[i] * samples.row(i)[term.column] / weight;
      mean_.push_back(mean);
    }
    column_.resize(terms.size());
  }

  /// Fills the columns and solves for the coefficients.
  State project(const Exponents& e) {
    for (std::size_t k = 0; k < terms_.size(); ++k) fill(k, e);
    Matrix gram{};
    Vector right{};
    for (std::size_t i = 0; i < samples_.size(); ++i)
      for (std::size_t r = 0; r < terms_.size(); ++r) {
        const double scaled = samples_.weight[i] * column_[r][i];
        right[r] += scaled;
        for (std::size_t c = 0; c <= r; ++c) at(gram, r, c) += scaled * column_[c][i];
      }
    return choose_terms(gram, right);
  }

  /// The step of the exponents from `state`, with damping; false: none.
  bool step(const Exponents& e, const State& state, double damping, Exponents& result) {
    // columns of the Jacobian: what the projection leaves of d(sum_k c_k z_k)/d e_j
    std::vector<std::array<double, 2>> slopes(samples_.size());
    std::vector<double> residual(samples_.size(), -1.0);
    for (std::size_t k = 0; k < terms_.size(); ++k)
      for (std::size_t i = 0; i < samples_.size(); ++i) {
        const double part = state.coefficient[k] * column_[k][i];
        residual[i] += part;
        if (terms_[k].exponent >= 0)
          slopes[i][static_cast<std::size_t>(terms_[k].exponent)] -= part * centred(k, i);
      }
    for (std::size_t j = 0; j < exponents_; ++j) remove_used(state, j, slopes);
    Matrix normal{};
    Vector right{};
    for (std::size_t i = 0; i < samples_.size(); ++i)
      for (std::size_t j = 0; j < exponents_; ++j) {
        const double scaled = samples_.weight[i] * slopes[i][j];
        right[j] -= scaled * residual[i];
        for (std::size_t m = 0; m <= j; ++m) at(normal, j, m) += scaled * slopes[i][m];
      }
    for (std::size_t j = 0; j < exponents_; ++j)
      at(normal, j, j) += damping * at(normal, j, j) + 1e-300;
    if (!factor_cholesky(normal, exponents_)) return false;
    solve_cholesky(normal, exponents_, right);
    result = e;
    for (std::size_t j = 0; j < exponents_; ++j)
      result[j] = std::clamp(e[j] + std::clamp(right[j], -0.5, 0.5), 1e-3, 5.0);
    return true;
  }

  SeparableMinimum finish(const Exponents& e, const State& state) const {
    SeparableMinimum minimum;
    minimum.exponents.assign(e.begin(), e.begin() + static_cast<long>(exponents_));
    minimum.value = state.value;
    double mean_y = 0;
    for (const double y : samples_.y) mean_y += y / static_cast<double>(samples_.size());
    for (std::size_t k = 0; k < terms_.size(); ++k) {
      const double log_c =
          state.coefficient[k] > 0 ? std::log(state.coefficient[k]) : mean_y + kVanished;
      minimum.log_coefficients.push_back(log_c + exponent(k, e) * mean_[k]);
    }
    return minimum;
  }

 private:
  double exponent(std::size_t k, const Exponents& e) const {
    if (terms_[k].column < 0) return 0;
    return terms_[k].exponent >= 0 ? e[static_cast<std::size_t>(terms_[k].exponent)] : 1.0;
  }
  double centred(std::size_t k, std::size_t i) const {
    return samples_.row(i)[terms_[k].column] - mean_[k];
  }

  void fill(std::size_t k, const Exponents& e) {
    column_[k].assign(inverse_.begin(), inverse_.end());
    if (terms_[k].column < 0) return;
    for (std::size_t i = 0; i < samples_.size(); ++i)
      column_[k][i] *= std::exp(-exponent(k, e) * centred(k, i));
  }

  /// Non-negative least squares over so few terms: the best of all subsets whose coefficients are
  /// positive.
  State choose_terms(const Matrix& gram, const Vector& right) const {
    State best;
    double best_gain = -1;
    for (unsigned subset = 1; subset < 1u << terms_.size(); ++subset) {
      State one;
      for (std::size_t k = 0; k < terms_.size(); ++k)
        if (subset >> k & 1u) one.used[one.used_count++] = k;
      Vector solution{};
      for (std::size_t r = 0; r < one.used_count; ++r) {
        solution[r] = right[one.used[r]];
        for (std::size_t c = 0; c <= r; ++c)
          at(one.gram, r, c) = at(gram, one.used[r], one.used[c]);
      }
      if (!factor_cholesky(one.gram, one.used_count)) continue;
      solve_cholesky(one.gram, one.used_count, solution);
      double gain = 0;
      bool positive = true;
      for (std::size_t r = 0; r < one.used_count; ++r) {
        positive &= solution[r] > 0;
        one.coefficient[one.used[r]] = solution[r];
        gain += solution[r] * right[one.used[r]];
      }
      if (!positive || gain <= best_gain) continue;
      best_gain = gain;
      best = one;
    }
    best.value = 0;
    for (std::size_t i = 0; i < samples_.size(); ++i) {
      double residual = -1;
      for (std::size_t k = 0; k < terms_.size(); ++k)
        residual += best.coefficient[k] * column_[k][i];
      best.value += samples_.weight[i] * residual * residual;
    }
    return best;
  }

  /// Takes the share of the columns in use out of slope j.
  void remove_used(const State& state, std::size_t j,
                   std::vector<std::array<double, 2>>& slopes) const {
    Vector share{};
    for (std::size_t r = 0; r < state.used_count; ++r)
      for (std::size_t i = 0; i < samples_.size(); ++i)
        share[r] += samples_.weight[i] * column_[state.used[r]][i] * slopes[i][j];
    solve_cholesky(state.gram, state.used_count, share);
    for (std::size_t r = 0; r < state.used_count; ++r)
      for (std::size_t i = 0; i < samples_.size(); ++i)
        slopes[i][j] -= share[r] * column_[state.used[r]][i];
  }

  const std::vector<SeparableTerm>& terms_;
  std::size_t exponents_;
  const Samples& samples_;
  std::vector<double> inverse_;              // 1 / y
  std::vector<double> mean_;                 // of each term's column of x
  std::vector<std::vector<double>> column_;  // z_k / y
};

/// Gauss-Newton with Levenberg's damping.
SeparableMinimum descend(Projection& projection, Exponents e) {
  constexpr int kMostSteps = 60;
  State state = projection.project(e);
  double damping = 1e-3;
  for (int k = 0; k < kMostSteps && damping < 1e8; ++k) {
    Exponents trial{};
    if (!projection.step(e, state, damping, trial)) break;
    const double moved = std::fabs(trial[0] - e[0]) + std::fabs(trial[1] - e[1]);
    const State there = projection.project(trial);
    if (there.value < state.value) {
      e = trial;
      state = there;
      damping *= 0.1;
    } else {
      state = projection.project(e);  // the columns at e again
      damping *= 10;
    }
    if (moved < 1e-10) break;
  }
  return projection.finish(e, state);
}

/// The nodes of the grid that are no higher than their neighbours, lowest first.
std::vector<Exponents> local_minima(Projection& projection, std::size_t exponents) {
  const std::size_t columns = exponents > 1 ? kGridSize : 1;
  std::vector<double> value;
  for (std::size_t a = 0; a < kGridSize; ++a)
    for (std::size_t b = 0; b < columns; ++b)
      value.push_back(projection.project({kGrid[a], kGrid[b]}).value);
  const auto at_node = [&](std::size_t a, std::size_t b) {
    return a < kGridSize && b < columns ? value[a * columns + b]  // below 0 wraps to far above
                                        : std::numeric_limits<double>::infinity();
  };
  std::vector<std::pair<double, Exponents>> found;
  for (std::size_t a = 0; a < kGridSize; ++a)
    for (std::size_t b = 0; b < columns; ++b) {
      const double here = at_node(a, b);
      if (here <= at_node(a - 1, b) && here <= at_node(a + 1, b) && here <= at_node(a, b - 1) &&
          here <= at_node(a, b + 1))
        found.push_back({here, {kGrid[a], exponents > 1 ? kGrid[b] : 0.0}});
    }
  std::sort(found.begin(), found.end());
  std::vector<Exponents> nodes;
  for (std::size_t k = 0; k < std::min(kMostMinima, found.size()); ++k)
    nodes.push_back(found[k].second);
  return nodes;
}

}  // namespace

std::vector<SeparableMinimum> minimise_separable(const std::vector<SeparableTerm>& terms,
                                                 std::size_t exponents, const Samples& samples) {
  ISOFLOP_EXPECT(!terms.empty() && terms.size() <= kMostTerms && exponents <= 2 && exponents > 0);
  Projection projection(terms, exponents, samples);
  std::vector<SeparableMinimum> minima;
  for (const Exponents& node : local_minima(projection, exponents))
    minima.push_back(descend(projection, node));
  std::stable_sort(minima.begin(), minima.end(),
                   [](const auto& a, const auto& b) { return a.value < b.value; });
  return minima;
}

}  // namespace isoflop::laws
