// Writes the tokens of one split of one source as shards of at most `shard_tokens` tokens.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/file_descriptor.hpp"
#include "core/hash.hpp"
#include "data/corpus_file.hpp"

namespace isoflop::data {

class ShardWriter {
 public:
  /// Shards are directory/<stem>-00000.bin and so on; the first file appears with the first token.
  ShardWriter(std::filesystem::path directory, std::string stem, int token_bytes,
              std::int64_t shard_tokens);

  void write(std::span<const std::int32_t> tokens);

  /// Waits until the disk has every shard. Call once, at the end.
  std::vector<Shard> finish();

 private:
  void write_to_shard(std::span<const std::int32_t> tokens);
  void close_shard();

  std::filesystem::path directory_;
  std::string stem_;
  int token_bytes_;
  std::int64_t shard_tokens_;
  std::vector<Shard> shards_;
  std::unique_ptr<FileDescriptor> file_;  // of the last shard
  Hasher hasher_;                         // of the last shard
  std::vector<std::byte> bytes_;
};

}  // namespace isoflop::data
