#include "train/run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <numbers>
#include <optional>

#include "checkpoint/directory.hpp"
#include "core/error.hpp"
#include "model/cost.hpp"
#include "record/run_record.hpp"
#include "train/background_save.hpp"
#include "train/layout.hpp"
#include "train/memory.hpp"
#include "train/progress.hpp"
#include "train/ranks.hpp"
#include "train/run_directory.hpp"
#include "train/run_facts.hpp"
#include "train/snapshot.hpp"
#include "train/source.hpp"
#include "train/stop_signal.hpp"

namespace isoflop::train {
namespace {

using Clock = std::chrono::steady_clock;
using profile::Region;
using profile::Scope;

double bits_per_byte(double loss, const data::TokenSource& source) {
  return loss / (std::numbers::ln2 * source.validation_bytes_per_token());
}

bool crosses(std::int64_t every, std::int64_t before, std::int64_t after) {
  return every > 0 && before / every != after / every;
}

// Everything of one run, put together once; run() drives it.
class Run {
 public:
  Run(const RunOptions& options, config::RunConfig config, const data::TokenSource& source,
      comm::Communicator& communicator);

  RunEnd go();

 private:
  void start_or_resume();
  void open_record(const Resumption& own, double predicted);
  record::RunFacts facts(double predicted_seconds) const;
  double predict_seconds();
  RunEnd train();
  void after_step(const StepResult& result);
  void tell_spike(const StepResult& result);
  void roll_back(const StepResult& result);
  double evaluate();
  double evaluate_and_record();
  double final_loss();
  void save();
  void save_beside();
  void poll_saving();
  void finish_saving();
  void prune();
  void finish();
  void record_failure(const std::string& reason);
  std::vector<record::ProfileRow> profile_rows() const;
  double seconds() const {
    return previous_seconds_ + std::chrono::duration<double>(Clock::now() - begin_).count();
  }
  std::int64_t tokens_done() const { return trainer_->step_count() * config_.tokens_per_step(); }
  bool is_root() const { return communicator_.is_root(); }

  const RunOptions& options_;
  config::RunConfig config_;
  const data::TokenSource& source_;
  comm::Communicator& communicator_;
  std::unique_ptr<RunDirectory> directory_;  // root only
  std::filesystem::path path_;
  Progress progress_;
  std::unique_ptr<Trainer> trainer_;
  std::optional<record::RunRecord> record_;     // root only
  std::unique_ptr<BackgroundSave> background_;  // empty: training waits for every checkpoint
  Clock::time_point begin_ = Clock::now();
  double previous_seconds_ = 0.0;
  std::int64_t step_under_way_ = 0;  // or just done, while it is evaluated
};

std::filesystem::path directory_of(const RunOptions& options, const config::RunConfig& config) {
  return options.out.empty() ? std::filesystem::path("runs") / config::run_id(config) : options.out;
}

// The root alone takes the directory.
std::unique_ptr<RunDirectory> open_directory(const std::filesystem::path& path,
                                             const config::RunConfig& config,
                                             const comm::Communicator& communicator) {
  if (!communicator.is_root()) return nullptr;
  return std::make_unique<RunDirectory>(path, config::run_id(config), config::run_file(config));
}

Run::Run(const RunOptions& options, config::RunConfig config, const data::TokenSource& source,
         comm::Communicator& communicator)
    : options_(options),
      config_(std::move(config)),
      source_(source),
      communicator_(communicator),
      directory_(open_directory(directory_of(options, config_), config_, communicator)),
      path_(directory_of(options, config_)),
      progress_(path_ / "log", !communicator.is_root()) {}

record::RunFacts Run::facts(double predicted_seconds) const {
  record::RunFacts facts = facts_of(config_, source_, communicator_.size());
  facts.label = options_.label.empty() ? facts.run : options_.label;
  facts.predicted_seconds = predicted_seconds;
  return facts;
}

// Times one forward pass over a micro-batch on the slowest rank; forward and backward cost three of
// them and what is computed again, and the pipeline's bubble comes on top.
double Run::predict_seconds() {
  const auto nanoseconds = static_cast<std::int64_t>(1e9 * trainer_->time_forward());
  const double forward = 1e-9 * static_cast<double>(communicator_.maximum(nanoseconds));
  const Layout layout = layout_of(config_, static_cast<std::size_t>(communicator_.size()),
                                  static_cast<std::size_t>(communicator_.rank()));
  const double steps = static_cast<double>(config_.steps - trainer_->step_count());
  const double again =
      3.0 * model::recomputed_flops_per_token(config_.model, config_.parallel.recompute) /
      model::flops_per_token_exact(config_.model);
  return steps * (3.0 + again) * forward * static_cast<double>(layout.shape.micro_batches) /
         (1.0 - parallel::bubble_formula(layout.shape, {}));
}

void Run::start_or_resume() {
  const Resumption own = resume_newest(path_, config_, *trainer_, communicator_);
  for (const std::string& damage : own.damaged) progress_.say("warning: " + damage);
  if (!own.goes_on && !options_.branch_from.empty()) {
    branch_snapshot(options_.branch_from, config_, *trainer_, communicator_);
  }
  if (config::writes_beside(config_.checkpoint))
    background_ = std::make_unique<BackgroundSave>(path_, config_, *trainer_, communicator_);
  const double predicted = predict_seconds();
  progress_.say(fmt::format("time predicted: {:.0f} s", predicted));
  if (is_root()) open_record(own, predicted);
  // A spike may come before the first regular checkpoint.
  if (!own.goes_on && config_.guard.on_spike == config::OnSpike::rollback) save();
}

void Run::open_record(const Resumption& own, double predicted) {
  directory_->begin();  // from here on nothing is refused
  if (own.goes_on) {
    if (!std::filesystem::exists(directory_->record()))
      progress_.say("warning: run.h5 is missing; a new one begins here");
    record_ =
        record::RunRecord::resume(directory_->record(), facts(predicted), trainer_->step_count());
    previous_seconds_ = record_->previous_seconds();
    for (const std::string& damage : own.damaged)
      record_->event({trainer_->step_count(), previous_seconds_, "damaged", damage});
    progress_.say(fmt::format("goes on after step {}", trainer_->step_count()));
  } else {
    record_ = record::RunRecord::create(directory_->record(), facts(predicted));
    if (const auto entropy = source_.entropy())
      record_->event({0, 0.0, "entropy", fmt::format("{} nats/token", *entropy)});
    if (options_.branch_from.empty()) return;
    record_->event(
        {trainer_->step_count(), 0.0, "branched", "from " + options_.branch_from.string()});
    progress_.say(fmt::format("branches off {} after step {}", options_.branch_from.string(),
                              trainer_->step_count()));
  }
}

// Regions do not nest: what the passes of an evaluation count is the region `evaluate` alone.
double Run::evaluate() {
  const profile::Profile before = trainer_->profile();
  const auto begin = Clock::now();
  const double loss = trainer_->evaluate();
  profile::Counter evaluation = before[Region::evaluate];
  evaluation.seconds += std::chrono::duration<double>(Clock::now() - begin).count();
  evaluation.calls += 1;
  evaluation.flops += trainer_->profile().flops() - before.flops();
  trainer_->profile() = before;
  trainer_->profile()[Region::evaluate] = evaluation;
  return loss;
}

double Run::evaluate_and_record() {
  if (is_root()) record_->flush();  // it may take long
  const double loss = evaluate();
  if (!std::isfinite(loss)) {
    throw CheckFailed(fmt::format("step {}: validation loss {}, first non-finite tensor: loss",
                                  trainer_->step_count(), loss));
  }
  if (is_root()) {
    record_->evaluation(
        "validation", {trainer_->step_count(), tokens_done(), loss, bits_per_byte(loss, source_)});
    record_->flush();
  }
  progress_.say(fmt::format("step {}: validation loss {:.4f} nats/token, {:.4f} bits/byte",
                            trainer_->step_count(), loss, bits_per_byte(loss, source_)));
  return loss;
}

// After a kill between the last checkpoint and the mark `finished` the evaluation is there already.
// On the root alone.
double Run::final_loss() {
  std::optional<record::EvalRow> recorded;
  if (is_root()) recorded = record_->last_evaluation("validation");
  const bool done = recorded && recorded->step == trainer_->step_count();
  if (communicator_.maximum(done ? 1 : 0) == 0) return evaluate_and_record();
  return recorded ? recorded->loss : 0.0;
}

void Run::save() {
  finish_saving();
  const Scope scope(trainer_->profile(), Region::checkpoint);
  if (is_root()) record_->flush();
  save_snapshot(path_, config_, *trainer_, communicator_);
  prune();
}

void Run::save_beside() {
  if (!background_) return save();
  const Scope scope(trainer_->profile(), Region::checkpoint);
  if (is_root()) record_->flush();
  background_->start();
}

void Run::poll_saving() {
  if (!background_) return;
  const Scope scope(trainer_->profile(), Region::checkpoint);
  if (background_->poll()) prune();
}

void Run::finish_saving() {
  const Scope scope(trainer_->profile(), Region::checkpoint);
  if (background_ && background_->finish()) prune();
}

void Run::prune() {
  if (!is_root()) return;
  try {
    prune_snapshots(path_, config_);
  } catch (const std::exception& error) {  // the state is safe; room may be missing later
    progress_.say(fmt::format("warning: an old checkpoint cannot be removed: {}", error.what()));
  }
}

void Run::after_step(const StepResult& result) {
  if (is_root()) {
    const Scope scope(trainer_->profile(), Region::record);
    record_->train(
        {result.step, tokens_done(), result.loss, result.learning_rate, result.gradient_norm,
         seconds(),
         static_cast<double>(tokens_done()) * model::flops_per_token_exact(config_.model)});
  }
  progress_.step(config_, result);
  poll_saving();
  const std::int64_t before = tokens_done() - config_.tokens_per_step();
  const bool last = result.step == config_.steps;
  if (is_regular(config_, result.step)) trainer_->guard().passed_checkpoint();
  if (!last && crosses(config_.evaluate.every_tokens, before, tokens_done())) evaluate_and_record();
  const auto& at = config_.checkpoint.at_tokens;
  const bool branch_point = std::find(at.begin(), at.end(), tokens_done()) != at.end();
  if (!last && (branch_point || is_regular(config_, result.step))) save_beside();
}

void Run::tell_spike(const StepResult& result) {
  const Spike& spike = *result.spike;
  const bool skip = config_.guard.on_spike == config::OnSpike::skip;
  const std::string text = fmt::format(
      "{} {}, z-score {:.2f}{}; {}; sequences {} to {}", spike.quantity, spike.value, spike.z_score,
      spike.tensor.empty() ? "" : ", first non-finite tensor: " + spike.tensor,
      skip ? std::string("skipped the update")
           : fmt::format("back to step {}", rollback_target(config_, result.step)),
      spike.sequence, spike.sequence + static_cast<std::uint64_t>(config_.train.global_batch) - 1);
  progress_.say(fmt::format("step {}: spike: {}", result.step, text));
  if (!is_root()) return;
  record_->event({result.step, seconds(), skip ? "spike skipped" : "spike rolled back", text});
}

void Run::roll_back(const StepResult& result) {
  finish_saving();
  const std::int64_t target = rollback_target(config_, result.step);
  const SpikeGuard at_spike = trainer_->guard();
  resume_snapshot(checkpoint::step_directory(path_, target), config_, *trainer_, communicator_);
  trainer_->guard().rolled_back(at_spike, result.step, target);
  progress_.begin_anew();
  if (!is_root()) return;
  checkpoint::prune(path_, 0, [&](std::int64_t step) { return step <= target; });
  record_->go_back(target);
}

void Run::finish() {
  const double loss = final_loss();
  save();
  const std::size_t predicted =
      process_bytes(config_, static_cast<std::size_t>(communicator_.size()), 0);
  progress_.say(fmt::format("finished: {:.1f} s; peak memory {} (predicted {})", seconds(),
                            mebibytes(peak_resident_bytes()), mebibytes(predicted)));
  const profile::Counter& saving =
      trainer_->profile().counters()[static_cast<std::size_t>(Region::checkpoint)];
  progress_.say(fmt::format("training stood still {:.3f} s for checkpoints", saving.seconds));
  if (!is_root()) return;
  record_->finish({.status = "finished",
                   .final_loss = loss,
                   .final_bits_per_byte = bits_per_byte(loss, source_),
                   .peak_memory_bytes = static_cast<std::int64_t>(peak_resident_bytes()),
                   .wall_seconds = seconds()},
                  profile_rows());
  directory_->mark_finished(trainer_->step_count(), loss);
}

RunEnd Run::train() {
  const StopSignal stop;
  step_under_way_ = trainer_->step_count();
  while (trainer_->step_count() < config_.steps) {
    step_under_way_ = trainer_->step_count() + 1;
    const StepResult result = trainer_->step();
    if (result.spike) tell_spike(result);
    if (result.spike && config_.guard.on_spike == config::OnSpike::rollback) {
      roll_back(result);
    } else {
      after_step(result);
    }
    const std::int64_t signal = communicator_.maximum(stop.received());
    if (signal == 0 || trainer_->step_count() == config_.steps) continue;
    save();
    progress_.say(fmt::format("stopped by signal {} after step {}; the same command goes on",
                              signal, trainer_->step_count()));
    if (is_root())
      record_->finish({.status = "stopped", .wall_seconds = seconds()}, profile_rows());
    return RunEnd::stopped;
  }
  finish();
  return RunEnd::finished;
}

void Run::record_failure(const std::string& reason) {
  progress_.say("failed: " + reason);
  finish_saving();
  if (!is_root()) return;
  if (record_) {
    record_->event({step_under_way_, seconds(), "failed", reason});
    record_->finish({.status = "failed", .wall_seconds = seconds()}, profile_rows());
  }
  directory_->mark_failed(step_under_way_, reason);
}

std::vector<record::ProfileRow> Run::profile_rows() const {
  std::vector<record::ProfileRow> rows;
  const auto& counters = trainer_->profile().counters();
  for (std::size_t i = 0; i < counters.size(); ++i) {
    rows.push_back(
        {profile::kRegionNames[i], counters[i].seconds, counters[i].calls, counters[i].flops, 0.0});
  }
  return rows;
}

RunEnd Run::go() {
  const bool finished = communicator_.maximum(is_root() && directory_->is_finished() ? 1 : 0) != 0;
  if (finished) {
    require(std::filesystem::exists(path_ / "run.h5"),
            "{}: is missing, though the run is finished; remove {} and the same command trains it "
            "again",
            (path_ / "run.h5").string(), path_.string());
    progress_.say(
        fmt::format("run {} in {} is finished already", config::run_id(config_), path_.string()));
    return RunEnd::was_finished;
  }
  progress_.say(fmt::format("run {} in {}", config::run_id(config_), path_.string()));
  for (const std::string& line : describe_run(config_, source_, communicator_.size()))
    progress_.say(line);
  trainer_ = make_trainer(config_, source_, communicator_);
  try {
    start_or_resume();
    return train();
  } catch (const CheckFailed& error) {
    record_failure(error.what());
    communicator_.barrier();  // no rank ends the others before the root has written the mark
    throw;
  }
}

}  // namespace

RunEnd run(const RunOptions& options, comm::Communicator& communicator) {
  config::RunConfig config = config::read_run_config(options.config.string(), options.sets);
  const auto source = open_source(config);
  config::resolve(config, static_cast<std::size_t>(source->vocabulary()), source->fingerprint());
  check_ranks(config, communicator.size());
  require(
      options.branch_from.empty() || config.guard.on_spike != config::OnSpike::rollback,
      "guard.on_spike: seen \"rollback\" in a run that starts from a checkpoint of another, and "
      "has none of its own to go back to; needed \"skip\" or \"nothing\"");
  const std::filesystem::path directory = directory_of(options, config);
  const bool goes_on = latest_snapshot(directory, communicator).has_value();
  if (!std::filesystem::exists(directory / "finished")) {  // what cannot be trained leaves no trace
    check_memory(config, options.config.string(), communicator);
    if (!goes_on && !options.branch_from.empty()) check_branch(options.branch_from, config);
  }
  return Run(options, std::move(config), *source, communicator).go();
}

}  // namespace isoflop::train
