// A study's manifest: one base configuration, the sizes and grids to train, the target that no fit
// may see, and the laws to fit. docs/manifest.md is the reference for users.
//
//   [study]      name, seeds
//   [base.*]     the tables of a run configuration
//   [[size]]     label and what differs from the base; or [sizes] with lists of widths and layers
//   [[grid]]     sizes x (tokens | budgets | tokens_per_parameter) x seeds, trained one by one or,
//                with branch = true, as branches of one trunk a size
//   [target]     what differs from the base, and tokens or flops
//   [fit]        laws, methods and how to fit them
//
// Reading touches no data: N, D and names come with the plan (plan.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/run_config.hpp"

namespace isoflop::experiment {

/// A model that the study trains. `run` lacks tokens, seed and everything that the data decides.
struct Size {
  std::string label;
  std::string place;  // "manifest.toml:12: size[0].label", for messages
  config::RunConfig run;
};

/// What the values of a grid's axis are.
enum class Axis {
  tokens,                // D
  budgets,               // C = 6 N D, FLOP: an IsoFLOP cell
  tokens_per_parameter,  // D / N
};

struct Grid {
  std::string place;               // of the axis
  std::vector<std::size_t> sizes;  // positions in Manifest::sizes
  Axis axis = Axis::tokens;
  std::vector<double> values;
  bool branch = false;
  std::vector<std::int64_t> seeds;
};

/// The run that shows what a prediction is worth.
struct Target {
  Size size;
  Axis axis = Axis::tokens;  // or budgets, for flops
  double value = 0;
  std::int64_t seed = 1;
};

/// What `collect` fits. Several methods apply to the law chinchilla only.
struct FitRequest {
  std::vector<std::string> laws;
  std::vector<std::string> methods;
  std::string predict;  // the one of them that predicts the target: "law" or "law-method"
  double huber_delta = 1e-3;
  std::int64_t bootstrap = 1000;
  std::int64_t seed = 1;
  double level = 0.8;  // of intervals
};

/// Law and method of every fit that is asked for; the method is empty for a law with one.
std::vector<std::pair<std::string, std::string>> fits_of(const FitRequest& request);

struct Manifest {
  std::string path, text;  // as it was read
  std::string name;
  std::vector<Size> sizes;
  std::vector<Grid> grids;
  std::optional<Target> target;
  std::optional<FitRequest> fit;
};

/// The manifest as a sweep's directory keeps it: stamped with the program's version, paths
/// absolute, so that it means the same in any folder.
std::string stored_text(const Manifest& manifest);

/// Throws InputError "file:line: key: …".
Manifest read_manifest(const std::string& path);

/// The same from text; `path` is its name in messages.
Manifest read_manifest(const std::string& text, const std::string& path);

}  // namespace isoflop::experiment
