// How long a Chinchilla fit takes on one core.
//
// 240 points on the published surface of Besiroglu et al. 2024 with 0.5% log-normal noise, the
// Huber objective with delta 1e-3. Cost model: one objective with second derivatives reads every
// point once, about 60 ns each; a start needs some 50 of them on 32 points, a bootstrap draw some 9
// on the 152 points that it draws. Run: build/release/bin/laws_benchmark
#include <benchmark/benchmark.h>

#include <cmath>

#include "core/random.hpp"
#include "laws/fit/fit.hpp"
#include "laws/fit/robust_fit.hpp"
#include "laws/law/law.hpp"
#include "laws/search/objective.hpp"
#include "laws/search/search.hpp"

namespace isoflop::laws {
namespace {

Points noisy_points() {
  const Law& law = find_law("chinchilla");
  const Vector theta = law.coordinates({1.8172, 482.01, 2085.43, 0.3478, 0.3658});
  RandomStream stream(1, Purpose::test);
  Points points;
  for (int i = 0; i < 240; ++i) {
    const double params = 5e7 * std::pow(300, stream.next_uniform());
    const double tokens = params * std::pow(10, 2 * stream.next_uniform());
    const double x[2] = {std::log(params), std::log(tokens)};
    const double radius = std::sqrt(-2 * std::log(1 - stream.next_uniform()));
    const double noise = 0.005 * radius * std::cos(6.283185307179586 * stream.next_uniform());
    points.params.push_back(params);
    points.tokens.push_back(tokens);
    points.loss.push_back(std::exp(law.evaluate(x, theta.data(), nullptr, nullptr) + noise));
  }
  return prepare(points);
}

void fit_from_4500_starts(benchmark::State& state) {
  const Law& law = find_law("chinchilla");
  const Samples samples = law.rows(noisy_points(), law.variables);
  const Objective objective(law, samples, 1e-3);
  const std::vector<Vector> starts = law.starts(samples);
  Search found;
  for (auto _ : state) found = search(objective, starts);
  state.counters["starts"] = found.starts;
  state.counters["reached_best"] = found.reached.front();
  state.counters["gradient_norm"] = found.best.gradient_norm;
}
BENCHMARK(fit_from_4500_starts)->Unit(benchmark::kMillisecond);

/// The same optimum by variable projection alone.
void fit_by_projection(benchmark::State& state) {
  const Law& law = find_law("chinchilla");
  const Samples samples = law.rows(noisy_points(), law.variables);
  const Objective objective(law, samples, 1e-3);
  const double lowest = search(objective, law.starts(samples)).best.objective;
  Search found;
  for (auto _ : state) found = search(objective, law.projected_starts(samples));
  state.counters["starts"] = found.starts;
  state.counters["above_best"] = found.best.objective / lowest - 1;
}
BENCHMARK(fit_by_projection)->Unit(benchmark::kMillisecond);

/// The whole of `fit`, so that the time without draws is the difference.
void fit_with_bootstrap(benchmark::State& state) {
  const Points points = noisy_points();
  const FitOptions options = {.law = "chinchilla",
                              .bootstrap = static_cast<std::size_t>(state.range(0))};
  for (auto _ : state) benchmark::DoNotOptimize(fit(points, options));
}
BENCHMARK(fit_with_bootstrap)->Arg(0)->Arg(4000)->Unit(benchmark::kMillisecond);

void fit_ensemble(benchmark::State& state) {
  const Points points = noisy_points();
  const FitOptions options = {.law = std::string(kEnsemble), .bootstrap = 0};
  for (auto _ : state) benchmark::DoNotOptimize(fit(points, options));
}
BENCHMARK(fit_ensemble)->Unit(benchmark::kMillisecond);

/// With what stands beside a fit on the command line.
void fit_with_details(benchmark::State& state) {
  const Points points = noisy_points();
  const FitOptions options = {.law = "chinchilla", .bootstrap = 0, .details = true};
  for (auto _ : state) benchmark::DoNotOptimize(fit(points, options));
}
BENCHMARK(fit_with_details)->Unit(benchmark::kMillisecond);

void evaluate_objective(benchmark::State& state) {
  const Law& law = find_law("chinchilla");
  const Samples samples = law.rows(noisy_points(), law.variables);
  const Objective objective(law, samples, 1e-3);
  const Vector theta = law.coordinates({1.8172, 482.01, 2085.43, 0.3478, 0.3658});
  for (auto _ : state) benchmark::DoNotOptimize(objective.derivatives(theta, Curvature::exact));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(samples.size()));
}
BENCHMARK(evaluate_objective);

}  // namespace
}  // namespace isoflop::laws
