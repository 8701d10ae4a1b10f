#include "experiment/manifest_sizes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <span>

#include "core/error.hpp"

namespace isoflop::experiment {
namespace {

constexpr std::int64_t kMostLayers = 1000;
constexpr std::int64_t kWidest = std::int64_t{1} << 20;
constexpr std::size_t kLongestLabel = 32;
constexpr std::string_view kNameCharacters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

constexpr std::array<std::string_view, 1> kOfSize{"label"};
constexpr std::array<std::string_view, 4> kOfTarget{"label", "tokens", "flops", "seed"};

// `own` stand beside the tables of a run. D and seed are not part of a size.
void check_keys(ConfigDocument document, std::span<const std::string_view> own) {
  std::vector<std::string_view> known(own.begin(), own.end());
  known.insert(known.end(), config::kTables.begin(), config::kTables.end());
  document.root().refuse_all_but(known);
  ConfigTable train = document.root().table("train");
  if (train.has("tokens"))
    train.fail("tokens", "is for a [[grid]] or the [target] to say; remove it here");
  if (train.has("seed"))
    train.fail("seed", "is for study.seeds or the [target] to say; remove it here");
}

// [1, 2, 3] or { from = 1, to = 3, step = 1 }.
std::vector<std::int64_t> integers_or_range(ConfigTable& table, const char* key,
                                            std::int64_t high) {
  if (!table.is_table(key)) return table.integers(key, 1, high);
  ConfigTable range = table.table(key);
  const auto from = range.integer("from", 1, high);
  const auto to = range.integer("to", from, high);
  const auto step = range.integer("step", 1, high);
  std::vector<std::int64_t> values;
  for (std::int64_t value = from; value <= to; value += step) values.push_back(value);
  return values;
}

std::string default_label(const config::RunConfig& run) {
  return fmt::format("w{}-l{}", run.model.width, run.model.layers);
}

// What is wrong may stand in the base, so the message names the size or the target as well.
template <class Read>
config::RunConfig read_for(const std::string& whom, Read&& read) {
  try {
    return read();
  } catch (const InputError& error) {
    throw InputError(fmt::format("{} (for {})", error.what(), whom));
  }
}

std::vector<Size> combined_sizes(ConfigTable& root, const RunReader& runs) {
  std::vector<Size> sizes;
  ConfigTable table = root.table("sizes");
  if (!root.has("sizes")) return sizes;
  const auto widths = integers_or_range(table, "width", kWidest);
  const auto depths = integers_or_range(table, "layers", kMostLayers);
  for (const std::int64_t width : widths) {
    for (const std::int64_t layers : depths) {
      Size size;
      size.place = table.place("width");
      size.label = fmt::format("w{}-l{}", width, layers);
      size.run = read_for("size " + size.label, [&] {
        return runs.made_size(
            {fmt::format("model.width={}", width), fmt::format("model.layers={}", layers)},
            size.place);
      });
      sizes.push_back(std::move(size));
    }
  }
  return sizes;
}

}  // namespace

void check_name(const ConfigTable& table, std::string_view key, const std::string& name) {
  const bool ok = !name.empty() && name.size() <= kLongestLabel && name != "." && name != ".." &&
                  name.find_first_not_of(kNameCharacters) == std::string::npos;
  if (!ok) {
    table.fail(key, fmt::format("seen '{}', needed 1 to {} letters, digits, '.', '_' or '-'", name,
                                kLongestLabel));
  }
}

RunReader::RunReader(const std::string& text, const std::string& path) : text_(text), path_(path) {
  check_keys(document().take("base"), {});
  check_keys(document().take("target"), kOfTarget);
  for (ConfigDocument& size : document().take_list("size")) check_keys(std::move(size), kOfSize);
}

config::RunConfig RunReader::listed_size(std::size_t index) const {
  ConfigDocument over = std::move(document().take_list("size")[index]);
  for (const std::string_view key : kOfSize) over.erase(key);
  return read(std::move(over), {}, "");
}

config::RunConfig RunReader::made_size(const std::vector<std::string>& sets,
                                       const std::string& origin) const {
  return read(ConfigDocument::from_text("", path_), sets, origin);
}

config::RunConfig RunReader::target() const {
  ConfigDocument over = document().take("target");
  for (const std::string_view key : kOfTarget) over.erase(key);
  return read_for("the target", [&] { return read(std::move(over), {}, ""); });
}

config::RunConfig RunReader::read(ConfigDocument over, const std::vector<std::string>& sets,
                                  const std::string& origin) const {
  ConfigDocument run = document().take("base");
  run.lay_over(std::move(over));
  for (const std::string& assignment : sets) run.set(assignment, origin);
  run.set("train.tokens=1");  // the plan knows better
  config::RunConfig config = config::read_run_config(run.root());
  run.root().refuse_unknown_keys();
  return config;
}

std::vector<Size> listed_sizes(ConfigDocument& document, const RunReader& runs) {
  std::vector<Size> sizes;
  for (ConfigDocument& entry : document.take_list("size")) {
    ConfigTable table = entry.root();
    const std::size_t index = sizes.size();
    Size size;
    size.label = table.string("label", "");
    size.place = table.place("label");
    if (table.has("label")) check_name(table, "label", size.label);
    size.run =
        read_for("size " + (size.label.empty() ? fmt::format("number {}", index + 1) : size.label),
                 [&] { return runs.listed_size(index); });
    if (size.label.empty()) size.label = default_label(size.run);
    sizes.push_back(std::move(size));
  }
  return sizes;
}

std::vector<Size> all_sizes(std::vector<Size> listed, ConfigTable& root, const RunReader& runs) {
  std::vector<Size> sizes = std::move(listed);
  root.tables("size");
  std::ranges::move(combined_sizes(root, runs), std::back_inserter(sizes));
  if (sizes.empty()) root.fail("size", "is missing, needed [[size]] tables or a [sizes] table");
  std::set<std::string> labels;
  for (const Size& size : sizes) {
    require(labels.insert(size.label).second, "{}: seen '{}' twice, needed a name of its own",
            size.place, size.label);
  }
  return sizes;
}

}  // namespace isoflop::experiment
