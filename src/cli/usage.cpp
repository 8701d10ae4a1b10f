#include "cli/usage.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <vector>

#include "core/nearest.hpp"

namespace isoflop::cli {
namespace {

// The innermost command that was given, and its words after "isoflop".
struct Command {
  const CLI::App* app;
  std::string words;
};

Command command_of(const CLI::App* app, const std::string& words = "") {
  const auto given = app->get_subcommands();
  if (given.empty()) return {app, words};
  return command_of(given.front(), words + (words.empty() ? "" : " ") + given.front()->get_name());
}

std::vector<std::string> names_of_options(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

// ", did you mean 'X'?" where X is near enough.
std::string suggestion(const std::string& word, const std::vector<std::string>& names) {
  const std::string alike = nearest(word, names);
  const bool near = !alike.empty() && edit_distance(word, alike) <= 1 + word.size() / 3;
  return near ? fmt::format(", did you mean '{}'?", alike) : ",";
}

std::string no_such_command(const Command& command) {
  std::vector<std::string> names;
  for (const CLI::App* one : command.app->get_subcommands({})) names.push_back(one->get_name());
  const std::string where = command.words.empty() ? "" : command.words + ": ";
  const std::string choice =
      fmt::format("needed one of {} (--help explains them)", fmt::join(names, ", "));
  const std::vector<std::string> words = command.app->remaining();
  if (words.empty()) return fmt::format("{}no command given; {}", where, choice);
  if (words.front().starts_with('-'))
    return fmt::format("{}no command before '{}'; {}", where, words.front(), choice);
  return fmt::format("{}'{}' is no command{} {}", where, words.front(),
                     suggestion(words.front(), names), choice);
}

std::string too_much(const Command& command, const std::string& help) {
  const std::vector<std::string> words = command.app->remaining();
  const auto option = std::ranges::find_if(
      words, [](const std::string& word) { return word.size() > 1 && word.starts_with('-'); });
  if (option == words.end())
    return fmt::format("{}: '{}' is an argument too many; {}", command.words, words.front(), help);
  const std::string name = option->substr(0, option->find('='));
  return fmt::format("{}: '{}' is no option{} {}", command.words, name,
                     suggestion(name, names_of_options(*command.app)), help);
}

}  // namespace

std::string usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const Command command = command_of(&app);
  if (command.app->get_require_subcommand_min() > 0) return no_such_command(command);
  const std::string help = fmt::format("isoflop {} --help lists what it takes", command.words);
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) return too_much(command, help);
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr)
    return fmt::format("{}: {}; {}", command.words, error.what(), help);
  if (dynamic_cast<const CLI::ConversionError*>(&error) != nullptr)
    return fmt::format("{}; needed a number, like 2000000 or 2e6 without units or separators",
                       error.what());
  return error.what();
}

void refuse_empty_values(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    if (option->get_items_expected_max() == 0) continue;  // a flag
    option->check([](const std::string& seen) {
      return seen.empty()
                 ? std::string("seen '', needed a value: is a variable of the shell unset?")
                 : std::string();
    });
  }
  for (CLI::App* command : app.get_subcommands({})) refuse_empty_values(*command);
}

}  // namespace isoflop::cli
