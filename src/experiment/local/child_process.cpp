#include "experiment/local/child_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "core/atomic_file.hpp"

extern "C" char** environ;

namespace isoflop::experiment {
namespace {

constexpr int kCannotRun = 127;        // the shell's code for it
constexpr ProcessEnd kUnknownEnd{-1};  // the process is gone, and nobody kept how it ended

// What a launcher says of the process that it started. Children are no ranks of its job, and would
// all take themselves for the same one.
bool is_of_launcher(std::string_view variable) {
  constexpr std::array<std::string_view, 4> kBeginnings = {"OMPI_", "PMIX_", "PMI_",
                                                           "SLURM_STEP_NUM_TASKS="};
  return std::ranges::any_of(kBeginnings,
                             [&](std::string_view name) { return variable.starts_with(name); });
}

std::vector<std::string> joined_environment(
    const std::vector<std::pair<std::string, std::string>>& more) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const bool replaced = std::ranges::any_of(
        more, [&](const auto& one) { return text.substr(0, text.find('=')) == one.first; });
    if (!replaced && !is_of_launcher(text)) all.emplace_back(text);
  }
  for (const auto& [name, value] : more) all.push_back(fmt::format("{}={}", name, value));
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& text : strings) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// In the child, between fork and exec: only async-signal-safe calls.
[[noreturn]] void become(char* const* arguments, char* const* environment, int log, pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(kCannotRun);  // it died before the line above
  const int nothing = open("/dev/null", O_RDONLY);
  dup2(nothing, STDIN_FILENO);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  execve(arguments[0], arguments, environment);
  constexpr std::string_view kReason = "the program cannot be run: was it moved, or is it built?\n";
  [[maybe_unused]] const ssize_t told = write(STDERR_FILENO, kReason.data(), kReason.size());
  _exit(kCannotRun);
}

// A parent that ignores SIGCHLD hands that down, and the system would then throw away how children
// end.
void keep_ends_of_children() {
  struct sigaction action{};
  sigaction(SIGCHLD, nullptr, &action);
  if (action.sa_handler != SIG_IGN && (action.sa_flags & SA_NOCLDWAIT) == 0) return;
  action = {};
  action.sa_handler = SIG_DFL;
  sigaction(SIGCHLD, &action, nullptr);
}

ProcessEnd end_of(int status) {
  if (WIFSIGNALED(status)) return {0, WTERMSIG(status)};
  return {WEXITSTATUS(status), 0};
}

}  // namespace

std::string ProcessEnd::text() const {
  if (signal == SIGKILL) return "killed by signal 9, as the system does when memory runs out";
  if (signal != 0) return fmt::format("killed by signal {} ({})", signal, strsignal(signal));
  if (code < 0) return "ended, nobody knows how";
  return fmt::format("ended with code {}", code);
}

ChildProcess ChildProcess::start(
    const std::vector<std::string>& arguments,
    const std::vector<std::pair<std::string, std::string>>& environment,
    const std::filesystem::path& log) {
  std::vector<std::string> argument_texts = arguments;
  std::vector<std::string> environment_texts = joined_environment(environment);
  const std::vector<char*> argv = pointers(argument_texts);
  const std::vector<char*> envp = pointers(environment_texts);
  const int log_file = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (log_file < 0) throw_system_error(log, "open", errno);
  keep_ends_of_children();
  const pid_t parent = getpid();
  const pid_t pid = fork();
  const int error = errno;
  if (pid == 0) become(argv.data(), envp.data(), log_file, parent);
  close(log_file);
  if (pid < 0) throw_system_error(arguments.front(), "fork", error);
  return ChildProcess(pid);
}

void ChildProcess::terminate() const { ::kill(pid_, SIGTERM); }
void ChildProcess::kill() const { ::kill(pid_, SIGKILL); }

std::optional<ProcessEnd> ChildProcess::ended() const {
  int status = 0;
  const pid_t seen = waitpid(pid_, &status, WNOHANG);
  if (seen < 0 && errno == ECHILD) return kUnknownEnd;
  if (seen != pid_) return std::nullopt;
  return end_of(status);
}

std::string last_line(const std::filesystem::path& log) {
  if (!std::filesystem::exists(log)) return "";
  std::string text = read_file(log);
  text.erase(text.find_last_not_of(" \n\r") + 1);
  return text.substr(text.rfind('\n') + 1);
}

std::filesystem::path own_program() { return std::filesystem::read_symlink("/proc/self/exe"); }

}  // namespace isoflop::experiment
