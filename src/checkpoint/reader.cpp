#include "checkpoint/reader.hpp"

#include <fcntl.h>

#include "checkpoint/damaged.hpp"
#include "checkpoint/directory.hpp"
#include "core/error.hpp"
#include "core/hash.hpp"
#include "hdf5/contiguous.hpp"
#include "hdf5/error.hpp"
#include "hdf5/table.hpp"

namespace isoflop::checkpoint {
namespace {

constexpr const char* kDamaged = "the file is damaged; use another checkpoint";

template <class... Args>
void require_intact(bool ok, fmt::format_string<Args...> message, Args&&... args) {
  if (ok) return;
  throw Damaged(fmt::format("{}: {}", fmt::format(message, std::forward<Args>(args)...), kDamaged));
}

std::filesystem::path marked_state(const std::filesystem::path& directory) {
  require(std::filesystem::exists(complete_mark(directory)),
          "{}: there is no complete checkpoint here (its mark \"complete\" is missing)",
          directory.string());
  std::filesystem::path state = state_file(directory);
  require_intact(std::filesystem::exists(state), "{}: is missing", state.string());
  return state;
}

}  // namespace

Reader::Reader(const std::filesystem::path& directory)
    : path_(marked_state(directory)), values_(path_, O_RDONLY) {
  try {
    const hdf5::File file = hdf5::File::open(path_, hdf5::Access::read);
    head_.attributes = hdf5::read_attributes(file, "/");
    const hdf5::Value* schema = hdf5::find(head_.attributes, "schema");
    require(schema != nullptr && *schema == hdf5::Value(kSchema),
            "{}: a checkpoint of schema {} is needed", where(), kSchema);
    const hdf5::Value* stored = hdf5::find(head_.attributes, "checksum");
    require_intact(stored != nullptr, "{}: the checksum is missing", where());
    const hdf5::Value expected = *stored;
    std::erase_if(head_.attributes, [](const auto& entry) { return entry.first == "checksum"; });
    head_.tensors = hdf5::read_table<TensorRow>(file, "/tensors");
    head_.blocks = hdf5::read_table<Block>(file, "/blocks");
    require_intact(expected == hdf5::Value(checksum_of(head_)),
                   "{}: scalars or tables do not give their checksum", where());
    find_tensors(file);
  } catch (const hdf5::Damaged& error) {
    throw Damaged(fmt::format("{}: {}", error.what(), kDamaged));
  }
}

void Reader::find_tensors(const hdf5::File& file) {
  shapes_.resize(head_.tensors.size());
  for (const Block& block : head_.blocks) places_[block.kind];
  for (auto& [kind, places] : places_) {
    for (std::size_t i = 0; i < head_.tensors.size(); ++i) {
      hdf5::Contiguous found =
          hdf5::open_contiguous(file, "/" + kind + "/" + head_.tensors[i].name);
      places.push_back(found.offset);
      shapes_[i] = std::move(found.shape);
    }
  }
}

std::span<const float> Reader::read(const Block& block) {
  const auto tensor = static_cast<std::size_t>(block.tensor);
  buffer_.resize(static_cast<std::size_t>(block.count));
  const auto bytes = std::as_writable_bytes(std::span(buffer_));
  const std::string object = block.kind + "/" + head_.tensors[tensor].name;
  try {
    values_.read(bytes, places_.at(block.kind)[tensor] +
                            static_cast<std::size_t>(block.begin) * sizeof(float));
  } catch (const CutOff& error) {
    throw Damaged(fmt::format("{}: {}: {}", where(object), error.what(), kDamaged));
  }
  require_intact(hex(hash64(bytes)) == block.checksum,
                 "{}: elements {} to {} do not give their checksum", where(object), block.begin,
                 block.begin + block.count - 1);
  return buffer_;
}

std::vector<ByteRange> Reader::values() const {
  std::vector<ByteRange> ranges;
  for (const auto& [kind, places] : places_)
    for (std::size_t i = 0; i < places.size(); ++i) {
      const auto count = static_cast<std::size_t>(head_.tensors[i].count);
      ranges.push_back({places[i], places[i] + count * sizeof(float)});
    }
  return ranges;
}

std::string Reader::where(const std::string& object) const {
  return object.empty() ? path_.string() : path_.string() + ":/" + object;
}

}  // namespace isoflop::checkpoint
