#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <iostream>
#include <new>
#include <string>
#include <system_error>

#include "cli/commands.hpp"
#include "cli/report.hpp"
#include "cli/usage.hpp"
#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "core/file_lock.hpp"
#include "core/version.hpp"

namespace {

constexpr int kFailure = 1;
constexpr int kBadInput = 2;
constexpr int kCheckFailed = 3;

int report(const std::string& message, int code) {
  isoflop::cli::report_error(message);
  return code;
}

// Whether lines of a long run were lost on the way. A reader that has gone away wants no more.
bool lost_output() {
  pollfd output{.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
  const bool has_reader = ::poll(&output, 1, 0) < 0 || (output.revents & POLLERR) == 0;
  return std::ferror(stdout) != 0 && has_reader;
}

// What was printed may still be in buffers when a disk is full.
int flush_output() {
  errno = 0;
  const bool written = std::fflush(stdout) == 0 && std::cout.flush().good() && !lost_output();
  const char* reason = errno == 0 ? "cannot be written" : std::strerror(errno);
  return written ? 0 : report(fmt::format("standard output: {}", reason), kFailure);
}

// fmt names no file that it cannot write.
int report_system_error(const std::system_error& error) {
  if (std::ferror(stdout) == 0) return report(error.what(), kFailure);
  return report("standard output: " + error.code().message(), kFailure);
}

// A file that is opened takes the lowest number that is free: that of a closed stream would get all
// that is printed. Whether there is a standard output.
bool occupy_closed_streams() {
  bool has_output = true;
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) >= 0) continue;
    has_output = has_output && stream != STDOUT_FILENO;
    if (::open("/dev/null", O_RDWR) < 0) continue;  // nothing can be said of it either
  }
  return has_output;
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
    return report(isoflop::cli::usage_error(app, error), kBadInput);
  } catch (const isoflop::Locked& error) {
    return report(error.what(), isoflop::kLockedExitCode);
  } catch (const isoflop::InputError& error) {
    return report(error.what(), kBadInput);
  } catch (const isoflop::CheckFailed& error) {
    return report(error.what(), kCheckFailed);
  } catch (const isoflop::Stopped& error) {
    return *error.what() == '\0' ? isoflop::kStoppedExitCode
                                 : report(error.what(), isoflop::kStoppedExitCode);
  } catch (const std::bad_alloc&) {
    return report("out of memory", kFailure);
  } catch (const std::system_error& error) {
    return report_system_error(error);
  } catch (const std::exception& error) {
    return report(error.what(), kFailure);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (!occupy_closed_streams())
    return report("standard output is closed; send it to a file or to /dev/null", kBadInput);
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
  isoflop::cli::refuse_empty_values(app);
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "Show the help of every command");
  app.footer(
      "Exit codes: 0 done, 2 bad usage or input, 3 a run diverged or a check failed, 4 another "
      "process works in that directory, 75 stopped by a signal (the same command goes on), 1 "
      "anything else.");
  return run(app, argc, argv);
}
