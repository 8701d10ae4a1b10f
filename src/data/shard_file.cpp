#include "data/shard_file.hpp"

#include <fcntl.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/hash.hpp"

namespace isoflop::data {
namespace {

constexpr std::int64_t kPiece = std::int64_t{1} << 20;

}  // namespace

ShardFile::ShardFile(std::string path, std::int64_t bytes) : path_(std::move(path)), bytes_(bytes) {
  require(std::filesystem::exists(path_),
          "{}: is missing; run `isoflop data prepare` again with --force", path_);
  file_ = std::make_unique<const FileDescriptor>(path_, O_RDONLY);
  require(file_->size() == static_cast<std::size_t>(bytes),
          "{}: has {} bytes, corpus.json says {}: the corpus is truncated or damaged; run "
          "`isoflop data prepare` again with --force",
          path_, file_->size(), bytes);
}

void ShardFile::read(std::int64_t at, std::span<std::byte> to) const {
  try {
    file_->read(to, static_cast<std::size_t>(at));
  } catch (const Error& error) {
    require(file_->size() == static_cast<std::size_t>(bytes_),
            "{}; it had {} bytes when it was opened; run `isoflop data prepare` again with --force",
            error.what(), bytes_);
    throw;
  }
}

std::string ShardFile::checksum() const {
  std::vector<std::byte> piece(static_cast<std::size_t>(std::min(kPiece, bytes_)));
  Hasher hasher;
  for (std::int64_t at = 0; at < bytes_; at += kPiece) {
    const std::span part(piece.data(), static_cast<std::size_t>(std::min(kPiece, bytes_ - at)));
    read(at, part);
    hasher.add(part);
  }
  return hex(hasher.value());
}

}  // namespace isoflop::data
