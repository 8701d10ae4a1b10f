#include "train/bench.hpp"

#include <algorithm>
#include <chrono>

#include "kernels/api/machine_peak.hpp"
#include "model/cost.hpp"
#include "parallel/pipeline/timeline.hpp"
#include "train/layout.hpp"
#include "train/memory.hpp"
#include "train/ranks.hpp"
#include "train/run_facts.hpp"
#include "train/source.hpp"
#include "train/step_time.hpp"
#include "train/trainer.hpp"

namespace isoflop::train {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kWarmUpSteps = 2;

double since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

double peak_gflops(const config::RunConfig& config, int ranks) {
  const bool bf16 = config.train.precision == config::Precision::bf16;
  const double one =
      bf16 ? kernels::measured_bf16_peak_gflops() : kernels::measured_fp32_peak_gflops();
  return one * static_cast<double>(config.train.threads) * ranks;
}

// The step time of the slowest rank, in whole nanoseconds since ranks agree on integers.
double slowest(double seconds, comm::Communicator& communicator) {
  return 1e-9 * static_cast<double>(communicator.maximum(static_cast<std::int64_t>(1e9 * seconds)));
}

// The mean over all ranks.
double mean(double value, comm::Communicator& communicator) {
  std::vector<double> all(static_cast<std::size_t>(communicator.size()));
  communicator.all_gather<double>({&value, 1}, all);
  double total = 0.0;
  for (const double one : all) total += one;
  return total / static_cast<double>(all.size());
}

std::vector<RegionShare> shares_of(const profile::Profile& profile, double seconds) {
  std::vector<RegionShare> shares;
  double counted = 0.0;
  for (std::size_t i = 0; i < profile::kRegionNames.size(); ++i) {
    const profile::Counter& counter = profile.counters()[i];
    if (counter.calls == 0) continue;
    counted += counter.seconds;
    shares.push_back({profile::kRegionNames[i], counter.seconds / seconds,
                      1e-9 * counter.flops / counter.seconds});
  }
  shares.push_back({"other", 1.0 - counted / seconds, 0.0});
  return shares;
}

double played_bubble(Trainer& trainer, const Layout& layout, comm::Communicator& communicator) {
  if (layout.shape.ranks == 1) return 0.0;
  const std::vector<parallel::PassTimes> mine = trainer.take_pass_seconds();
  std::vector<parallel::PassTimes> all(static_cast<std::size_t>(communicator.size()) * mine.size());
  communicator.all_gather<parallel::PassTimes>(mine, all);
  parallel::StageTimes times{std::vector<parallel::PassTimes>(layout.shape.stages())};
  const auto ranks = layout.mesh.line(layout.rank, parallel::Axis::pipeline);
  for (std::size_t stage = 0; stage < times.stages.size(); ++stage)
    times.stages[stage] =
        all[ranks[stage % ranks.size()] * mine.size() + stage / layout.shape.ranks];
  return mean(parallel::simulate(parallel::make_schedule(layout.shape), times).bubble(),
              communicator);
}

}  // namespace

BenchResult bench(config::RunConfig config, std::int64_t steps, comm::Communicator& communicator) {
  const Clock::time_point begin = Clock::now();
  const auto source = open_source(config);
  config::resolve(config, static_cast<std::size_t>(source->vocabulary()), source->fingerprint());
  check_ranks(config, communicator.size());
  check_agreement(config, "", communicator);
  const auto trainer = make_trainer(config, *source, communicator);
  trainer->step();
  BenchResult result{};
  result.first_step_seconds = slowest(since(begin), communicator);
  for (int i = 1; i < kWarmUpSteps; ++i) trainer->step();
  trainer->profile().reset();
  trainer->take_pass_seconds();
  std::vector<double> seconds;
  for (std::int64_t i = 0; i < steps; ++i) {
    const Clock::time_point step_begin = Clock::now();
    trainer->step();
    seconds.push_back(slowest(since(step_begin), communicator));
  }
  double total = 0.0;
  for (const double s : seconds) total += s;
  std::nth_element(seconds.begin(), seconds.begin() + steps / 2, seconds.end());
  result.step_seconds = seconds[static_cast<std::size_t>(steps / 2)];
  result.tokens_per_second = static_cast<double>(config.tokens_per_step()) / result.step_seconds;
  result.gflops = 1e-9 * result.tokens_per_second * model::flops_per_token_exact(config.model);
  const double again = model::recomputed_flops_per_token(config.model, config.parallel.recompute);
  result.computed_gflops = result.gflops + 1e-9 * result.tokens_per_second * again;
  result.share_of_peak = result.gflops / peak_gflops(config, communicator.size());
  result.peak_rss_bytes = largest_of(peak_resident_bytes(), communicator).bytes;
  result.bubble = mean(trainer->profile()[profile::Region::pipeline].seconds, communicator) / total;
  const Layout layout = layout_of(config, communicator);
  result.bubble_played = played_bubble(*trainer, layout, communicator);
  result.bubble_formula =
      predict_step(config, static_cast<std::size_t>(communicator.size()), kOnlyCompute).bubble;
  result.bubble_equal = parallel::bubble_of_equal_stages(layout.shape);
  result.shares = shares_of(trainer->profile(), total);
  return result;
}

}  // namespace isoflop::train
