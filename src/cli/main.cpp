#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <iostream>
#include <new>
#include <string>
#include <vector>

#include "cli/commands.hpp"
#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "core/file_lock.hpp"
#include "core/nearest.hpp"
#include "core/version.hpp"

namespace {

constexpr int kFailure = 1;
constexpr int kBadInput = 2;
constexpr int kCheckFailed = 3;

int report(const char* message, int code) {
  fmt::print(stderr, "isoflop: {}\n", message);
  return code;
}

const CLI::App* command_of(const CLI::App* app) {
  const auto given = app->get_subcommands();
  return given.empty() ? app : command_of(given.front());
}

// Names the commands to choose from where the library says only that one is missing.
std::string usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& command = *command_of(&app);
  if (command.get_require_subcommand_min() == 0) return error.what();
  std::vector<std::string> names;
  for (const CLI::App* one : command.get_subcommands({})) names.push_back(one->get_name());
  const std::string where = &command == &app ? "" : command.get_name() + ": ";
  const std::string choice =
      fmt::format("needed one of {} (--help explains them)", fmt::join(names, ", "));
  const std::vector<std::string> words = command.remaining();
  const auto word =
      std::ranges::find_if(words, [](const auto& one) { return !one.starts_with('-'); });
  if (word == words.end()) return fmt::format("{}no command given; {}", where, choice);
  return fmt::format("{}'{}' is no command, did you mean '{}'? {}", where, *word,
                     isoflop::nearest(*word, names), choice);
}

// What was printed may still be in buffers when a disk is full.
int flush_output() {
  errno = 0;
  const bool written = std::fflush(stdout) == 0 && std::cout.flush().good();
  return written
             ? 0
             : report(fmt::format("standard output: {}", std::strerror(errno)).c_str(), kFailure);
}

// A path that the file system refuses is said as every other failed system call is.
void parse(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const std::filesystem::filesystem_error& error) {
    isoflop::throw_system_error(error.path1(), "reach", error.code().value());
  }
}

int run(CLI::App& app, int argc, char** argv) {
  try {
    parse(app, argc, argv);
    return flush_output();
  } catch (const CLI::Success& request) {  // --help, --version
    const int code = app.exit(request);
    return code == 0 ? flush_output() : code;
  } catch (const CLI::ParseError& error) {
    return report(usage_error(app, error).c_str(), kBadInput);
  } catch (const isoflop::Locked& error) {
    return report(error.what(), isoflop::kLockedExitCode);
  } catch (const isoflop::InputError& error) {
    return report(error.what(), kBadInput);
  } catch (const isoflop::CheckFailed& error) {
    return report(error.what(), kCheckFailed);
  } catch (const isoflop::Stopped& error) {
    return report(error.what(), isoflop::kStoppedExitCode);
  } catch (const std::bad_alloc&) {
    return report("out of memory", kFailure);
  } catch (const std::exception& error) {
    return report(error.what(), kFailure);
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // a file beyond the limit is then a write that fails, with a line
  CLI::App app("isoflop: from text and a compute budget to a scaling law", "isoflop");
  app.set_version_flag("--version",
                       fmt::format("isoflop {} ({})", isoflop::version(), isoflop::commit()));
  isoflop::cli::add_data(app);
  isoflop::cli::add_train(app);
  isoflop::cli::add_sweep(app);
  isoflop::cli::add_fit(app);
  isoflop::cli::add_predict(app);
  isoflop::cli::add_optimal(app);
  isoflop::cli::add_suggest(app);
  isoflop::cli::add_compare(app);
  isoflop::cli::add_emergence(app);
  isoflop::cli::add_checkpoint(app);
  isoflop::cli::add_bench(app);
  isoflop::cli::add_cluster(app);
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "Show the help of every command");
  app.footer(
      "Exit codes: 0 done, 2 bad usage or input, 3 a run diverged or a check failed, 4 another "
      "process works in that directory, 75 stopped by a signal (the same command goes on), 1 "
      "anything else.");
  return run(app, argc, argv);
}
