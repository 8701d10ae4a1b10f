// A prepared corpus, open for reading. Not collective: every rank opens it itself.
//
//   const auto corpus = Corpus::open("corpus/quickstart");
//   corpus->read(source, kTrain, first, tokens);    // tokens[i] = token first + i
//
// open() checks corpus.json, the size of every shard, the tokenizer file and, up to
// kVerifiedBytes of shards, every shard's checksum (XXH3 reads about 10 GB/s from the page cache);
// `isoflop data inspect` verifies corpora of any size. read() checks every id it copies against the
// vocabulary, because kernels index tables by it.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/corpus_file.hpp"
#include "data/shard_file.hpp"
#include "data/tokenizer.hpp"

namespace isoflop::data {

inline constexpr std::int64_t kVerifiedBytes = std::int64_t{4} << 30;

enum class Verify { automatic, everything };

class Corpus {
 public:
  /// Throws InputError with one line: what is missing, truncated or damaged.
  static std::shared_ptr<const Corpus> open(const std::filesystem::path& directory,
                                            Verify verify = Verify::automatic);
  Corpus(const Corpus&) = delete;
  Corpus& operator=(const Corpus&) = delete;

  const CorpusFile& description() const { return description_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  const std::string& fingerprint() const { return description_.fingerprint; }
  std::int32_t vocabulary() const { return description_.vocabulary; }
  std::size_t sources() const { return description_.sources.size(); }
  std::int64_t tokens(std::size_t source, Split split) const {
    return description_.sources[source].splits[split].tokens;
  }

  /// Copies tokens first .. first + tokens.size() - 1 of a source's split. They must exist. Throws
  /// InputError, naming the shard, for an id that the vocabulary does not have and for a shard that
  /// has become shorter. Safe on several threads at once.
  void read(std::size_t source, Split split, std::int64_t first,
            std::span<std::int32_t> tokens) const;

 private:
  struct OpenShard {
    ShardFile file;
    std::int64_t first;  // index of its first token in the split
  };

  Corpus() = default;
  void open_shards(const std::filesystem::path& directory, bool verify);
  void load_tokenizer(const std::filesystem::path& directory);

  CorpusFile description_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::vector<std::array<std::vector<OpenShard>, 2>> shards_;  // [source][split]
};

}  // namespace isoflop::data
