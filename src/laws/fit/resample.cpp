#include "laws/fit/resample.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/error.hpp"
#include "core/random.hpp"
#include "laws/fit/bootstrap.hpp"
#include "laws/fit/profile.hpp"
#include "laws/fit/theta.hpp"
#include "laws/points/curves.hpp"
#include "laws/search/chord.hpp"

namespace isoflop::laws {
namespace {

// Draws continue from the optimum, those of many rows by its curvature. Every so many of them
// descend a second way too: when that finds a better place once, all of them take both ways.
constexpr std::size_t kCheckEvery = 16;
constexpr double kBetter = 1e-6;  // of the objective
// Of many rows a draw ends where what is left to gain is no more than this, in units of the
// objective's scale (profile.hpp): 0.014 standard errors. In a flat valley the exact bottom is far.
constexpr double kNothingToGain = 1e-4;

/// Turns the samples into those of one draw.
class Resampler {
 public:
  Resampler(const Points& prepared, const Law& law, const Samples& samples,
            const FitOptions& options, const Vector& optimum)
      : samples_(samples),
        seed_(options.seed),
        clusters_(prepared.size(), law.reads_curves ? curve_names(prepared) : prepared.group) {
    if (options.interval == "pairs") return;
    require(clusters_.count() == prepared.size(),
            "interval: residuals of {} points in {} groups are not independent: needed pairs",
            prepared.size(), clusters_.count());
    require(samples.size() == prepared.size(),
            "interval: law {} fits several rows a point: needed pairs", law.name);
    residuals_ = Objective(law, samples, options.huber_delta).residuals(optimum);
    const auto n = static_cast<double>(samples.size());
    const double inflation =
        std::sqrt(n / std::max(1.0, n - static_cast<double>(law.free_parameters())));
    for (std::size_t i = 0; i < samples.size(); ++i) {
      fitted_.push_back(samples.y[i] + residuals_[i]);
      residuals_[i] *= -inflation * std::sqrt(samples.weight[i]);
    }
  }

  std::size_t units() const { return clusters_.count(); }

  void draw(std::uint32_t number, Samples& drawn) const {
    if (residuals_.empty()) {
      const std::vector<double> counts = clusters_.counts(seed_, number);
      for (std::size_t i = 0; i < samples_.size(); ++i)
        drawn.weight[i] = samples_.weight[i] * counts[samples_.point[i]];
      return;
    }
    RandomStream stream(seed_, Purpose::bootstrap, number);
    for (std::size_t i = 0; i < samples_.size(); ++i)
      drawn.y[i] = fitted_[i] +
                   residuals_[stream.next_below(residuals_.size())] / std::sqrt(samples_.weight[i]);
  }

 private:
  const Samples& samples_;
  std::uint64_t seed_;
  Clusters clusters_;
  std::vector<double> fitted_;
  std::vector<double> residuals_;  // empty: pairs
};

/// The descents of all draws from the optimum of the points.
class Descents {
 public:
  Descents(const Resampler& resampler, const Law& law, const Samples& samples,
           const FitOptions& options, const Vector& optimum)
      : resampler_(resampler), law_(law), options_(options), optimum_(optimum), drawn_(samples) {
    const Objective objective(law, samples, options.huber_delta);
    if (objective.has_many_rows())
      chord_.emplace(objective, optimum, kNothingToGain * scale_of(objective, optimum));
  }

  std::vector<Minimum> run() {
    std::vector<Minimum> ends;
    std::vector<bool> both_ways;
    bool may_be_better = false;
    for (std::size_t d = 0; d < options_.bootstrap; ++d) {
      const Objective objective = draw(d);
      ends.push_back(descend(objective, optimum_));
      both_ways.push_back(!ends.back().converged);
      if (both_ways.back()) {
        descend_gradually(objective, ends.back());
      } else if (d % kCheckEvery == 0) {
        Minimum other = ends.back();
        descend_gradually(objective, other);
        may_be_better |= other.objective < (1 - kBetter) * ends.back().objective;
      }
    }
    for (std::size_t d = 0; may_be_better && d < ends.size(); ++d)
      if (!both_ways[d]) descend_gradually(draw(d), ends[d]);
    return ends;
  }

 private:
  Objective draw(std::size_t d) {
    resampler_.draw(static_cast<std::uint32_t>(d), drawn_);
    return {law_, drawn_, options_.huber_delta};
  }

  Minimum descend(const Objective& objective, const Vector& start) const {
    return chord_ ? chord_->minimise(objective, start) : minimise(objective, start);
  }

  /// Of many rows a selection goes the second way, and all of them from its end.
  Minimum descend_second_way(const Objective& objective) const {
    if (!chord_) return minimise_gradually(objective, optimum_);
    const Samples few = thin_rows(objective.samples());
    const Objective selection(law_, few, objective.delta());
    return descend(objective, minimise_gradually(selection, optimum_).theta);
  }

  void descend_gradually(const Objective& objective, Minimum& end) const {
    const Minimum other = descend_second_way(objective);
    if (other.objective < end.objective) end = other;
  }

  const Resampler& resampler_;
  const Law& law_;
  const FitOptions& options_;
  const Vector& optimum_;
  Samples drawn_;
  std::optional<Chord> chord_;
};

}  // namespace

Draws draw_again(const Points& prepared, const Law& law, const Samples& samples,
                 const FitOptions& options, const Vector& optimum) {
  const Resampler resampler(prepared, law, samples, options, optimum);
  Draws draws;
  draws.of = options.interval;
  draws.clusters = resampler.units();
  if (draws.clusters < 2) return draws;  // every draw would be the same
  draws.asked = options.bootstrap;
  for (const Minimum& end : Descents(resampler, law, samples, options, optimum).run()) {
    draws.rows.push_back(to_row(law.values(end.theta), law.size()));
    draws.coordinates.push_back(to_row(end.theta, law.size()));
    draws.unconverged += !end.converged;
  }
  return draws;
}

}  // namespace isoflop::laws
