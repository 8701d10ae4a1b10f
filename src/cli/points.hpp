// Points named on the command line: a sweep's results, or a CSV.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "laws/points/points.hpp"

namespace isoflop::cli {

/// What is read of a sweep's runs. A CSV has what it has.
enum class RunRows {
  final_losses,
  curves,    // losses along the runs, for approach 1
  schedules  // losses and learning rates of every step, for laws of curves
};

/// How a user wants the params ("total", "non-embedding") and flops ("6nd", "exact") of a sweep's
/// runs counted; empty: as the law counts them.
struct Kinds {
  std::string params, flops;
};

/// RESULTS.h5 of a sweep, params with or without embeddings, or POINTS.csv with the `needed`
/// and, where it has them, `wanted` columns, and `columns` ("params=Model Size") where its names
/// differ. Throws InputError for `kinds` of a CSV, which states its own.
laws::Points read_points(const std::string& path, const std::vector<std::string>& columns,
                         std::span<const laws::Variable> needed, RunRows rows,
                         bool counts_embeddings, std::span<const laws::Variable> wanted = {},
                         const Kinds& kinds = {});

}  // namespace isoflop::cli
