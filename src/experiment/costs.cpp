#include "experiment/costs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/atomic_file.hpp"
#include "core/processor.hpp"
#include "core/version.hpp"
#include "model/cost.hpp"

namespace isoflop::experiment {
namespace {

constexpr double kEvaluationShare = 1.0 / 3.0;  // of the cost of training on a token

double seconds_at(const PlannedRun& run, double tokens_per_second) {
  const config::EvaluateConfig& evaluate = run.config.evaluate;
  const double regular = evaluate.every_tokens == 0
                             ? 0.0
                             : static_cast<double>(run.own_tokens() / evaluate.every_tokens);
  const std::int64_t tokens = run.config.tokens(), before = tokens - run.own_tokens();
  const auto single = static_cast<double>(std::ranges::count_if(
      evaluate.at_tokens, [&](std::int64_t at) { return before < at && at < tokens; }));
  const double evaluations = 1.0 + regular + single;
  return (static_cast<double>(run.own_tokens()) +
          kEvaluationShare * evaluations * static_cast<double>(run.validation_tokens)) /
         tokens_per_second;
}

// Seconds after its trunk's start at which a branch may start.
double release_seconds(const Plan& plan, const PlannedRun& branch,
                       const std::vector<double>& remaining) {
  const PlannedRun& trunk = plan.runs[*branch.trunk];
  const double share =
      static_cast<double>(branch.first_step) / static_cast<double>(trunk.config.steps);
  const double left = remaining[*branch.trunk];
  return std::max(0.0, left - (1.0 - share) * trunk.seconds);
}

}  // namespace

std::string rate_key(const config::RunConfig& c) {
  static const std::string processor = processor_name();
  const model::ModelConfig& m = c.model;
  return fmt::format("l{} d{} H{} K{} F{} T{} V{} {} {} {} {} B{} {} threads {} on {}", m.layers,
                     m.width, m.heads, m.kv_heads, m.feed_forward, m.context, m.vocabulary,
                     static_cast<int>(m.norm), static_cast<int>(m.activation),
                     static_cast<int>(m.position), m.tied, c.train.micro_batch,
                     config::name_of(c.train.precision), c.train.threads, processor);
}

Rates::Rates(std::filesystem::path file) : file_(std::move(file)) {
  if (!std::filesystem::exists(file_)) return;
  const auto json = nlohmann::json::parse(read_file(file_), nullptr, false);
  if (json.is_discarded() || !json.contains("tokens_per_second")) return;
  for (const auto& [key, rate] : json["tokens_per_second"].items()) {
    if (rate.is_number() && rate.get<double>() > 0) rates_[key] = rate;
  }
}

std::optional<double> Rates::find(const config::RunConfig& config) const {
  const auto found = rates_.find(rate_key(config));
  return found == rates_.end() ? std::nullopt : std::optional(found->second);
}

void Rates::add(const config::RunConfig& config, double tokens_per_second) {
  rates_[rate_key(config)] = tokens_per_second;
  const nlohmann::json json{{"isoflop", {{"version", version()}, {"commit", commit()}}},
                            {"tokens_per_second", rates_}};
  std::filesystem::create_directories(file_.parent_path());
  write_file_atomically(file_, json.dump(1) + "\n");
}

void predict_seconds(Plan& plan, Rates& rates,
                     const std::function<std::optional<double>(const PlannedRun&)>& measure) {
  bool assumed = false;
  for (PlannedRun& run : plan.runs) {
    std::optional<double> rate = rates.find(run.config);
    if (!rate && !assumed) {
      rate = measure(run);
      if (rate) rates.add(run.config, *rate);
    }
    if (!rate) {
      assumed = true;
      rate = kAssumedFlops / model::flops_per_token_exact(run.config.model);
    }
    run.seconds = seconds_at(run, *rate);
  }
  if (assumed) {
    plan.notes.push_back(
        fmt::format("seconds assume {:g} FLOP/s (exact count) a core where no rate was measured",
                    kAssumedFlops));
  }
}

std::vector<double> critical_seconds(const Plan& plan) {
  std::vector<double> critical, whole;
  for (const PlannedRun& run : plan.runs) whole.push_back(run.seconds);
  critical = whole;
  for (const PlannedRun& run : plan.runs) {
    if (!run.trunk) continue;
    critical[*run.trunk] =
        std::max(critical[*run.trunk], release_seconds(plan, run, whole) + run.seconds);
  }
  return critical;
}

// Plays the sweep: whenever a process is free, the longest of the runs that may start starts.
double wall_seconds(const Plan& plan, std::vector<double> remaining, std::size_t jobs) {
  constexpr double kNever = std::numeric_limits<double>::infinity();
  const std::vector<double> critical = critical_seconds(plan);
  std::vector<double> release(plan.runs.size(), 0.0);
  for (std::size_t i = 0; i < plan.runs.size(); ++i) {
    if (plan.runs[i].trunk && remaining[*plan.runs[i].trunk] > 0) release[i] = kNever;
  }
  std::vector<double> free_at(jobs, 0.0);
  double end = 0;
  for (;;) {
    const auto process = std::ranges::min_element(free_at);
    double earliest = kNever;  // a run can start
    for (std::size_t i = 0; i < plan.runs.size(); ++i) {
      if (remaining[i] > 0) earliest = std::min(earliest, release[i]);
    }
    if (earliest == kNever) return end;
    const double now = std::max(*process, earliest);
    std::size_t next = plan.runs.size();
    for (std::size_t i = 0; i < plan.runs.size(); ++i) {
      if (remaining[i] <= 0 || release[i] > now) continue;
      if (next == plan.runs.size() || critical[i] > critical[next]) next = i;
    }
    for (std::size_t i = 0; i < plan.runs.size(); ++i) {
      if (plan.runs[i].trunk == next)
        release[i] = now + release_seconds(plan, plan.runs[i], remaining);
    }
    *process = now + remaining[next];
    end = std::max(end, *process);
    remaining[next] = 0;
  }
}

std::int64_t memory_at_once(const Plan& plan, const std::vector<bool>& counts, std::size_t jobs) {
  std::vector<std::int64_t> bytes;
  for (std::size_t i = 0; i < plan.runs.size(); ++i) {
    if (counts[i]) bytes.push_back(plan.runs[i].memory_bytes);
  }
  std::ranges::sort(bytes, std::greater<>());
  bytes.resize(std::min(jobs, bytes.size()));
  return std::accumulate(bytes.begin(), bytes.end(), std::int64_t{0});
}

}  // namespace isoflop::experiment
