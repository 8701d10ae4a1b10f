// What run.h5 holds, schema 1 (docs/files.md): one file a run.
//
// The names given to `field` are the names in the file: attributes of the root for RunFacts and
// RunOutcome, columns for the rows. Losses are nats/token, seconds count from the start of the run
// over all restarts, flops are exact and cumulative.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "core/version.hpp"

namespace isoflop::record {

inline constexpr std::int64_t kSchema = 1;

/// Known before the first step.
struct RunFacts {
  std::string isoflop_version = version();
  std::string isoflop_commit = commit();
  std::string run;     // hash of the resolved configuration, 16 digits
  std::string label;   // for people
  std::string config;  // resolved TOML
  std::string data_fingerprint;
  std::int64_t n_total = 0, n_non_embedding = 0;  // parameters
  std::int64_t steps = 0, tokens = 0, d_unique = 0;
  double epochs = 0;
  std::int64_t global_batch = 0, micro_batch = 0;  // sequences
  std::int64_t context = 0, vocabulary = 0;
  double flops_6nd = 0, flops_exact = 0, flops_per_token_exact = 0;
  std::int64_t virtual_ranks = 0, ranks = 0, zero = 0, threads = 0;
  std::string device, processor, precision;
  std::int64_t seed = 0;
  std::int64_t predicted_memory_bytes = 0;  // of the rank that needs most
  double predicted_seconds = 0;
  /// Of this attempt, for /events, where that of the attempts before stays; no attribute.
  std::string layout;

  template <class Facts, class Field>
  static void fields(Facts& facts, Field&& field) {
    field("isoflop_version", facts.isoflop_version);
    field("isoflop_commit", facts.isoflop_commit);
    field("run", facts.run);
    field("label", facts.label);
    field("config", facts.config);
    field("data_fingerprint", facts.data_fingerprint);
    field("n_total", facts.n_total);
    field("n_non_embedding", facts.n_non_embedding);
    field("steps", facts.steps);
    field("tokens", facts.tokens);
    field("d_unique", facts.d_unique);
    field("epochs", facts.epochs);
    field("global_batch", facts.global_batch);
    field("micro_batch", facts.micro_batch);
    field("context", facts.context);
    field("vocabulary", facts.vocabulary);
    field("flops_6nd", facts.flops_6nd);
    field("flops_exact", facts.flops_exact);
    field("flops_per_token_exact", facts.flops_per_token_exact);
    field("virtual_ranks", facts.virtual_ranks);
    field("ranks", facts.ranks);
    field("zero", facts.zero);
    field("threads", facts.threads);
    field("device", facts.device);
    field("processor", facts.processor);
    field("precision", facts.precision);
    field("seed", facts.seed);
    field("predicted_memory_bytes", facts.predicted_memory_bytes);
    field("predicted_seconds", facts.predicted_seconds);
  }
};

/// Known at the end; until then these values, with status "running".
struct RunOutcome {
  std::string status = "running";  // or "finished", "failed", "stopped"
  double final_loss = std::numeric_limits<double>::quiet_NaN();
  double final_bits_per_byte = std::numeric_limits<double>::quiet_NaN();
  std::int64_t peak_memory_bytes = 0;  // of the rank that took most, in this attempt
  double wall_seconds = 0;
  std::int64_t restarts = 0;

  template <class Outcome, class Field>
  static void fields(Outcome& outcome, Field&& field) {
    field("final_loss", outcome.final_loss);
    field("final_bits_per_byte", outcome.final_bits_per_byte);
    field("peak_memory_bytes", outcome.peak_memory_bytes);
    field("wall_seconds", outcome.wall_seconds);
    field("restarts", outcome.restarts);
    field("status", outcome.status, 16);
  }
};

struct TrainRow {
  std::int64_t step = 0, tokens = 0;
  double loss = 0;  // mean over the global batch
  double lr = 0, grad_norm = 0, seconds = 0, flops = 0;

  template <class Row, class Field>
  static void fields(Row& row, Field&& field) {
    field("step", row.step);
    field("tokens", row.tokens);
    field("loss", row.loss);
    field("lr", row.lr);
    field("grad_norm", row.grad_norm);
    field("seconds", row.seconds);
    field("flops", row.flops);
  }
};

struct EvalRow {
  std::int64_t step = 0, tokens = 0;
  double loss = 0, bits_per_byte = 0;

  template <class Row, class Field>
  static void fields(Row& row, Field&& field) {
    field("step", row.step);
    field("tokens", row.tokens);
    field("loss", row.loss);
    field("bits_per_byte", row.bits_per_byte);
  }
};

struct EventRow {
  std::int64_t step = 0;
  double seconds = 0;
  std::string kind, text;

  template <class Row, class Field>
  static void fields(Row& row, Field&& field) {
    field("step", row.step);
    field("seconds", row.seconds);
    field("kind", row.kind, 32);
    field("text", row.text, 256);
  }
};

struct ProfileRow {
  std::string region;
  double seconds = 0;
  std::int64_t calls = 0;
  double flops = 0;

  template <class Row, class Field>
  static void fields(Row& row, Field&& field) {
    field("region", row.region, 64);
    field("seconds", row.seconds);
    field("calls", row.calls);
    field("flops", row.flops);
  }
};

struct RunData {
  RunFacts facts;
  RunOutcome outcome;
  std::vector<TrainRow> train;
  std::map<std::string, std::vector<EvalRow>> eval;  // by the name of the evaluation set
  std::vector<EventRow> events;
  std::vector<ProfileRow> profile;
};

}  // namespace isoflop::record
