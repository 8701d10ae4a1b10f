#include "train/run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "checkpoint/together.hpp"
#include "core/error.hpp"
#include "core/stop_signal.hpp"
#include "model/cost.hpp"
#include "train/checkpointing.hpp"
#include "train/evaluations.hpp"
#include "train/layout.hpp"
#include "train/memory.hpp"
#include "train/progress.hpp"
#include "train/ranks.hpp"
#include "train/run_book.hpp"
#include "train/run_facts.hpp"
#include "train/snapshot.hpp"
#include "train/source.hpp"
#include "train/step_time.hpp"

namespace isoflop::train {
namespace {

using profile::Region;
using profile::Scope;

// Everything of one run, put together once; run() drives it.
class Run {
 public:
  Run(const RunOptions& options, config::RunConfig config, const data::TokenSource& source,
      comm::Communicator& communicator);

  RunEnd go();

 private:
  void start_or_resume();
  void open_book(const Resumption& own, double predicted);
  record::RunFacts facts(double predicted_seconds) const;
  double predict_seconds();
  RunEnd train();
  void after_step(const StepResult& result);
  bool evaluate_if_due();
  void tell_spike(const StepResult& result);
  void roll_back(const StepResult& result);
  void flush_book();
  RunEnd finish();
  RunEnd stopped();
  void tell_stall();
  void record_failure(const std::string& reason);
  std::int64_t tokens_done() const { return trainer_->step_count() * config_.tokens_per_step(); }
  bool is_root() const { return communicator_.is_root(); }

  const RunOptions& options_;
  config::RunConfig config_;
  const data::TokenSource& source_;
  comm::Communicator& communicator_;
  StopSignal stop_;
  RunBook book_;
  Progress progress_;
  std::unique_ptr<Trainer> trainer_;
  std::optional<Checkpointing> checkpointing_;
  std::optional<Evaluations> evaluations_;
  LargestRank memory_;               // predicted
  bool goes_on_ = false;             // from a checkpoint of its own
  std::int64_t step_under_way_ = 0;  // or just done, while it is evaluated
};

std::filesystem::path directory_of(const RunOptions& options, const config::RunConfig& config) {
  return options.out.empty() ? std::filesystem::path("runs") / config::run_id(config) : options.out;
}

// Whether the file is there. On a network file system ranks may disagree for a while, and what
// follows is collective. Collective.
bool seen_by_root(const std::filesystem::path& path, comm::Communicator& communicator) {
  return communicator.maximum(communicator.is_root() && std::filesystem::exists(path) ? 1 : 0) != 0;
}

Run::Run(const RunOptions& options, config::RunConfig config, const data::TokenSource& source,
         comm::Communicator& communicator)
    : options_(options),
      config_(std::move(config)),
      source_(source),
      communicator_(communicator),
      book_(directory_of(options, config_), config_, communicator.is_root()),
      progress_(book_.path() / "log", !communicator.is_root()) {}

record::RunFacts Run::facts(double predicted_seconds) const {
  record::RunFacts facts = facts_of(config_, source_, communicator_.size());
  facts.label = options_.label.empty() ? facts.run : options_.label;
  facts.predicted_seconds = predicted_seconds;
  facts.predicted_memory_bytes = static_cast<std::int64_t>(memory_.bytes);
  return facts;
}

// Times one forward pass over a micro-batch on the slowest rank; forward and backward cost three of
// them and what is computed again, and what that rank waits for other stages comes on top.
double Run::predict_seconds() {
  const auto nanoseconds = static_cast<std::int64_t>(1e9 * trainer_->time_forward());
  const double forward = 1e-9 * static_cast<double>(communicator_.maximum(nanoseconds));
  const Layout layout = layout_of(config_, static_cast<std::size_t>(communicator_.size()),
                                  static_cast<std::size_t>(communicator_.rank()));
  const double steps = static_cast<double>(config_.steps - trainer_->step_count());
  const double again =
      3.0 * model::recomputed_flops_per_token(config_.model, config_.parallel.recompute) /
      model::flops_per_token_exact(config_.model);
  const StepTime step =
      predict_step(config_, static_cast<std::size_t>(communicator_.size()), kOnlyCompute);
  return steps * (3.0 + again) * forward * static_cast<double>(layout.shape.micro_batches) *
         step.total() / step.compute;
}

void Run::start_or_resume() {
  const Resumption own = resume_newest(book_.path(), config_, *trainer_, communicator_);
  for (const std::string& damage : own.damaged) progress_.say("warning: " + damage);
  if (!own.goes_on && !options_.branch_from.empty()) {
    branch_snapshot(options_.branch_from, config_, *trainer_, communicator_);
  }
  goes_on_ = own.goes_on;
  checkpointing_.emplace(book_.path(), config_, *trainer_, progress_, communicator_, own.goes_on);
  const double predicted = predict_seconds();
  progress_.say(fmt::format("time predicted: {:.0f} s", predicted));
  if (is_root()) open_book(own, predicted);
  evaluations_.emplace(config_, source_, *trainer_, book_.record(), progress_, stop_,
                       communicator_);
  // A spike may come before the first regular checkpoint.
  if (!own.goes_on && config_.guard.on_spike == config::OnSpike::rollback) checkpointing_->save();
}

void Run::open_book(const Resumption& own, double predicted) {
  const std::int64_t step = trainer_->step_count();
  if (!book_.open(facts(predicted), own, step, progress_)) return;
  if (const auto entropy = source_.entropy())
    book_.event({0, 0.0, "entropy", fmt::format("{} nats/token", *entropy)});
  if (options_.branch_from.empty()) return;
  const std::string from = options_.branch_from.string();
  book_.event({step, 0.0, "branched", "from " + from});
  progress_.say(fmt::format("branches off {} after step {}", from, step));
}

// Before a checkpoint: who goes on from it finds the rows up to it.
void Run::flush_book() {
  const Scope scope(trainer_->profile(), Region::record);
  book_.flush();
}

void Run::after_step(const StepResult& result) {
  {
    const Scope scope(trainer_->profile(), Region::record);
    book_.train({result.step, tokens_done(), result.loss, result.learning_rate,
                 result.gradient_norm, book_.seconds(),
                 static_cast<double>(tokens_done()) * model::flops_per_token_exact(config_.model)});
  }
  progress_.step(config_, result);
  checkpointing_->poll();
  if (is_regular(config_, result.step)) trainer_->guard().passed_checkpoint();
  if (!evaluate_if_due()) return;
  if (result.step == config_.steps || !checkpointing_->is_due(result.step)) return;
  flush_book();
  checkpointing_->save_beside();
}

// False if a signal cut it short. The one after the last step belongs to finish().
bool Run::evaluate_if_due() {
  if (trainer_->step_count() == config_.steps || !evaluations_->is_due()) return true;
  return evaluations_->loss().has_value();
}

void Run::tell_spike(const StepResult& result) {
  const Spike& spike = *result.spike;
  std::string kind = "spike trained on", done = "went on";
  if (config_.guard.on_spike == config::OnSpike::skip) {
    kind = "spike skipped";
    done = "skipped the update";
  } else if (config_.guard.on_spike == config::OnSpike::rollback) {
    kind = "spike rolled back";
    done = fmt::format("back to step {}", rollback_target(config_, result.step));
  }
  const std::string text = fmt::format(
      "{} {}, z-score {:.2f}{}; {}; sequences {} to {}", spike.quantity, spike.value, spike.z_score,
      spike.tensor.empty() ? "" : ", first non-finite tensor: " + spike.tensor, done,
      spike.sequence, spike.sequence + static_cast<std::uint64_t>(config_.train.global_batch) - 1);
  progress_.say(fmt::format("step {}: spike: {}", result.step, text));
  book_.event({result.step, book_.seconds(), kind, text});
}

void Run::roll_back(const StepResult& result) {
  const std::int64_t target = checkpointing_->roll_back(result.step);
  progress_.begin_anew();
  book_.go_back(target);
}

// The state comes first: who does not wait for the evaluation then loses that alone. The states
// before go last: this one may turn out to be no good.
RunEnd Run::finish() {
  flush_book();
  checkpointing_->save();
  const std::optional<double> loss = evaluations_->loss();
  if (!loss) return stopped();
  checkpointing_->prune();
  const LargestRank peak = largest_of(peak_resident_bytes(), communicator_);
  const int ranks = communicator_.size();
  progress_.say(fmt::format("finished: {:.1f} s; peak memory {} (predicted {}{})", book_.seconds(),
                            peak.text(ranks), memory_.text(ranks),
                            copies_text(config_, ranks, memory_)));
  tell_stall();
  book_.close({.status = "finished",
               .final_loss = *loss,
               .final_bits_per_byte = bits_per_byte(*loss, source_),
               .peak_memory_bytes = static_cast<std::int64_t>(peak.bytes)},
              trainer_->profile());
  book_.mark_finished(trainer_->step_count(), *loss);
  return RunEnd::finished;
}

void Run::tell_stall() {
  progress_.say(
      fmt::format("training stood still {:.3f} s for checkpoints", checkpointing_->seconds()));
}

// The state is saved.
RunEnd Run::stopped() {
  checkpointing_->prune();
  progress_.say(fmt::format("stopped by signal {} after step {}; the same command goes on",
                            communicator_.maximum(stop_.received()), trainer_->step_count()));
  tell_stall();
  book_.close({.status = "stopped"}, trainer_->profile());
  return RunEnd::stopped;
}

// Who goes on from a checkpoint makes the evaluation that a signal cut short before it.
RunEnd Run::train() {
  step_under_way_ = trainer_->step_count();
  if (goes_on_ && !evaluate_if_due()) return stopped();
  while (trainer_->step_count() < config_.steps) {
    step_under_way_ = trainer_->step_count() + 1;
    const StepResult result = trainer_->step();
    if (result.spike) tell_spike(result);
    if (result.spike && config_.guard.on_spike == config::OnSpike::rollback) {
      roll_back(result);
    } else {
      after_step(result);
    }
    const bool signalled = communicator_.maximum(stop_.received()) != 0;
    if (!signalled || trainer_->step_count() == config_.steps) continue;
    flush_book();
    checkpointing_->save();
    return stopped();
  }
  return finish();
}

// What goes wrong on the way must not hide why the run failed.
void Run::record_failure(const std::string& reason) {
  progress_.say("failed: " + reason);
  progress_.or_warn("the checkpoint under way is lost", [&] {
    if (checkpointing_) checkpointing_->finish();
  });
  book_.fail(step_under_way_, reason, trainer_->profile(), progress_);
}

RunEnd Run::go() {
  if (seen_by_root(book_.path() / "finished", communicator_)) {  // asked anew, under the lock
    checkpoint::together(communicator_, [&] {
      if (is_root()) require_record(book_.path(), config::run_id(config_));
    });
    progress_.say(fmt::format("run {} in {} is finished already", config::run_id(config_),
                              book_.path().string()));
    return RunEnd::was_finished;
  }
  progress_.say(fmt::format("run {} in {}", config::run_id(config_), book_.path().string()));
  memory_ = largest_of(process_bytes(config_, static_cast<std::size_t>(communicator_.size()),
                                     static_cast<std::size_t>(communicator_.rank())),
                       communicator_);
  for (const std::string& line : describe_run(config_, source_, communicator_.size(), memory_))
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
  config::RunConfig config = options.config;
  const auto source = open_source(config);
  config::resolve(config, static_cast<std::size_t>(source->vocabulary()), source->fingerprint());
  check_ranks(config, communicator.size());
  check_agreement(config, options.branch_from.string(), communicator);
  require(
      options.branch_from.empty() || config.guard.on_spike != config::OnSpike::rollback,
      "guard.on_spike: seen \"rollback\" in a run that starts from a checkpoint of another, and "
      "has none of its own to go back to; needed \"skip\" or \"nothing\"");
  const std::filesystem::path directory = directory_of(options, config);
  const bool goes_on = latest_snapshot(directory, communicator).has_value();
  if (!seen_by_root(directory / "finished", communicator)) {  // a refusal leaves no trace
    check_memory(config, options.file.string(), communicator);
    if (!goes_on && !options.branch_from.empty())
      checkpoint::together(communicator, [&] { check_branch(options.branch_from, config); });
  }
  return Run(options, std::move(config), *source, communicator).go();
}

}  // namespace isoflop::train
