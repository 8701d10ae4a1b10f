// corpus.json, schema 1: what a prepared corpus directory holds. Written last, so a directory that
// has it is complete.
//
// Shards are flat little-endian arrays of token_bytes (2 or 4) bytes a token; the tokens of a
// source's split are its shards one after another, every document followed by the boundary token.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace isoflop::data {

enum Split : std::size_t { kTrain = 0, kValidation = 1 };
inline constexpr std::array<const char*, 2> kSplitNames{"train", "validation"};

struct Shard {
  std::string file;  // relative to the corpus directory
  std::int64_t tokens = 0;
  std::string checksum;  // XXH3-64 of the file, 16 hexadecimal digits
};

/// What one split of one source holds.
struct SplitContent {
  std::int64_t documents = 0;
  std::int64_t bytes = 0;   // of text, boundaries not counted
  std::int64_t tokens = 0;  // boundaries counted
  std::vector<Shard> shards;
};

struct SourceContent {
  std::string name;
  std::optional<double> weight;  // absent: proportional to the train tokens
  std::array<SplitContent, 2> splits;
};

/// What the corpus was made from, so that the same request is recognised.
struct Recipe {
  std::string request;    // hash of tokenizer choice, validation fraction, sources, weights, globs
  std::string files;      // hash of the input files' paths, sizes and times of change (ctime)
  std::string documents;  // hash of the input files' contents
};

struct CorpusFile {
  std::string tokenizer_kind;  // "bytes" | "bpe"
  std::int32_t vocabulary = 0;
  std::int32_t boundary = 0;
  std::string tokenizer_file;      // relative; empty for bytes
  std::string tokenizer_checksum;  // empty for bytes
  int token_bytes = 2;
  std::string fingerprint;
  double validation_fraction = 0;
  std::int64_t duplicates = 0;  // documents left out because an equal one is in
  std::vector<SourceContent> sources;
  Recipe recipe;
  std::string made_by_version, made_by_commit;
};

inline constexpr const char* kCorpusFileName = "corpus.json";
inline constexpr const char* kTokenizerFileName = "tokenizer.model";
inline constexpr const char* kShardSuffix = ".bin";

/// Bytes a token needs on disk: 2 up to a vocabulary of 65536, else 4.
int token_bytes_for(std::int32_t vocabulary);

/// Hash over everything that decides which tokens a training run sees: tokenizer, boundary,
/// sources, weights, shard checksums.
std::string corpus_fingerprint(const CorpusFile& corpus);

/// Writes directory/corpus.json and waits until it is on the disk.
void write_corpus_file(const std::filesystem::path& directory, const CorpusFile& corpus);

/// `text` of a corpus.json, validated; `path` names it in messages. Throws InputError.
CorpusFile parse_corpus_file(const std::string& text, const std::string& path);

/// Reads and validates directory/corpus.json (not the shards). Throws InputError.
CorpusFile read_corpus_file(const std::filesystem::path& directory);

}  // namespace isoflop::data
