// A run configuration: run.toml as a struct, its defaults, its checks, its name.
//
// The life of one: read_run_config (file and --set; syntax, types, ranges), then resolve (what the
// corpus and the rest decide: vocabulary, steps, virtual ranks), then to_toml and run_id.
// docs/reference/run-toml.md lists the keys.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/config_table.hpp"
#include "model/activations.hpp"
#include "model/config.hpp"
#include "optim/config.hpp"
#include "optim/schedule.hpp"
#include "parallel/pipeline/schedule.hpp"

namespace isoflop::config {

enum class Precision { fp32, bf16 };

/// A random order-k Markov chain with a known entropy rate, in place of a corpus.
struct SyntheticConfig {
  std::int64_t order = 1;
  std::int64_t symbols = 64;
  std::int64_t seed = 1;
};

struct DataConfig {
  std::string corpus;  // directory; empty when synthetic
  std::map<std::string, double>
      weights;  // a source's share of the sequences; empty: the corpus decides
  std::optional<SyntheticConfig> synthetic;
};

struct TrainConfig {
  std::int64_t tokens = 0;        // D asked for
  std::int64_t global_batch = 0;  // sequences a step
  std::int64_t micro_batch = 0;   // sequences at once
  Precision precision = Precision::fp32;
  std::int64_t seed = 1;
  std::int64_t threads = 1;  // a rank
  std::string device = "cpu";
  bool reproducible = true;
};

struct ParallelConfig {
  std::int64_t data = 0;  // ranks; 0: all there are
  std::int64_t tensor = 1;
  std::int64_t pipeline = 1;
  parallel::ScheduleKind schedule = parallel::ScheduleKind::one_forward_one_backward;
  std::int64_t chunks = 1;  // stages a rank, interleaved only
  std::int64_t zero = 0;
  std::int64_t virtual_ranks = 0;  // 0: the default of resolve()
  model::Recompute recompute = model::Recompute::none;
};

struct EvaluateConfig {
  std::int64_t every_tokens = 0;        // 0: at the end and at_tokens only
  std::vector<std::int64_t> at_tokens;  // after the first step that has seen so many
};

struct CheckpointConfig {
  std::int64_t every_tokens = 0;        // 0: when stopped only
  std::int64_t keep = 1;                // of the regular ones
  std::int64_t keep_every_tokens = 0;   // those at its multiples stay for ever; 0: none
  std::vector<std::int64_t> at_tokens;  // kept for ever: where other runs branch off
  bool asynchronous = true;             // written beside the training, from a copy in memory
};

/// What to do about a loss or gradient norm that lies far above those before
/// (train/spike_guard.hpp).
enum class OnSpike {
  nothing,
  skip,      // the update
  rollback,  // to the last regular checkpoint, and pass over the data since
};

struct GuardConfig {
  OnSpike on_spike = OnSpike::nothing;
  std::int64_t window = 128;  // steps
  double z_score = 6.0;       // from there on it is a spike
};

/// Whether the run holds a copy of its state for checkpoints that are written beside the training.
inline bool writes_beside(const CheckpointConfig& checkpoint) {
  return checkpoint.asynchronous && (checkpoint.every_tokens > 0 || !checkpoint.at_tokens.empty());
}

struct RunConfig {
  model::ModelConfig model;
  DataConfig data;
  TrainConfig train;
  optim::OptimizerConfig optimizer;
  optim::ScheduleConfig schedule;
  ParallelConfig parallel;
  EvaluateConfig evaluate;
  CheckpointConfig checkpoint;
  GuardConfig guard;

  // Filled in by resolve().
  std::string data_fingerprint;
  std::int64_t steps = 0;

  /// Where keys stand whose values may turn out wrong only later: "run.toml:3: train.tokens".
  std::map<std::string, std::string> places;
  /// Of "train.tokens"; the key alone for a configuration that was not read.
  std::string place(const std::string& key) const;

  std::int64_t tokens_per_step() const {
    return train.global_batch * static_cast<std::int64_t>(model.context);
  }
  /// D: what the run trains on, a whole number of steps.
  std::int64_t tokens() const { return steps * tokens_per_step(); }
};

/// Reads and checks a configuration; `sets` are --set assignments. Throws InputError.
RunConfig read_run_config(const std::string& path, const std::vector<std::string>& sets);

/// The tables of a configuration.
inline constexpr std::array<std::string_view, 9> kTables = {"model",     "data",       "train",
                                                            "optimizer", "schedule",   "parallel",
                                                            "evaluate",  "checkpoint", "guard"};

/// The same from an open document (a manifest's runs).
RunConfig read_run_config(ConfigTable root);

/// Completes `config` with what the data says, rounds D up to whole steps, chooses the virtual
/// ranks. `vocabulary` is the corpus's. Throws InputError if the pieces do not fit each other.
void resolve(RunConfig& config, std::size_t vocabulary, const std::string& data_fingerprint);

/// A sentence on a setting that nothing of this configuration reads; empty where there is none.
std::string unread_setting(const RunConfig& config);

/// The run.toml of a directory: to_toml() below the program's version.
std::string run_file(const RunConfig& config);

/// Every key, resolved.
std::string to_toml(const RunConfig& config);

/// 16 hex digits of a hash over everything that changes the numbers; layout, threads and paths do
/// not enter.
std::string run_id(const RunConfig& config);

/// The same without the length of the run and its schedule's end: runs with the same trunk id are
/// the same run as long as all of them are in the stable phase, so that one may go on from the
/// other's checkpoint.
std::string trunk_id(const RunConfig& config);

const char* name_of(Precision precision);
const char* name_of(model::Recompute recompute);
const char* name_of(OnSpike on_spike);

}  // namespace isoflop::config
