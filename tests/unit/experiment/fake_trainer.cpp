// Answers `train` as isoflop does, marks, lock, checkpoints, signals and exit codes, but sleeps
// instead of computing: what a manager does with children that stop, fail and die is seen in
// milliseconds. The loss is written as 1 / steps.
//
//   FAKE_STEP_MS   milliseconds a step
//   FAKE_FAIL      label that diverges: `failed` mark, code 3
//   FAKE_CRASH     label that dies without a word
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "config/run_config.hpp"
#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "core/file_lock.hpp"
#include "experiment/sweep_directory.hpp"

namespace {

namespace fs = std::filesystem;
using namespace isoflop;

volatile sig_atomic_t stop = 0;
extern "C" void remember(int) { stop = 1; }

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string option(const std::vector<std::string>& arguments, const std::string& name) {
  for (std::size_t i = 0; i + 1 < arguments.size(); ++i) {
    if (arguments[i] == name) return arguments[i + 1];
  }
  return "";
}

void save(const fs::path& out, std::int64_t step) {
  const fs::path checkpoint = out / "checkpoint" / fmt::format("step-{}", step);
  fs::create_directories(checkpoint);
  write_file_atomically(checkpoint / "complete", "");
}

int train(const std::vector<std::string>& arguments) {
  config::RunConfig config = config::read_run_config(arguments[1], {});
  config.steps = config.train.tokens / config.tokens_per_step();
  const fs::path out = option(arguments, "--out");
  const std::string label = option(arguments, "--label");
  const FileLock lock(out / "lock");
  std::int64_t step = experiment::latest_checkpoint(out, config.steps).steps;
  const fs::path from = option(arguments, "--from");
  if (step == 0 && !from.empty()) {
    require(fs::exists(from / "complete"), "{}: no checkpoint", from.string());
    step = std::stoll(from.filename().string().substr(5));
  }
  std::ofstream(out / "starts", std::ios::app)
      << step << ' ' << variable("OMP_NUM_THREADS") << '\n';
  if (variable("FAKE_CRASH") == label) raise(SIGKILL);
  if (variable("FAKE_FAIL") == label) {
    write_file_atomically(out / "failed", "{\"step\": 1, \"reason\": \"loss is nan\"}\n");
    fmt::print(stderr, "isoflop: loss is nan\n");
    return 3;
  }
  const std::chrono::milliseconds pause(std::atoi(variable("FAKE_STEP_MS").c_str()));
  while (step < config.steps) {
    std::this_thread::sleep_for(pause);
    ++step;
    for (const std::int64_t tokens : config.checkpoint.at_tokens) {
      if (tokens == step * config.tokens_per_step()) save(out, step);
    }
    if (stop == 0) continue;
    save(out, step);
    return 1;
  }
  write_file_atomically(out / "finished", fmt::format("{{\"step\": {}, \"loss\": {}}}\n", step,
                                                      1.0 / static_cast<double>(step)));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  signal(SIGTERM, remember);
  signal(SIGINT, remember);
  try {
    return train({argv + 1, argv + argc});
  } catch (const InputError& error) {
    fmt::print(stderr, "isoflop: {}\n", error.what());
    return 2;
  }
}
