#include "data/shard_writer.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cstring>

#include "core/error.hpp"

namespace isoflop::data {

ShardWriter::ShardWriter(std::filesystem::path directory, std::string stem, int token_bytes,
                         std::int64_t shard_tokens)
    : directory_(std::move(directory)),
      stem_(std::move(stem)),
      token_bytes_(token_bytes),
      shard_tokens_(shard_tokens) {}

void ShardWriter::write(std::span<const std::int32_t> tokens) {
  while (!tokens.empty()) {
    if (!file_) {
      const std::string name = fmt::format("{}-{:05}{}", stem_, shards_.size(), kShardSuffix);
      file_ = std::make_unique<FileDescriptor>(directory_ / name, O_WRONLY | O_CREAT | O_EXCL);
      hasher_ = Hasher();
      shards_.push_back({name, 0, {}});
    }
    const auto space = static_cast<std::size_t>(shard_tokens_ - shards_.back().tokens);
    const std::size_t count = std::min(tokens.size(), space);
    write_to_shard(tokens.first(count));
    tokens = tokens.subspan(count);
    if (shards_.back().tokens == shard_tokens_) close_shard();
  }
}

void ShardWriter::write_to_shard(std::span<const std::int32_t> tokens) {
  const auto width = static_cast<std::size_t>(token_bytes_);
  bytes_.resize(tokens.size() * width);
  for (std::size_t i = 0; i < tokens.size(); ++i) {  // little-endian: the low bytes come first
    std::memcpy(&bytes_[i * width], &tokens[i], width);
  }
  Shard& shard = shards_.back();
  file_->write(bytes_, static_cast<std::size_t>(shard.tokens) * width);
  hasher_.add(bytes_);
  shard.tokens += static_cast<std::int64_t>(tokens.size());
}

void ShardWriter::close_shard() {
  shards_.back().checksum = hex(hasher_.value());
  file_->sync();
  file_->close();
  file_.reset();
}

std::vector<Shard> ShardWriter::finish() {
  if (file_) close_shard();
  return shards_;
}

}  // namespace isoflop::data
