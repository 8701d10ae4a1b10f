#include "train/snapshot.hpp"

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/damaged.hpp"
#include "checkpoint/directory.hpp"
#include "checkpoint/load.hpp"
#include "core/error.hpp"

namespace isoflop::train {
namespace {

checkpoint::State state_of(const Trainer& trainer, const std::vector<OwnedState>& values) {
  checkpoint::State state;
  for (const model::Parameter& parameter : trainer.table().parameters()) {
    state.tensors.push_back({parameter.name, parameter.shape, parameter.whole_offset});
  }
  for (const OwnedState& mine : values) {
    const auto [begin, end] = mine.elements;
    state.slices.push_back({"parameters", begin, end, mine.parameters});
    state.slices.push_back({"first_moment", begin, end, mine.first_moment});
    state.slices.push_back({"second_moment", begin, end, mine.second_moment});
  }
  return state;
}

checkpoint::State state_of(Trainer& trainer) { return state_of(trainer, trainer.owned_state()); }

// Tokens up to which a run of this configuration is the same run whatever its length.
std::int64_t stable_tokens(const config::RunConfig& config) {
  return optim::stable_tokens(config.schedule, config.tokens());
}

void check_branch(const hdf5::Attributes& scalars, const std::filesystem::path& checkpoint,
                  const config::RunConfig& config) {
  const auto trunk = hdf5::get<std::string>(scalars, "trunk", checkpoint.string());
  require(trunk == config::trunk_id(config),
          "{}: is of trunk {}, this run has trunk {}: they differ in more than tokens and decay",
          checkpoint.string(), trunk, config::trunk_id(config));
  const auto tokens = hdf5::get<std::int64_t>(scalars, "tokens", checkpoint.string());
  const auto trunk_stable = hdf5::get<std::int64_t>(scalars, "stable_tokens", checkpoint.string());
  const std::int64_t limit = std::min(trunk_stable, stable_tokens(config));
  require(tokens <= limit,
          "{}: was taken after {} tokens, needed at most {}, where the first of the two runs "
          "begins to decay",
          checkpoint.string(), tokens, limit);
}

std::vector<std::int64_t> steps_on_root(const std::filesystem::path& run_directory,
                                        comm::Communicator& communicator) {
  std::vector<std::int64_t> steps;
  if (communicator.is_root()) steps = checkpoint::complete_steps(run_directory);
  std::size_t count = steps.size();
  communicator.broadcast(std::span(&count, 1), 0);
  steps.resize(count);
  communicator.broadcast(std::span(steps), 0);
  return steps;
}

}  // namespace

std::unique_ptr<checkpoint::Saving> begin_snapshot(const std::filesystem::path& run_directory,
                                                   const config::RunConfig& config,
                                                   const Trainer& trainer,
                                                   const std::vector<OwnedState>& values,
                                                   comm::Communicator& communicator) {
  const std::int64_t step = trainer.step_count();
  hdf5::Attributes scalars = {{"run", config::run_id(config)},
                              {"trunk", config::trunk_id(config)},
                              {"step", step},
                              {"tokens", step * config.tokens_per_step()},
                              {"stable_tokens", stable_tokens(config)},
                              {"config", config::to_toml(config)}};
  for (const auto& scalar : trainer.guard().state()) scalars.push_back(scalar);
  return std::make_unique<checkpoint::Saving>(checkpoint::step_directory(run_directory, step),
                                              communicator, state_of(trainer, values), scalars);
}

void save_snapshot(const std::filesystem::path& run_directory, const config::RunConfig& config,
                   Trainer& trainer, comm::Communicator& communicator) {
  begin_snapshot(run_directory, config, trainer, trainer.saved_state(), communicator)->publish();
}

bool crosses(const config::RunConfig& config, std::int64_t every, std::int64_t step) {
  const std::int64_t tokens = step * config.tokens_per_step();
  return every > 0 && (tokens - config.tokens_per_step()) / every != tokens / every;
}

bool is_regular(const config::RunConfig& config, std::int64_t step) {
  const std::int64_t every = config.checkpoint.every_tokens;
  return every > 0 && (step == 0 || crosses(config, every, step));
}

std::int64_t rollback_target(const config::RunConfig& config, std::int64_t step) {
  std::int64_t target = step - 1;
  while (!is_regular(config, target)) --target;
  return target;
}

void prune_snapshots(const std::filesystem::path& run_directory, const config::RunConfig& config) {
  const config::CheckpointConfig& rule = config.checkpoint;
  std::int64_t needed = -1;  // what a spike would go back to
  for (const std::int64_t saved : checkpoint::complete_steps(run_directory))
    if (config.guard.on_spike == config::OnSpike::rollback && is_regular(config, saved))
      needed = saved;
  checkpoint::prune(run_directory, static_cast<std::size_t>(rule.keep), [&](std::int64_t saved) {
    if (saved == needed) return true;
    const std::int64_t tokens = saved * config.tokens_per_step();
    return crosses(config, rule.keep_every_tokens, saved) ||
           std::ranges::find(rule.at_tokens, tokens) != rule.at_tokens.end();
  });
}

std::optional<std::filesystem::path> latest_snapshot(const std::filesystem::path& run_directory,
                                                     comm::Communicator& communicator) {
  const std::vector<std::int64_t> steps = steps_on_root(run_directory, communicator);
  if (steps.empty()) return std::nullopt;
  return checkpoint::step_directory(run_directory, steps.back());
}

void resume_snapshot(const std::filesystem::path& checkpoint, const config::RunConfig& config,
                     Trainer& trainer, comm::Communicator& communicator) {
  const hdf5::Attributes scalars = checkpoint::load(checkpoint, communicator, state_of(trainer));
  const auto run = hdf5::get<std::string>(scalars, "run", checkpoint.string());
  require(run == config::run_id(config), "{}: is of run {}, needed run {}", checkpoint.string(),
          run, config::run_id(config));
  trainer.guard().restore(scalars, checkpoint.string());
  trainer.restore(hdf5::get<std::int64_t>(scalars, "step", checkpoint.string()));
}

Resumption resume_newest(const std::filesystem::path& run_directory,
                         const config::RunConfig& config, Trainer& trainer,
                         comm::Communicator& communicator) {
  Resumption resumption;
  std::vector<std::int64_t> steps = steps_on_root(run_directory, communicator), damaged;
  for (; !steps.empty() && !resumption.goes_on; steps.pop_back()) {
    try {
      const auto directory = checkpoint::step_directory(run_directory, steps.back());
      resume_snapshot(directory, config, trainer, communicator);
      resumption.goes_on = true;
    } catch (const checkpoint::Damaged& error) {
      damaged.push_back(steps.back());
      resumption.damaged.emplace_back(error.what());
    }
  }
  require(resumption.goes_on || damaged.empty(),
          "{}; there is no good one: remove {} and the same command trains from the beginning",
          damaged.empty() ? "" : resumption.damaged.front(), run_directory.string());
  if (communicator.is_root())
    for (const std::int64_t step : damaged) checkpoint::set_aside(run_directory, step);
  return resumption;
}

void branch_snapshot(const std::filesystem::path& checkpoint, const config::RunConfig& config,
                     Trainer& trainer, comm::Communicator& communicator) {
  const hdf5::Attributes scalars = checkpoint::load(checkpoint, communicator, state_of(trainer));
  check_branch(scalars, checkpoint, config);
  trainer.guard().restore(scalars, checkpoint.string());
  trainer.restore(hdf5::get<std::int64_t>(scalars, "step", checkpoint.string()));
}

void check_branch(const std::filesystem::path& checkpoint, const config::RunConfig& config) {
  check_branch(checkpoint::read_contents(checkpoint).scalars, checkpoint, config);
}

}  // namespace isoflop::train
