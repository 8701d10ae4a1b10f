// The documents behind a corpus: every input file is one. Scanning reads each file once, in pieces;
// memory grows with the number of files (about 500 bytes each), not with their size.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "data/corpus_file.hpp"

namespace isoflop::data {

struct InputFile {
  std::size_t source;
  std::string path;
  std::int64_t bytes;    // on disk
  std::int64_t changed;  // content or inode, nanoseconds since 1970; no program can set it back
};

struct Document {
  std::size_t source;
  std::string path;
  std::int64_t bytes;  // of text
  std::uint64_t hash;  // of text
  Split split;
};

struct Documents {
  std::vector<Document> kept;  // sources in order, paths sorted; no empty ones, no duplicates
  std::int64_t duplicates = 0;
  std::string hash;  // over every file's source, path and content
};

/// `done` of `total` bytes of the named stage are behind us.
struct Progress {
  const char* stage;
  std::int64_t done, total;
};
using ProgressSink = std::function<void(const Progress&)>;

/// A document belongs to validation when its hash / 2^64 is below the fraction, so equal documents
/// fall on one side; of equal ones the first is kept. Throws InputError for a file that cannot be
/// read or, with `utf8`, is no UTF-8.
Documents scan_documents(const std::vector<InputFile>& files, double validation_fraction, bool utf8,
                         const ProgressSink& progress);

/// Calls use(piece) for the text in pieces of 1 MiB (the last one shorter); returns its hash.
std::uint64_t read_document(const std::filesystem::path& path,
                            const std::function<void(std::string_view)>& use);

}  // namespace isoflop::data
