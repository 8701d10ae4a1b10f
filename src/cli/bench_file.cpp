#include "cli/bench_file.hpp"

#include <fmt/format.h>

#include <utility>

#include "cli/files.hpp"
#include "core/error.hpp"

namespace isoflop::cli {

BenchFile::BenchFile(std::string path, std::string writer)
    : path_(std::move(path)),
      writer_(std::move(writer)),
      measured_(nlohmann::json::parse(read_named_file(path_), nullptr, false)) {
  require_that(!measured_.is_discarded(), "is no JSON");
}

double BenchFile::number(const std::string& at) const {
  const nlohmann::json::json_pointer pointer(at);
  const bool has = measured_.is_structured() && measured_.contains(pointer);
  const nlohmann::json value = has ? measured_[pointer] : nlohmann::json();
  const bool good = value.is_number() && value.get<double>() >= 0.0;
  if (!good) {
    const std::string shown = value.is_primitive() ? value.dump() : value.type_name();
    require_that(false,
                 fmt::format("seen {} at {}, needed a number from 0", has ? shown : "nothing", at));
  }
  return value.get<double>();
}

void BenchFile::require_that(bool ok, const std::string& trouble) const {
  require(ok, "{}: {}; write it anew with `{}`", path_, trouble, writer_);
}

BenchFile open_bench_train(const std::string& path) {
  return {path, "isoflop bench train RUN.toml --json FILE"};
}

BenchFile open_bench_comm(const std::string& path) {
  return {path, "mpirun -n 2 isoflop bench comm --json FILE"};
}

train::Line line_of(const BenchFile& comm, const std::string& collective) {
  const std::string place = "/collectives/" + collective;
  return {.alpha = comm.number(place + "/alpha_seconds"),
          .beta = comm.number(place + "/beta_seconds_per_byte")};
}

}  // namespace isoflop::cli
