#include "checkpoint/mark.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>

#include "core/file_descriptor.hpp"
#include "core/hash.hpp"

namespace isoflop::checkpoint {

std::string mark_text(const std::filesystem::path& state, std::vector<ByteRange> values) {
  const FileDescriptor file(state, O_RDONLY);
  const std::size_t size = file.size();
  std::ranges::sort(values, {}, &ByteRange::begin);
  values.push_back({size, size});
  Hasher hasher;
  std::vector<std::byte> bytes;
  std::size_t at = 0;
  for (const ByteRange& range : values) {
    if (range.begin > at) {
      bytes.resize(range.begin - at);
      file.read(bytes, at);
      hasher.add(bytes);
    }
    at = std::max(at, range.end);
  }
  return fmt::format("complete\nstate.h5: {} bytes, XXH3 of all but the values {}\n", size,
                     hex(hasher.value()));
}

}  // namespace isoflop::checkpoint
