// A program started beside this one that never outlives it by more than its own clean-up: when
// this process ends, in whatever way, the child gets SIGTERM. It is in a process group of its own,
// so that Ctrl-C reaches it through terminate() alone.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace isoflop::experiment {

/// How a process ended: by itself with a code, or by a signal.
struct ProcessEnd {
  int code = 0;    // below 0: nobody knows
  int signal = 0;  // 0: by itself

  std::string text() const;
};

class ChildProcess {
 public:
  /// `arguments` begins with the program's path; `environment` is added to this process's. Standard
  /// output and error are appended to `log`. Throws Error when no process can be made; a program
  /// that cannot be run ends with code 127 and says so in the log.
  static ChildProcess start(const std::vector<std::string>& arguments,
                            const std::vector<std::pair<std::string, std::string>>& environment,
                            const std::filesystem::path& log);

  pid_t pid() const { return pid_; }

  /// Asks it to save and stop.
  void terminate() const;
  /// Ends it at once.
  void kill() const;

  /// Not blocking: how it ended, once.
  std::optional<ProcessEnd> ended() const;

 private:
  explicit ChildProcess(pid_t pid) : pid_(pid) {}

  pid_t pid_;
};

/// What a process said last: the last line of its log that is not blank; empty: nothing.
std::string last_line(const std::filesystem::path& log);

/// The running program itself.
std::filesystem::path own_program();

}  // namespace isoflop::experiment
