// results.h5 of a sweep, schema 1 (docs/files.md): one compound table /runs with a row a run, and
// links /curves/<run> to the runs' own records.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace isoflop::record {

inline constexpr std::size_t kLabelBytes = 64;

/// A row of /runs. Units as in run.h5; budget: FLOP of the IsoFLOP cell, 0 when there is none.
struct ResultRow {
  std::string run, label;
  std::string role = "fit";  // or "target", which no fit may see
  std::string status;
  std::int64_t n_total = 0, n_non_embedding = 0, tokens = 0, d_unique = 0;
  double epochs = 0, flops_6nd = 0, flops_exact = 0, loss = 0, bits_per_byte = 0, seconds = 0;
  double budget = 0;
  std::int64_t layers = 0, width = 0, heads = 0, context = 0, vocabulary = 0;
  std::int64_t global_batch = 0, micro_batch = 0, steps = 0;
  double learning_rate = 0;
  std::string schedule, precision;
  std::int64_t seed = 0, peak_memory_bytes = 0, restarts = 0;
  std::string data_fingerprint;

  template <class Row, class Field>
  static void fields(Row& row, Field&& field) {
    field("run", row.run, 16);
    field("label", row.label, kLabelBytes);
    field("role", row.role, 8);
    field("status", row.status, 16);
    field("n_total", row.n_total);
    field("n_non_embedding", row.n_non_embedding);
    field("tokens", row.tokens);
    field("d_unique", row.d_unique);
    field("epochs", row.epochs);
    field("flops_6nd", row.flops_6nd);
    field("flops_exact", row.flops_exact);
    field("loss", row.loss);
    field("bits_per_byte", row.bits_per_byte);
    field("seconds", row.seconds);
    field("budget", row.budget);
    field("layers", row.layers);
    field("width", row.width);
    field("heads", row.heads);
    field("context", row.context);
    field("vocabulary", row.vocabulary);
    field("global_batch", row.global_batch);
    field("micro_batch", row.micro_batch);
    field("steps", row.steps);
    field("learning_rate", row.learning_rate);
    field("schedule", row.schedule, 16);
    field("precision", row.precision, 8);
    field("seed", row.seed);
    field("peak_memory_bytes", row.peak_memory_bytes);
    field("restarts", row.restarts);
    field("data_fingerprint", row.data_fingerprint, 16);
  }
};

struct Results {
  std::string sweep;             // its name
  std::string data_fingerprint;  // of the corpus that its runs read
  std::vector<ResultRow> rows;
};

/// Replaces the file at once. Links point to runs/<run>/run.h5 beside it.
void write_results(const std::filesystem::path& path, const Results& results);

/// InputError for a file that is no results file of schema 1, or a damaged one.
Results read_results(const std::filesystem::path& path);

/// Where the links of the results file at `path` say that the runs' own records are, by run. The
/// records themselves may be gone.
std::map<std::string, std::filesystem::path> linked_records(const std::filesystem::path& path);

}  // namespace isoflop::record
