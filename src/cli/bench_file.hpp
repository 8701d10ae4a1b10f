// What `isoflop bench ... --json` wrote, read back by commands that plan with it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "train/step_time.hpp"

namespace isoflop::cli {

class BenchFile {
 public:
  /// `writer` is the command that writes such files. InputError when `path` holds no JSON.
  BenchFile(std::string path, std::string writer);

  /// The number from 0 at a JSON pointer; InputError for anything else.
  double number(const std::string& at) const;
  /// InputError that names the file and how to write it anew, unless `ok`.
  void require_that(bool ok, const std::string& trouble) const;

 private:
  std::string path_, writer_;
  nlohmann::json measured_;
};

/// Of `bench train`.
BenchFile open_bench_train(const std::string& path);

/// Of `bench comm`.
BenchFile open_bench_comm(const std::string& path);

/// The line that `bench comm` fitted through the times of a collective ("send").
train::Line line_of(const BenchFile& comm, const std::string& collective);

}  // namespace isoflop::cli
