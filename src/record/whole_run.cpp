#include "record/whole_run.hpp"

#include "core/atomic_file.hpp"
#include "record/run_reader.hpp"

namespace isoflop::record {

std::string claimant(const std::filesystem::path& run_directory) {
  const std::filesystem::path file = run_directory / "run_id";
  if (!std::filesystem::is_regular_file(file)) return "";
  const std::string text = read_file(file);
  return text.substr(0, text.find('\n'));
}

std::optional<std::string> find_harm(const std::filesystem::path& run_directory,
                                     const std::string& run) {
  const std::filesystem::path record = run_directory / "run.h5";
  if (!std::filesystem::exists(record)) return "missing";
  try {
    const std::string held = read_run(record).facts.run;
    return held == run ? std::nullopt : std::optional("of run " + held);
  } catch (const Damaged&) {
    return "damaged";
  }
}

}  // namespace isoflop::record
