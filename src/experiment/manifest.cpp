#include "experiment/manifest.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <limits>

#include "core/atomic_file.hpp"
#include "core/config_document.hpp"
#include "core/error.hpp"
#include "core/nearest.hpp"
#include "core/version.hpp"
#include "experiment/manifest_sizes.hpp"
#include "laws/fit/fit.hpp"
#include "laws/law/law.hpp"

namespace isoflop::experiment {
namespace {

constexpr std::int64_t kAnySeed = std::numeric_limits<std::int64_t>::max();
constexpr double kAnyAmount = 1e30;  // tokens or FLOP

constexpr std::array<std::string_view, 7> kTables = {"study", "base",   "size", "sizes",
                                                     "grid",  "target", "fit"};

double three_digits(double value) {
  const double digits = 2.0 - std::floor(std::log10(value));  // behind the point
  const double power = std::pow(10.0, std::abs(digits));      // whole, so that no digits follow
  return digits > 0 ? std::round(value * power) / power : std::round(value / power) * power;
}

// [1e12, 3e12] or { from = 1e12, to = 1e14, count = 5 }, evenly spaced in the logarithm.
std::vector<double> amounts(ConfigTable& table, const char* key) {
  const double low = std::numeric_limits<double>::min();
  if (!table.is_table(key)) return table.numbers(key, low, kAnyAmount);
  ConfigTable range = table.table(key);
  const double from = range.number("from", low, kAnyAmount);
  const double to = range.number("to", from, kAnyAmount);
  const auto count = range.integer("count", 2, 1000);
  std::vector<double> values;
  for (std::int64_t i = 0; i < count; ++i) {
    const double share = static_cast<double>(i) / static_cast<double>(count - 1);
    values.push_back(three_digits(from * std::pow(to / from, share)));
  }
  return values;
}

std::vector<std::int64_t> seeds_or(ConfigTable& table, const std::vector<std::int64_t>& fallback) {
  return table.has("seeds") ? table.integers("seeds", 0, kAnySeed) : fallback;
}

std::vector<std::size_t> chosen_sizes(ConfigTable& grid, const std::vector<Size>& sizes) {
  std::vector<std::size_t> chosen;
  if (!grid.has("sizes")) {
    for (std::size_t i = 0; i < sizes.size(); ++i) chosen.push_back(i);
    return chosen;
  }
  std::vector<std::string> labels;
  for (const Size& size : sizes) labels.push_back(size.label);
  for (const std::string& label : grid.strings("sizes")) {
    const auto found = std::ranges::find(labels, label);
    if (found == labels.end()) {
      grid.fail("sizes", fmt::format("seen '{}', needed labels of sizes; the nearest is '{}'",
                                     label, nearest(label, labels)));
    }
    chosen.push_back(static_cast<std::size_t>(found - labels.begin()));
  }
  return chosen;
}

// The one key of `axes` that the table has.
std::pair<const char*, Axis> chosen_axis(const ConfigTable& table,
                                         std::span<const std::pair<const char*, Axis>> axes) {
  std::vector<std::string> names;
  const std::pair<const char*, Axis>* found = nullptr;
  for (const auto& axis : axes) {
    names.emplace_back(axis.first);
    if (!table.has(axis.first)) continue;
    if (found != nullptr)
      table.fail(axis.first, fmt::format("seen beside {}, needed only one of them", found->first));
    found = &axis;
  }
  if (found == nullptr) table.fail_missing(names, fmt::format("one of {}", fmt::join(names, ", ")));
  return *found;
}

void check_branches(const ConfigTable& table, const Grid& grid, const std::vector<Size>& sizes) {
  for (const std::size_t i : grid.sizes) {
    const optim::ScheduleConfig& schedule = sizes[i].run.schedule;
    const bool decays = schedule.kind == optim::ScheduleKind::wsd && schedule.decay_fraction > 0 &&
                        schedule.decay_fraction < 1;
    if (!decays) {
      table.fail("branch",
                 fmt::format("seen true, but size {} has nothing to branch; needed "
                             "schedule.name = \"wsd\" and a decay_fraction between 0 and 1",
                             sizes[i].label));
    }
  }
}

std::vector<Grid> read_grids(ConfigTable& root, const std::vector<Size>& sizes,
                             const std::vector<std::int64_t>& seeds) {
  static constexpr std::array<std::pair<const char*, Axis>, 3> kAxes{
      {{"tokens", Axis::tokens},
       {"budgets", Axis::budgets},
       {"tokens_per_parameter", Axis::tokens_per_parameter}}};
  std::vector<Grid> grids;
  for (ConfigTable table : root.tables("grid")) {
    Grid grid;
    grid.sizes = chosen_sizes(table, sizes);
    const auto [key, axis] = chosen_axis(table, kAxes);
    grid.axis = axis;
    grid.values = amounts(table, key);
    grid.place = table.place(key);
    grid.branch = table.boolean("branch", false);
    grid.seeds = seeds_or(table, seeds);
    if (grid.branch) check_branches(table, grid, sizes);
    grids.push_back(std::move(grid));
  }
  if (grids.empty()) root.fail("grid", "is missing, needed at least one [[grid]] table");
  return grids;
}

Target read_target(ConfigTable table, const RunReader& runs, std::int64_t seed) {
  static constexpr std::array<std::pair<const char*, Axis>, 2> kAxes{
      {{"tokens", Axis::tokens}, {"flops", Axis::budgets}}};
  Target target;
  const auto [key, axis] = chosen_axis(table, kAxes);
  target.axis = axis;
  target.value = table.number(key, std::numeric_limits<double>::min(), kAnyAmount);
  target.seed = table.integer("seed", 0, kAnySeed, seed);
  target.size.label = table.string("label", "target");
  check_name(table, "label", target.size.label);
  target.size.place = table.place(key);
  target.size.run = runs.target();
  return target;
}

constexpr const char* kLawWithMethods = "chinchilla";

// A sweep measures losses, and records all that a law of the loss reads.
void require_law_of_loss(const std::string& name) {
  const laws::Law* law = laws::find_law_or_ensemble(name);
  require(law == nullptr || law->response == laws::Variable::loss,
          "seen '{}', which predicts the {}, needed a law of the loss; isoflop fit makes others "
          "from a CSV",
          name, law == nullptr ? "" : laws::to_string(law->response));
}

// The fits have to be known before days of training, not after.
void check_fit(const ConfigTable& table, const FitRequest& fit) {
  for (const std::string& law : fit.laws) {
    try {
      require_law_of_loss(law);
    } catch (const InputError& error) {
      table.fail("laws", error.what());
    }
  }
  static const std::vector<std::string> methods{"approach1", "approach2", "approach3"};
  for (const std::string& method : fit.methods) {
    if (std::ranges::find(methods, method) == methods.end()) {
      table.fail("methods", fmt::format("seen '{}', needed approach1, approach2 or approach3; the "
                                        "nearest is '{}'",
                                        method, nearest(method, methods)));
    }
  }
  if (fit.predict.empty()) return;
  std::vector<std::string> names;
  for (const auto& [law, method] : fits_of(fit))
    names.push_back(method.empty() ? law : fmt::format("{}-{}", law, method));
  if (std::ranges::find(names, fit.predict) == names.end()) {
    table.fail("predict", fmt::format("seen '{}', needed one of the fits; the nearest is '{}'",
                                      fit.predict, nearest(fit.predict, names)));
  }
}

std::optional<FitRequest> read_fit(ConfigTable& root) {
  if (!root.has("fit")) return std::nullopt;
  ConfigTable table = root.table("fit");
  FitRequest fit;
  fit.laws = table.strings("laws");
  fit.methods =
      table.has("methods") ? table.strings("methods") : std::vector<std::string>{"approach3"};
  fit.predict = table.string("predict", "");
  fit.huber_delta = table.number("huber_delta", 1e-12, 1e12, fit.huber_delta);
  fit.bootstrap = table.integer("bootstrap", 0, 1'000'000, fit.bootstrap);
  fit.seed = table.integer("seed", 0, kAnySeed, fit.seed);
  fit.level = table.number("level", 0.01, 0.9999, fit.level);
  check_fit(table, fit);
  return fit;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> fits_of(const FitRequest& request) {
  std::vector<std::pair<std::string, std::string>> fits;
  for (const std::string& law : request.laws) {
    if (law != kLawWithMethods) {
      fits.emplace_back(law, "");
      continue;
    }
    for (const std::string& method : request.methods) fits.emplace_back(law, method);
  }
  return fits;
}

Manifest read_manifest(const std::string& text, const std::string& path) {
  Manifest manifest;
  manifest.path = path;
  manifest.text = text;
  ConfigDocument document = ConfigDocument::from_text(text, path);
  ConfigTable root = document.root();
  root.refuse_all_but(kTables);
  const RunReader runs(text, path);
  document.take("base");
  std::vector<Size> listed = listed_sizes(document, runs);
  const bool has_target = root.has("target");
  ConfigDocument target = document.take("target");

  for (const char* taken : {"base", "target"}) root.table(taken);  // refuses all but tables
  ConfigTable study = root.table("study");
  manifest.name = study.string("name");
  check_name(study, "name", manifest.name);
  const std::vector<std::int64_t> seeds = seeds_or(study, {1});
  manifest.sizes = all_sizes(std::move(listed), root, runs);
  manifest.grids = read_grids(root, manifest.sizes, seeds);
  if (has_target) manifest.target = read_target(target.root(), runs, seeds.front());
  manifest.fit = read_fit(root);
  root.refuse_unknown_keys();
  return manifest;
}

std::string stored_text(const Manifest& manifest) {
  ConfigDocument document = ConfigDocument::from_text(manifest.text, manifest.path);
  document.change_texts("corpus", [](const std::string& path) {
    return path.empty() ? path : std::filesystem::absolute(path).lexically_normal().string();
  });
  return fmt::format("# of isoflop {} ({})\n{}\n", version(), commit(), document.to_toml());
}

Manifest read_manifest(const std::string& path) {
  require(std::filesystem::is_regular_file(path), "{}: is not a file, needed a study's manifest",
          path);
  return read_manifest(read_file(path), path);
}

}  // namespace isoflop::experiment
