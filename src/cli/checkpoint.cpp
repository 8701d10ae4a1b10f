#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "checkpoint/diff.hpp"
#include "checkpoint/directory.hpp"
#include "checkpoint/load.hpp"
#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "core/error.hpp"

namespace isoflop::cli {
namespace {

namespace fs = std::filesystem;

/// A folder with state.h5, or with the mark that says it had one, is a checkpoint; any other is a
/// run, of which all complete ones count.
std::vector<fs::path> checkpoints_in(const std::string& path) {
  if (fs::exists(checkpoint::state_file(path)) || fs::exists(checkpoint::complete_mark(path)))
    return {path};
  std::vector<fs::path> found;
  for (const std::int64_t step : checkpoint::complete_steps(path))
    found.push_back(checkpoint::step_directory(path, step));
  require(!found.empty(),
          "{}: no checkpoint here, needed a run directory or RUN_DIR/checkpoint/step-<n>", path);
  return found;
}

void verify(const std::vector<std::string>& paths) {
  std::size_t damaged = 0;
  for (const std::string& path : paths) {
    for (const fs::path& directory : checkpoints_in(path)) {
      try {
        checkpoint::verify(directory);
        fmt::print("good     {}\n", directory.string());
      } catch (const InputError& error) {
        ++damaged;
        fmt::print("damaged  {}\n", error.what());
      }
    }
  }
  if (damaged > 0) throw CheckFailed(fmt::format("checkpoints that are damaged: {}", damaged));
}

std::string table_of(const checkpoint::Difference& difference) {
  std::string text;
  std::size_t elements = 0, different = 0;
  for (const std::string& line : difference.structure) text += line + "\n";
  for (const checkpoint::TensorDifference& tensor : difference.tensors) {
    elements += tensor.elements;
    different += tensor.different;
    if (tensor.different == 0) continue;
    text += fmt::format("{}: {} of {} elements differ, by at most {:.3g} ({:.3g} of the largest)\n",
                        tensor.name, tensor.different, tensor.elements, tensor.largest,
                        tensor.relative);
  }
  return text + fmt::format("{} of {} elements in {} tensors differ\n", different, elements,
                            difference.tensors.size());
}

std::string json_of(const checkpoint::Difference& difference) {
  nlohmann::ordered_json json{{"equal", difference.is_equal()},
                              {"structure", difference.structure},
                              {"tensors", nlohmann::ordered_json::array()}};
  for (const checkpoint::TensorDifference& tensor : difference.tensors)
    json["tensors"].push_back({{"name", tensor.name},
                               {"elements", tensor.elements},
                               {"different", tensor.different},
                               {"largest", tensor.largest},
                               {"relative", tensor.relative}});
  return json.dump(2) + "\n";
}

void diff(const std::string& first, const std::string& second, const std::string& json) {
  // The layout is part of the configuration; the scalar `run` names what changes the numbers.
  const checkpoint::Difference difference =
      checkpoint::diff(checkpoints_in(first).back(), checkpoints_in(second).back(), {"config"});
  print_result(table_of(difference), json_of(difference), json);
  if (!difference.is_equal()) throw CheckFailed("the checkpoints differ");
}

void add_verify(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "verify", "Read everything and check every bit; exit code 3 when something is damaged");
  const auto paths = std::make_shared<std::vector<std::string>>();
  command->add_option("paths", *paths, "Run directories (all their checkpoints) or checkpoints")
      ->required();
  command->callback([paths] { verify(*paths); });
}

void add_diff(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "diff", "Compare the whole state of two checkpoints; exit code 3 when they differ");
  struct Options {
    std::string first, second, json;
  };
  const auto options = std::make_shared<Options>();
  command->add_option("first", options->first, "Run directory (its last checkpoint) or checkpoint")
      ->required();
  command->add_option("second", options->second, "The same")->required();
  add_output(*command, "--json", options->json, "Write the differences to this file, - for stdout");
  command->callback([options] { diff(options->first, options->second, options->json); });
}

}  // namespace

void add_checkpoint(CLI::App& app) {
  CLI::App* command = app.add_subcommand("checkpoint", "Check and compare saved states");
  command->require_subcommand(1);
  add_verify(*command);
  add_diff(*command);
}

}  // namespace isoflop::cli
