#include "train/progress.hpp"

#include <fmt/format.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <utility>

#include "core/error.hpp"
#include "core/terminal.hpp"
#include "core/text.hpp"
#include "core/version.hpp"

namespace isoflop::train {
namespace {

constexpr std::chrono::seconds kLinePeriod{10};
constexpr std::chrono::milliseconds kDrawPeriod{250};

// A launcher may already send standard output to the log.
bool standard_output_is(const std::filesystem::path& file) {
  struct stat output{}, log{};
  return fstat(STDOUT_FILENO, &output) == 0 && stat(file.c_str(), &log) == 0 &&
         output.st_dev == log.st_dev && output.st_ino == log.st_ino;
}

spdlog::sink_ptr file_sink(const std::string& file) {
  try {
    return std::make_shared<spdlog::sinks::basic_file_sink_st>(file);
  } catch (const spdlog::spdlog_ex& error) {
    throw InputError(fmt::format("{}; choose another --out, or move it away", error.what()));
  }
}

}  // namespace

std::string engineering(double value) {
  constexpr std::array suffixes = {"", " k", " M", " G", " T", " P", " E"};
  std::size_t power = 0;
  while (std::abs(value) >= 999.5 && power + 1 < suffixes.size()) {
    value /= 1000.0;
    ++power;
  }
  return fmt::format("{:.{}f}{}", value,
                     value >= 99.95 || power == 0 ? 0
                     : value >= 9.995             ? 1
                                                  : 2,
                     suffixes[power]);
}

std::string mebibytes(std::size_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / 0x1p20);
}

Progress::Progress(const std::filesystem::path& log_file, bool silent)
    : terminal_(!silent && can_redraw(STDOUT_FILENO)) {
  logger_ = std::make_shared<spdlog::logger>("train");
  // A log that cannot be written, as on a full disk, ends no run; standard error is for why one
  // ends.
  logger_->set_error_handler([told = false](const std::string& reason) mutable {
    if (std::exchange(told, true)) return;
    std::fputs(fmt::format("warning: lines are lost: {}\n", reason).c_str(), stdout);
  });
  if (silent) return;
  const auto output = std::make_shared<spdlog::sinks::stdout_sink_st>();
  const bool is_log = standard_output_is(log_file);
  if (is_log) {
    logger_->sinks() = {output};
  } else {
    logger_->sinks() = {file_sink(log_file.string())};
  }
  logger_->flush_on(spdlog::level::info);
  const auto set_pattern = [this] { logger_->set_pattern("%Y-%m-%d %H:%M:%S %v"); };
  set_pattern();
  logger_->info("isoflop {} ({})", version(), commit());  // the log alone: a person knows
  if (is_log) return;
  logger_->sinks().push_back(output);
  set_pattern();
}

Progress::~Progress() {
  if (drawn_) std::fputs("\n", stdout);
}

void Progress::say(const std::string& line) {
  if (drawn_) std::fputs("\r\033[K", stdout);
  drawn_ = false;
  logger_->info(line);
}

void Progress::or_warn(const std::string& what, const std::function<void()>& action) {
  try {
    action();
  } catch (const std::exception& error) {
    say(fmt::format("warning: {}: {}", what, error.what()));
  }
}

void Progress::step(const config::RunConfig& config, const StepResult& result) {
  if (logger_->sinks().empty()) return;
  const Clock::time_point now = Clock::now();
  if (first_step_ < 0) {  // the first step warms up; rates count from here
    first_step_ = result.step;
    begin_ = printed_ = now;
    return;
  }
  const bool last = result.step == config.steps;
  if (now - printed_ <
          (terminal_ ? std::chrono::duration_cast<Clock::duration>(kDrawPeriod) : kLinePeriod) &&
      !last)
    return;
  printed_ = now;
  const double seconds = std::chrono::duration<double>(now - begin_).count();
  const double steps_per_second = static_cast<double>(result.step - first_step_) / seconds;
  const auto tokens_per_step = static_cast<double>(config.tokens_per_step());
  // What a narrow terminal has no room for comes last.
  const std::string line = fmt::format(
      "step {}/{}  loss {:.4f}  {} tokens/s  ETA {}  tokens {}  lr {:.2e}  |g| {:.3f}", result.step,
      config.steps, result.loss, engineering(steps_per_second * tokens_per_step),
      clock_time(static_cast<double>(config.steps - result.step) / steps_per_second),
      engineering(static_cast<double>(result.step) * tokens_per_step), result.learning_rate,
      result.gradient_norm);
  if (!terminal_ || last) {
    say(line);
    return;
  }
  fmt::print("\r\033[K{}", cut_to_columns(line, terminal_size(STDOUT_FILENO).columns));
  std::fflush(stdout);
  drawn_ = true;
}

}  // namespace isoflop::train
