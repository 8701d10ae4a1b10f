// Makes a corpus directory out of text files.
//
// Files are read twice: once to find duplicates, the split and bad input, once to encode; memory is
// about 500 bytes a file, whatever their sizes, plus 4 MiB of text and its tokens a thread. The
// corpus is written to OUT.partial and renamed, so OUT is there whole or not at all. The same
// request over the same files finds its corpus and does nothing; the result does not depend on the
// number of threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/corpus_file.hpp"
#include "data/documents.hpp"
#include "data/tokenizer.hpp"

namespace isoflop::data {

struct SourceRequest {
  std::string name;  // letters, digits, '_', '-', '.'
  std::vector<std::string> globs;
  std::optional<double> weight;  // all sources have one, or none
};

struct PrepareRequest {
  std::vector<SourceRequest> sources;
  TokenizerChoice tokenizer;
  std::filesystem::path out;
  double validation_fraction = 0.005;
  bool force = false;                                  // replace another corpus in `out`
  unsigned threads = 0;                                // 0: one a core
  std::int64_t shard_tokens = std::int64_t{64} << 20;  // tokens
  std::int64_t sample_bytes = std::int64_t{10} << 20;  // of text that bpe is trained on
};

struct PrepareResult {
  bool made;  // false: the corpus was there already
  CorpusFile corpus;
};

/// Files of a corpus in `out` itself are no text. Throws InputError before anything is written when
/// the request cannot be met.
PrepareResult prepare(const PrepareRequest& request, const ProgressSink& progress);

}  // namespace isoflop::data
