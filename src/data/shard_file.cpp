#include "data/shard_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/hash.hpp"

namespace isoflop::data {
namespace {

constexpr std::int64_t kPiece = std::int64_t{1} << 20;

}  // namespace

ShardFile::ShardFile(std::string path, std::int64_t bytes)
    : path_(std::move(path)),
      bytes_(bytes),
      descriptor_(::open(path_.c_str(), O_RDONLY | O_CLOEXEC)) {
  require(descriptor_ >= 0, "{}: cannot be opened ({}); run `isoflop data prepare` again", path_,
          std::strerror(errno));
  struct stat status{};
  const bool known = ::fstat(descriptor_, &status) == 0;
  const std::int64_t seen = known ? static_cast<std::int64_t>(status.st_size) : -1;
  if (seen == bytes) return;
  ::close(descriptor_);
  require(false,
          "{}: has {} bytes, corpus.json says {}: the corpus is truncated or damaged; run "
          "`isoflop data prepare` again",
          path_, seen, bytes);
}

ShardFile::~ShardFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

ShardFile::ShardFile(ShardFile&& other) noexcept
    : path_(std::move(other.path_)),
      bytes_(other.bytes_),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

void ShardFile::read(std::int64_t at, std::span<std::byte> to) const {
  while (!to.empty()) {
    const ssize_t count = ::pread(descriptor_, to.data(), to.size(), at);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw Error(fmt::format("{}: cannot be read ({})", path_, std::strerror(errno)));
    require(
        count > 0,
        "{}: ends before byte {}, it had {} when it was opened; run `isoflop data prepare` again",
        path_, at, bytes_);
    to = to.subspan(static_cast<std::size_t>(count));
    at += count;
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
