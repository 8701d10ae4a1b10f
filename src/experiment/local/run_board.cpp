#include "experiment/local/run_board.hpp"

#include <stdexcept>

#include "core/error.hpp"
#include "core/file_lock.hpp"
#include "experiment/costs.hpp"
#include "record/whole_run.hpp"

namespace isoflop::experiment {

using Clock = std::chrono::steady_clock;

RunBoard::RunBoard(const Plan& plan, const SweepDirectory& directory, bool retry_failed)
    : plan_(plan),
      directory_(directory),
      critical_(critical_seconds(plan)),
      runs_(plan.runs.size()) {
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    look_at(i);
    const RunState& state = runs_[i].state;
    if (state.state != State::failed || state.is_lost || !retry_failed) continue;
    try {
      forget_failure(path(i));
      look_at(i);
    } catch (const Locked&) {
      leave_to_others(i);
    } catch (const Error& error) {  // another's directory, say
      fail(i, error.what());
    }
  }
}

Tally RunBoard::tally() const {
  Tally tally;
  for (std::size_t i = 0; i < runs_.size(); ++i)
    tally.add(plan_.runs[i].role, runs_[i].state.state);
  return tally;
}

void RunBoard::start(std::size_t i) {
  runs_[i].ours = true;
  runs_[i].state.state = State::running;
}

void RunBoard::look_at(std::size_t i) {
  Run& run = runs_[i];
  run.ours = false;
  run.looked = Clock::now();
  run.state = state_of(path(i), plan_.runs[i].id);
}

void RunBoard::look_at_others(Clock::duration age) {
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    const Run& run = runs_[i];
    if (run.state.state == State::running && !run.ours && Clock::now() - run.looked > age)
      look_at(i);
  }
}

void RunBoard::leave_to_others(std::size_t i) { runs_[i].state.state = State::running; }

void RunBoard::fail(std::size_t i, const std::string& reason) {
  runs_[i].state = {State::failed, reason};
}

Checkpoint RunBoard::trunk_checkpoint(std::size_t i) const {
  const PlannedRun& run = plan_.runs[i];
  if (!run.trunk) return {};
  const std::string holder = record::claimant(path(*run.trunk));
  if (!holder.empty() && holder != plan_.runs[*run.trunk].id) return {};
  return latest_checkpoint(path(*run.trunk), run.first_step);
}

std::int64_t RunBoard::trunk_steps(std::size_t i) const try {
  return trunk_checkpoint(i).steps;
} catch (const std::runtime_error&) {  // it may not be read: the branch says so when it starts
  return 0;
}

std::int64_t RunBoard::saved_steps(std::size_t i) const try {
  return latest_checkpoint(path(i), plan_.runs[i].config.steps).steps;
} catch (const std::runtime_error&) {  // it may not be read: the run itself says so when it starts
  return 0;
}

bool RunBoard::is_settled(std::size_t i) const {
  const State state = runs_[i].state.state;
  return state == State::finished || state == State::failed;
}

bool RunBoard::is_needed(std::size_t i) const {
  if (plan_.runs[i].role != Role::trunk) return true;
  for (std::size_t b = 0; b < runs_.size(); ++b) {
    const PlannedRun& branch = plan_.runs[b];
    if (branch.trunk != i || is_settled(b) || runs_[b].ours) continue;
    if (saved_steps(b) > 0) continue;
    if (trunk_steps(b) < branch.first_step) return true;
  }
  return false;
}

bool RunBoard::is_blocked(std::size_t i) const {
  const PlannedRun& run = plan_.runs[i];
  if (!run.trunk || is_settled(i) || runs_[*run.trunk].state.state != State::failed) return false;
  return saved_steps(i) == 0 && trunk_steps(i) < run.first_step;
}

bool RunBoard::can_start(std::size_t i) const {
  const State state = runs_[i].state.state;
  if ((state != State::waiting && state != State::stopped) || runs_[i].retired) return false;
  if (!is_needed(i)) return false;
  const PlannedRun& run = plan_.runs[i];
  if (!run.trunk || saved_steps(i) > 0) return true;
  const bool ready = trunk_steps(i) == run.first_step;
  return ready || runs_[*run.trunk].state.state == State::finished;
}

bool RunBoard::is_anything_left() const {
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    if (can_start(i) || (runs_[i].state.state == State::running && is_needed(i))) return true;
  }
  return false;
}

std::optional<std::size_t> RunBoard::next() const {
  std::optional<std::size_t> next;
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    if (can_start(i) && (!next || critical_[i] > critical_[*next])) next = i;
  }
  return next;
}

}  // namespace isoflop::experiment
