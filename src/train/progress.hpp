// What a person sees of a run: lines in the log, and on a terminal one line that is drawn anew.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "config/run_config.hpp"
#include "train/trainer.hpp"

namespace spdlog {
class logger;
}

namespace isoflop::train {

class Progress {
 public:
  /// Logs to standard output and to `log_file`; a silent one (other ranks) says nothing.
  Progress(const std::filesystem::path& log_file, bool silent);
  ~Progress();

  void say(const std::string& line);

  /// Runs `action`; when it throws, says `what` and the reason, and the run goes on.
  void or_warn(const std::string& what, const std::function<void()>& action);

  /// The next step does not follow the one before: rates count anew.
  void begin_anew() { first_step_ = -1; }

  /// Call after each step; prints now and then.
  void step(const config::RunConfig& config, const StepResult& result);

 private:
  using Clock = std::chrono::steady_clock;

  std::shared_ptr<spdlog::logger> logger_;
  bool terminal_;
  bool drawn_ = false;  // an unfinished line stands on the terminal
  Clock::time_point begin_ = Clock::now();
  Clock::time_point printed_{};
  std::int64_t first_step_ = -1;
};

/// "1.23 M", "45.6 k": three digits and a power of 1000.
std::string engineering(double value);

/// "512.0 MiB".
std::string mebibytes(std::size_t bytes);

}  // namespace isoflop::train
