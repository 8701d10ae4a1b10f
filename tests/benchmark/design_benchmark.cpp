// What the runs that `suggest` chooses are worth: the prediction of a target against random choice,
// an IsoFLOP profile and one large run, for the same FLOP.
//
// Sixteen small runs (6e16 to 1.3e19 FLOP) are fitted; each strategy spends a share of the target's
// 1.2e22 FLOP on at most eight more runs, measured on the true surface with the same noise, and the
// law is fitted again. Figures over seeds: the 80% quantile of |ln loss error| at the target, and
// the median 80% half-width that the plan expects (design.hpp), both in percent. The truth is the
// fitted form (Epoch, Hoffmann), another form (Kaplan's joint law) or a surface that bends at 1e20
// FLOP.
//
// Run: build/release/bin/design_benchmark [SEEDS]. Cost: 0.2 s a seed, truth and noise.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>

#include "core/random.hpp"
#include "laws/fit/bootstrap.hpp"
#include "laws/fit/robust_fit.hpp"
#include "laws/plan/design.hpp"

namespace isoflop::laws {
namespace {

constexpr Candidate kTarget{1e10, 2e11};
constexpr std::size_t kMostRuns = 8;

using Surface = std::function<double(double, double)>;

Surface surface_of(const std::string& law_name, std::vector<double> values, double bend) {
  const Law& law = find_law(law_name);
  Vector vector{};
  std::ranges::copy(values, vector.begin());
  const Vector theta = law.coordinates(vector);
  return [&law, theta, bend](double params, double tokens) {
    const double x[] = {std::log(params), std::log(tokens)};
    return law.evaluate(x, theta.data(), nullptr, nullptr) +
           bend * std::log1p(6 * params * tokens / 1e20);
  };
}

struct Truth {
  const char* name;
  Surface log_loss;
};

std::vector<Truth> truths() {
  const std::vector<double> epoch = {1.8172, 482.01, 2085.43, 0.3478, 0.3658};
  return {{"Epoch", surface_of("chinchilla", epoch, 0)},
          {"Hoffmann", surface_of("chinchilla", {1.69337, 406.4, 410.7, 0.33917, 0.28491}, 0)},
          {"Kaplan", surface_of("kaplan-nd", {6.4e13, 1.8e13, 0.076, 0.103}, 0)},
          {"bent", surface_of("chinchilla", epoch, 0.006)}};
}

class Laboratory {
 public:
  Laboratory(const Truth& truth, double noise, std::uint64_t seed)
      : truth_(truth), noise_(noise), stream_(seed, Purpose::test) {}

  void measure(Points& points, const Candidate& run) {
    const double radius = std::sqrt(-2 * std::log(1 - stream_.next_uniform()));
    const double normal = radius * std::cos(6.283185307179586 * stream_.next_uniform());
    points.params.push_back(run.params);
    points.tokens.push_back(run.tokens);
    points.loss.push_back(std::exp(truth_.log_loss(run.params, run.tokens) + noise_ * normal));
  }

  Points small_runs() {
    Points points;
    for (int i = 0; i < 16; ++i)
      measure(points, {2e7 * std::pow(2.0, i % 4), 5e8 * std::pow(3.0, i / 4)});
    return points;
  }

  RandomStream& stream() { return stream_; }

 private:
  const Truth& truth_;
  double noise_;
  RandomStream stream_;
};

using Runs = std::vector<Candidate>;

Runs random_choice(const Runs& candidates, double budget, RandomStream& stream) {
  Runs runs;
  while (runs.size() < kMostRuns) {
    Runs affordable;
    for (const Candidate& run : candidates)
      if (run.flops() <= budget) affordable.push_back(run);
    if (affordable.empty()) break;
    runs.push_back(affordable[stream.next_below(affordable.size())]);
    budget -= runs.back().flops();
  }
  return runs;
}

/// Five sizes around the best one, the budget in equal parts.
Runs isoflop_profile(const Law& law, const Fit& fit, double budget) {
  Vector values{};
  std::ranges::copy(fit.values(), values.begin());
  const double best = law.optimum(values, budget / 5)->params;
  Runs runs;
  for (const double factor : {0.25, 0.5, 1.0, 2.0, 4.0})
    runs.push_back({best * factor, budget / 5 / (6 * best * factor)});
  return runs;
}

/// The target's tokens a parameter at all of the budget.
Runs one_large_run(double budget) {
  const double scale = std::sqrt(budget / kTarget.flops());
  return {{kTarget.params * scale, kTarget.tokens * scale}};
}

struct Cell {
  std::vector<double> error, width;
};
using Table =
    std::map<std::pair<std::string, double>, Cell>;  // by strategy and share of the target

double at(std::vector<double> values, double probability) {
  std::ranges::sort(values);
  return quantile(values, probability);
}

void run_seed(const Truth& truth, double noise, std::uint64_t seed, Table& table) {
  Laboratory laboratory(truth, noise, seed);
  const Points first = laboratory.small_runs();
  const Points prepared = prepare(first);
  DesignOptions options{.fit = {.law = "chinchilla", .bootstrap = 60},
                        .target = kTarget,
                        .budget = 0,
                        .most_runs = kMostRuns,
                        .sizes = {},
                        .level = 0.8,
                        .bend = {}};
  const Law& law = find_law(options.fit.law);
  const Fit small = fit(first, options.fit);
  Vector values{};
  std::ranges::copy(small.values(), values.begin());
  const Vector theta = law.coordinates(values);
  const double at_target = truth.log_loss(kTarget.params, kTarget.tokens);
  const double x[] = {std::log(kTarget.params), std::log(kTarget.tokens)};

  const auto record = [&](const std::string& name, double share, const Runs& runs,
                          const Design& design) {
    Points all = first;
    for (const Candidate& run : runs) laboratory.measure(all, run);
    const Vector fitted =
        refit(law, make_samples(law, prepare(all), law.variables), options.fit.huber_delta, theta);
    TargetVariance state(law, law.variables, theta, prepared, kTarget, design.effective_noise,
                         design.bend);
    for (const Candidate& run : runs) state.add(run);
    Cell& cell = table[{name, share}];
    cell.error.push_back(std::fabs(law.evaluate(x, fitted.data(), nullptr, nullptr) - at_target));
    cell.width.push_back(normal_half_width(0.8) * std::sqrt(state.variance()));
  };
  for (const double share : {0.003, 0.01, 0.03}) {
    options.budget = share * kTarget.flops();
    const Design design = plan_runs(small, prepared, options);
    Runs suggested;
    for (const SuggestedRun& run : design.runs) suggested.push_back(run.run);
    if (share == 0.003) record("none", 0, {}, design);
    const Runs candidates = candidate_runs(prepared, kTarget, options.budget, {});
    record("suggest", share, suggested, design);
    record("random", share, random_choice(candidates, options.budget, laboratory.stream()), design);
    record("isoflop", share, isoflop_profile(law, small, options.budget), design);
    record("one run", share, one_large_run(options.budget), design);
  }
}

void compare(std::uint64_t seeds) {
  fmt::print("| truth | noise | spent | none | suggest | random | IsoFLOP profile | one run |\n");
  fmt::print("|---|---|---|---|---|---|---|---|\n");
  for (const Truth& truth : truths())
    for (const double noise : {0.003, 0.01}) {
      Table table;
      for (std::uint64_t seed = 1; seed <= seeds; ++seed) run_seed(truth, noise, seed, table);
      const auto text = [&](const char* name, double share) {
        const Cell& cell = table[{name, share}];
        return fmt::format("{:.2f} ({:.2f})", 100 * at(cell.error, 0.8), 100 * at(cell.width, 0.5));
      };
      for (const double share : {0.003, 0.01, 0.03})
        fmt::print("| {} | {:g}% | {:g}% | {} | {} | {} | {} | {} |\n", truth.name, 100 * noise,
                   100 * share, text("none", 0), text("suggest", share), text("random", share),
                   text("isoflop", share), text("one run", share));
      std::fflush(stdout);
    }
}

}  // namespace
}  // namespace isoflop::laws

int main(int argc, char** argv) {
  isoflop::laws::compare(argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 20);
}
