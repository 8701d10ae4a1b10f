// What fits below a ladder of cuts, mixed with the weights known there, said of the points
// above each.
#pragma once

#include <span>
#include <vector>

#include "laws/fit/fit.hpp"
#include "laws/fit/mixture.hpp"
#include "laws/fit/rollout.hpp"

namespace isoflop::laws {

/// One held-out point above a cut.
struct Held {
  std::size_t point;
  double miss;  // of the mixture, ln predicted - ln measured
  Mixture mixture;
  double distance;  // h
};

/// The cuts are numbered from 0, the smallest; the last one has all points below it. Of very many
/// points an even selection is held out.
class Ladder {
 public:
  /// `rollouts`: of every law over the same `cuts` of the same points.
  Ladder(const Points& prepared, const Cuts& cuts, std::span<const LawRollout> rollouts);

  std::size_t last() const { return sizes_.size() - 1; }
  std::size_t fitted(std::size_t k) const { return fitted_[k]; }  // points up to cut k
  /// Of the laws, from the misses of the points up to cut `k` alone: sum 1, or 0 for all.
  const std::vector<double>& weights(std::size_t k) const { return weights_[k]; }
  const std::vector<Held>& held(std::size_t k) const { return held_[k]; }

  /// Points above cut j that fits up to cut `k` may look at.
  template <class F>
  void for_each_held(std::size_t j, std::size_t k, F&& f) const {
    for (const Held& held : held_[j])
      if (cuts_.size(held.point) <= sizes_[k]) f(held);
  }

  /// Of what the laws predict (rollout.hpp).
  double capped(double miss) const { return capped_miss(miss, largest_miss_); }

  std::vector<RolloutCut> cuts() const;
  /// Of all points.
  const std::vector<double>& reach() const { return reach_.back(); }
  std::vector<double> errors() const;  // rms miss of each law over its cuts; NaN without

 private:
  double measured(std::size_t i) const { return rollouts_.front().samples.y[i]; }
  void measure_cuts();
  void compute_forecasts();
  double rms_miss(std::size_t law, std::size_t j, std::size_t k) const;
  std::vector<double> weights_at(std::size_t k) const;
  std::vector<Held> hold_out(std::size_t k) const;

  const Points& points_;
  const Cuts& cuts_;
  std::vector<double> sizes_;  // of the cuts; the last: all points
  std::span<const LawRollout> rollouts_;
  double largest_miss_;
  std::vector<std::size_t> probes_;
  std::vector<std::size_t> fitted_;                            // points up to each cut
  std::vector<std::vector<double>> reach_;                     // of the points up to each cut
  std::vector<std::vector<std::vector<Forecast>>> forecasts_;  // [law][cut][probe], empty: no fit
  std::vector<std::vector<double>> weights_;                   // [cut][law]
  std::vector<std::vector<Held>> held_;                        // [cut]
};

}  // namespace isoflop::laws
