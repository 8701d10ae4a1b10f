#include "checkpoint/save.hpp"

#include <fcntl.h>

#include <algorithm>

#include "checkpoint/directory.hpp"
#include "checkpoint/head.hpp"
#include "checkpoint/mark.hpp"
#include "checkpoint/plan.hpp"
#include "checkpoint/together.hpp"
#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "core/file_descriptor.hpp"
#include "core/hash.hpp"
#include "core/version.hpp"
#include "hdf5/contiguous.hpp"
#include "hdf5/table.hpp"

namespace isoflop::checkpoint {
namespace {

namespace fs = std::filesystem;

std::span<const std::byte> bytes_of(const Block& block, const State& state) {
  const TensorEntry& tensor = state.tensors[static_cast<std::size_t>(block.tensor)];
  for (const Slice& slice : state.slices) {
    const Overlap part = overlap(block, tensor, slice);
    if (part.end - part.begin == static_cast<std::size_t>(block.count))
      return std::as_bytes(
          std::span<const float>(slice.data + (part.begin - slice.begin), part.end - part.begin));
  }
  throw Error("checkpoint: a block is planned for a rank that does not hold it");
}

/// The root gets the checksum of every block from the rank that writes it.
void gather_checksums(comm::Communicator& communicator, const State& state, Plan& plan) {
  std::vector<std::vector<std::uint64_t>> of_rank(static_cast<std::size_t>(communicator.size()));
  for (const Block& block : plan.blocks) {
    const bool own = block.rank == communicator.rank();
    of_rank[static_cast<std::size_t>(block.rank)].push_back(own ? hash64(bytes_of(block, state))
                                                                : 0);
  }
  std::vector<comm::Message> sends, receives;
  for (int rank = 1; rank < communicator.size(); ++rank) {
    auto& checksums = of_rank[static_cast<std::size_t>(rank)];
    const auto data = std::as_writable_bytes(std::span(checksums));
    if (data.empty()) continue;
    if (communicator.is_root()) receives.push_back({rank, data});
    if (communicator.rank() == rank) sends.push_back({0, data});
  }
  communicator.exchange(sends, receives);
  std::vector<std::size_t> next(of_rank.size(), 0);
  for (Block& block : plan.blocks) {
    const auto rank = static_cast<std::size_t>(block.rank);
    block.checksum = hex(of_rank[rank][next[rank]++]);
  }
}

Head make_head(const State& state, const Plan& plan, const hdf5::Attributes& scalars) {
  Head head{scalars, {}, plan.blocks};
  head.attributes.emplace_back("schema", kSchema);
  head.attributes.emplace_back("isoflop_version", version());
  head.attributes.emplace_back("isoflop_commit", commit());
  std::sort(head.attributes.begin(), head.attributes.end());
  for (const TensorEntry& tensor : state.tensors)
    head.tensors.push_back({tensor.name, static_cast<std::int64_t>(tensor.offset),
                            static_cast<std::int64_t>(tensor.count())});
  return head;
}

/// Bytes of the file, generously.
std::size_t upper_bound(const State& state, const Plan& plan, const Head& head) {
  constexpr std::size_t kBytesOfFile = 100'000, kBytesOfDataset = 4096 + 1024;
  std::size_t bytes = kBytesOfFile + head.blocks.size() * 128;
  for (const auto& [name, value] : head.attributes)
    if (const auto* text = std::get_if<std::string>(&value)) bytes += 2 * text->size();
  for (const TensorEntry& tensor : state.tensors)
    bytes += plan.kinds.size() * (kBytesOfDataset + sizeof(float) * tensor.count());
  return bytes;
}

/// Makes state.h5 with everything but the tensors' values; returns where those go (byte offsets),
/// by kind and tensor.
std::vector<std::size_t> write_head(const fs::path& path, const State& state, const Plan& plan,
                                    const hdf5::Attributes& scalars) {
  const Head head = make_head(state, plan, scalars);
  hdf5::File file = hdf5::File::create(path);
  file.reserve(upper_bound(state, plan, head));
  hdf5::Attributes attributes = head.attributes;
  attributes.emplace_back("checksum", checksum_of(head));
  hdf5::write_attributes(file, "/", attributes, hdf5::Text::fixed);
  hdf5::write_table(file, "/tensors", head.tensors);
  hdf5::write_table(file, "/blocks", head.blocks);
  std::vector<std::size_t> places;
  for (const std::string& kind : plan.kinds)
    for (const TensorEntry& tensor : state.tensors)
      places.push_back(
          hdf5::create_contiguous(file, "/" + kind + "/" + tensor.name, tensor.shape).offset);
  file.close();
  return places;
}

void write_blocks(const fs::path& path, int rank, const State& state, const Plan& plan,
                  const std::vector<std::size_t>& places) {
  FileDescriptor file(path, O_WRONLY);
  std::size_t kind = 0;
  for (const Block& block : plan.blocks) {
    while (plan.kinds[kind] != block.kind) ++kind;
    if (block.rank != rank) continue;
    const std::size_t place =
        places[kind * state.tensors.size() + static_cast<std::size_t>(block.tensor)];
    file.write(bytes_of(block, state),
               place + static_cast<std::size_t>(block.begin) * sizeof(float));
  }
  file.sync();
  file.close();
}

/// `places` by kind and tensor.
std::vector<ByteRange> value_ranges(const State& state, const std::vector<std::size_t>& places) {
  std::vector<ByteRange> ranges;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const TensorEntry& tensor = state.tensors[i % state.tensors.size()];
    ranges.push_back({places[i], places[i] + tensor.count() * sizeof(float)});
  }
  return ranges;
}

/// Puts the finished folder in its place; the mark comes last. A complete checkpoint of the same
/// step (a run that was killed right after its last save does that step again) is exchanged in one
/// step instead, so that there is one at every moment.
void publish(const fs::path& partial, const fs::path& directory, const std::string& mark) {
  sync_path(partial);
  if (fs::exists(complete_mark(directory))) {
    write_file_atomically(complete_mark(partial), mark);
    exchange_durably(partial, directory);
    fs::remove_all(partial);
    return;
  }
  fs::remove_all(directory);
  rename_durably(partial, directory);
  write_file_atomically(complete_mark(directory), mark);
}

}  // namespace

void save(const fs::path& directory, comm::Communicator& communicator, const State& state,
          const hdf5::Attributes& scalars) {
  const fs::path partial = directory.string() + ".partial";
  Plan plan = make_plan(communicator, state);
  gather_checksums(communicator, state, plan);
  std::vector<std::size_t> places(plan.kinds.size() * state.tensors.size());
  try {
    together(communicator, [&] {
      if (!communicator.is_root()) return;
      fs::remove_all(partial);
      fs::create_directories(partial);
      places = write_head(state_file(partial), state, plan, scalars);
    });
    communicator.broadcast(std::span(places), 0);
    together(communicator,
             [&] { write_blocks(state_file(partial), communicator.rank(), state, plan, places); });
    together(communicator, [&] {
      if (communicator.is_root())
        publish(partial, directory, mark_text(state_file(partial), value_ranges(state, places)));
    });
  } catch (...) {
    std::error_code ignored;
    if (communicator.is_root()) fs::remove_all(partial, ignored);
    throw;
  }
}

}  // namespace isoflop::checkpoint
