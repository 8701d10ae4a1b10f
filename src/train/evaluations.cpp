#include "train/evaluations.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <numbers>

#include "train/snapshot.hpp"

namespace isoflop::train {

using profile::Region;

double bits_per_byte(double loss, const data::TokenSource& source) {
  return loss / (std::numbers::ln2 * source.validation_bytes_per_token());
}

Evaluations::Evaluations(const config::RunConfig& config, const data::TokenSource& source,
                         Trainer& trainer, record::RunRecord* record, Progress& progress,
                         const StopSignal& stop, comm::Communicator& communicator)
    : config_(config),
      source_(source),
      trainer_(trainer),
      record_(record),
      progress_(progress),
      stop_(stop),
      communicator_(communicator) {}

bool Evaluations::is_due() const {
  const std::int64_t step = trainer_.step_count();
  if (step == 0) return false;
  const std::int64_t tokens = step * config_.tokens_per_step();
  return crosses(config_, config_.evaluate.every_tokens, step) ||
         std::ranges::any_of(config_.evaluate.at_tokens, [&](std::int64_t at) {
           return tokens - config_.tokens_per_step() < at && at <= tokens;
         });
}

std::optional<double> Evaluations::loss() {
  if (const std::optional<double> before = recorded()) return before;
  const std::int64_t step = trainer_.step_count();
  if (record_ != nullptr) record_->flush();  // it may take long
  const std::optional<double> loss = make();
  if (!loss) {
    progress_.say(fmt::format("step {}: a signal cut the evaluation short", step));
    return loss;
  }
  const double bits = bits_per_byte(*loss, source_);
  if (record_ != nullptr) {
    record_->evaluation("validation", {step, step * config_.tokens_per_step(), *loss, bits});
    record_->flush();
  }
  progress_.say(fmt::format("step {}: validation loss {:.4f} nats/token, {:.4f} bits/byte", step,
                            *loss, bits));
  return loss;
}

std::optional<double> Evaluations::recorded() {
  std::optional<record::EvalRow> last;
  if (record_ != nullptr) last = record_->last_evaluation("validation");
  if (last && last->step != trainer_.step_count()) last.reset();
  if (communicator_.maximum(last ? 1 : 0) == 0) return std::nullopt;
  double loss = last ? last->loss : 0.0;
  communicator_.broadcast(std::span(&loss, 1), 0);
  return loss;
}

// What the passes of an evaluation count is the region `evaluate` alone.
std::optional<double> Evaluations::make() {
  using Clock = std::chrono::steady_clock;
  const profile::Profile before = trainer_.profile();
  const auto begin = Clock::now();
  const std::optional<double> loss = trainer_.evaluate([this] { return stop_.received() != 0; });
  profile::Counter evaluation = before[Region::evaluate];
  evaluation.seconds += std::chrono::duration<double>(Clock::now() - begin).count();
  evaluation.calls += 1;
  evaluation.flops += trainer_.profile().flops() - before.flops();
  trainer_.profile() = before;
  trainer_.profile()[Region::evaluate] = evaluation;
  return loss;
}

}  // namespace isoflop::train
