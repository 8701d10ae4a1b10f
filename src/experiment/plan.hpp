// From a manifest to the list of runs: what each trains, what it is called, what it costs.
//
// Branch-and-decay. Runs of one size under the warm-up-stable-decay schedule are the same run, bit
// by bit, until the first of them starts to decay (config::trunk_id). So a grid with branch = true
// becomes one trunk a size and seed, which never decays, and a branch for each D, which starts from
// the trunk's checkpoint at its stable point and trains the decay alone. A branch's name and result
// are those of a plain run of D tokens. Only a trunk of several branches is worth its while. A run
// of a grid that is the trunk already (it never decays and is as long) serves as it and stays a
// fit.
//
// Rounding. D is a whole number of steps: at least the tokens that were asked for, or the nearest
// to a budget or a ratio. The decay of a wsd run is a whole number of steps too, the nearest to
// decay_fraction, so that its stable point lies between two steps.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "config/run_config.hpp"
#include "experiment/manifest.hpp"

namespace isoflop::experiment {

/// What the planner needs to know of the data that a run reads.
struct DataFacts {
  std::size_t vocabulary = 0;
  std::string fingerprint;
  std::int64_t validation_tokens = 0;
  std::function<std::int64_t(std::int64_t)> unique_tokens;  // distinct ones among the first D
};

/// What the planner asks of others: planning is arithmetic and opens no files.
struct Surroundings {
  std::function<DataFacts(const config::RunConfig&)> data;
  std::function<std::int64_t(const config::RunConfig&)> memory_bytes;  // of a run's process
};

/// What a run is for: a point of the fits, the start of others, or the test of the prediction.
enum class Role { fit, trunk, target };

const char* name_of(Role role);

struct PlannedRun {
  std::string id;     // config::run_id
  std::string label;  // "w128-l4-C1e12-s1"
  Role role = Role::fit;
  config::RunConfig config;  // resolved
  double budget = 0;         // FLOP of its IsoFLOP cell, 0: none
  std::int64_t n_total = 0, n_non_embedding = 0;
  std::int64_t d_unique = 0;
  std::int64_t validation_tokens = 0;
  std::int64_t memory_bytes = 0;
  std::optional<std::size_t> trunk;  // position of the trunk in Plan::runs
  std::int64_t first_step = 0;       // steps it takes over from the trunk: its stable point
  double seconds = 0;                // predicted, of its own training; see costs.hpp

  double epochs() const;
  double flops_6nd() const;  // of all D tokens, wherever they were trained
  double flops_exact() const;
  /// What this process trains itself.
  std::int64_t own_tokens() const;
};

struct Plan {
  std::string study;
  std::vector<PlannedRun> runs;    // fits in the order of the manifest, trunks, target
  std::vector<std::string> notes;  // merged runs, repeated data
};

/// Throws InputError for what cannot work, naming the place in the manifest.
Plan make_plan(const Manifest& manifest, const Surroundings& surroundings);

}  // namespace isoflop::experiment
