#include "record/mark.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "core/atomic_file.hpp"
#include "core/version.hpp"

namespace isoflop::record {
namespace {

// Reasons may quote bytes that are no UTF-8.
void write(const std::filesystem::path& path, nlohmann::ordered_json mark) {
  mark["isoflop"] = {{"version", version()}, {"commit", commit()}};
  write_file_atomically(
      path, mark.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

}  // namespace

void mark_finished(const std::filesystem::path& run_directory, std::int64_t step, double loss) {
  write(run_directory / "finished", {{"step", step}, {"loss", loss}});
}

void mark_failed(const std::filesystem::path& run_directory, const std::string& reason,
                 std::optional<std::int64_t> step) {
  nlohmann::ordered_json mark;
  if (step) mark["step"] = *step;
  mark["reason"] = reason;
  write(run_directory / "failed", std::move(mark));
}

}  // namespace isoflop::record
