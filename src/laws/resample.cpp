#include "laws/resample.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "core/random.hpp"
#include "laws/bootstrap.hpp"
#include "laws/curves.hpp"
#include "laws/solver.hpp"
#include "laws/theta.hpp"

namespace isoflop::laws {
namespace {

// Every so many draws descend twice, so that the draws that only continue from the optimum are
// checked.
constexpr std::size_t kCheckEvery = 16;

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
    const double inflation = std::sqrt(n / std::max(1.0, n - static_cast<double>(law.size())));
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

}  // namespace

Draws draw_again(const Points& prepared, const Law& law, const Samples& samples,
                 const FitOptions& options, const Vector& optimum) {
  const Resampler resampler(prepared, law, samples, options, optimum);
  Draws draws;
  draws.of = options.interval;
  draws.clusters = resampler.units();
  if (law.reads_curves && draws.clusters < 2) return draws;  // every draw would be the same
  draws.asked = options.bootstrap;
  Samples drawn = samples;
  for (std::size_t d = 0; d < options.bootstrap; ++d) {
    resampler.draw(static_cast<std::uint32_t>(d), drawn);
    const Objective objective(law, drawn, options.huber_delta);
    Minimum minimum = minimise(objective, optimum);
    if (!minimum.converged || d % kCheckEvery == 0) {
      const Minimum other = minimise_gradually(objective, optimum);
      if (other.objective < minimum.objective) minimum = other;
    }
    draws.rows.push_back(to_row(law.values(minimum.theta), law.size()));
    draws.coordinates.push_back(to_row(minimum.theta, law.size()));
  }
  return draws;
}

}  // namespace isoflop::laws
