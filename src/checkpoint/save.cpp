#include "checkpoint/save.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "checkpoint/directory.hpp"
#include "checkpoint/head.hpp"
#include "checkpoint/mark.hpp"
#include "checkpoint/plan.hpp"
#include "checkpoint/together.hpp"
#include "comm/options.hpp"
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

constexpr double kVoteSeconds = 1;  // how often ranks tell that they still write

/// Of a block that this rank writes.
std::span<const std::byte> bytes_of(const Block& block, const State& state) {
  const TensorEntry& tensor = state.tensors[static_cast<std::size_t>(block.tensor)];
  const Slice& slice = state.slices[block.slice];
  const std::size_t begin = tensor.offset + static_cast<std::size_t>(block.begin);
  return std::as_bytes(std::span<const float>(slice.data + (begin - slice.begin),
                                              static_cast<std::size_t>(block.count)));
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

/// Bytes that HDF5 needs beside the values, generously.
std::size_t bytes_of_datasets(const State& state, const Plan& plan) {
  constexpr std::size_t kBytesOfFile = 100'000, kBytesOfDataset = 4096 + 1024;
  return kBytesOfFile + plan.kinds.size() * state.tensors.size() * kBytesOfDataset;
}

std::size_t bytes_of(const Head& head) {
  constexpr std::size_t kBytesOfTables = 100'000, kBytesOfRow = 256;
  std::size_t bytes = kBytesOfTables + (head.blocks.size() + head.tensors.size()) * kBytesOfRow;
  for (const auto& [name, value] : head.attributes)
    if (const auto* text = std::get_if<std::string>(&value)) bytes += 2 * text->size();
  return bytes;
}

std::size_t bytes_of_values(const State& state, const Plan& plan) {
  std::size_t bytes = 0;
  for (const TensorEntry& tensor : state.tensors)
    bytes += plan.kinds.size() * sizeof(float) * tensor.count();
  return bytes;
}

/// The run directory is there: one that was moved or removed meanwhile is not made again.
void make_empty_folder(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (!error) fs::create_directory(path.parent_path(), error);
  if (!error) fs::create_directory(path, error);
  if (error) throw_system_error(path, "create", error.value());
}

/// Makes state.h5 with a place for every value; returns those places (byte offsets), by kind and
/// tensor.
std::vector<std::size_t> make_file(const fs::path& path, const State& state, const Plan& plan) {
  hdf5::File file = hdf5::File::create(path);
  file.reserve(bytes_of_datasets(state, plan) + bytes_of_values(state, plan));
  std::vector<std::size_t> places;
  for (const std::string& kind : plan.kinds)
    for (const TensorEntry& tensor : state.tensors)
      places.push_back(
          hdf5::create_contiguous(file, "/" + kind + "/" + tensor.name, tensor.shape).offset);
  file.close();
  return places;
}

/// Adds all but the values: known when every rank has written.
void write_head(const fs::path& path, const Head& head) {
  hdf5::File file = hdf5::File::open(path, hdf5::Access::write);
  file.reserve(bytes_of(head));
  hdf5::Attributes attributes = head.attributes;
  attributes.emplace_back("checksum", checksum_of(head));
  hdf5::write_attributes(file, "/", attributes, hdf5::Text::fixed);
  hdf5::write_table(file, "/tensors", head.tensors);
  hdf5::write_table(file, "/blocks", head.blocks);
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
void put_in_place(const fs::path& partial, const fs::path& directory, const std::string& mark) {
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
  Saving(directory, communicator, state, scalars).publish();
}

Saving::Saving(fs::path directory, comm::Communicator& communicator, State state,
               hdf5::Attributes scalars, std::size_t bytes_of_sync)
    : directory_(std::move(directory)),
      partial_(directory_.string() + ".partial"),
      communicator_(communicator),
      state_(std::move(state)),
      scalars_(std::move(scalars)),
      plan_(make_plan(communicator, state_)),
      places_(plan_.kinds.size() * state_.tensors.size()),
      bytes_of_sync_(bytes_of_sync / static_cast<std::size_t>(communicator.size())),
      deadline_seconds_(comm::Options::from_environment().deadline_seconds) {
  try {
    on_root(state_file(partial_), [&] {
      make_empty_folder(partial_);
      places_ = make_file(state_file(partial_), state_, plan_);
    });
  } catch (...) {
    discard();
    throw;
  }
  communicator_.broadcast(std::span(places_), 0);
  writing_ = std::async(std::launch::async, [this] { write_blocks(); });
}

Saving::~Saving() { dropped_ = true; }

bool Saving::written_within(double seconds) const {
  return writing_.wait_for(std::chrono::duration<double>(seconds)) == std::future_status::ready;
}

/// In rounds, so that no rank waits longer in one than others take to answer, however much longer
/// they write.
void Saving::wait_for_writers() {
  const double seconds = std::min(kVoteSeconds, deadline_seconds_ / 4);
  while (communicator_.maximum(written_within(seconds) ? 0 : 1) != 0) {
  }
}

/// Neither communicates nor calls HDF5.
void Saving::write_blocks() {
  FileDescriptor file(state_file(partial_), O_WRONLY);
  const auto sync = [&] {
    const comm::Alarm alarm = alarm_of(state_file(partial_));
    file.sync();
  };
  std::size_t kind = 0, unsynced = 0;
  for (Block& block : plan_.blocks) {
    while (plan_.kinds[kind] != block.kind) ++kind;
    if (block.rank != communicator_.rank()) continue;
    if (dropped_) return;
    const std::span<const std::byte> bytes = bytes_of(block, state_);
    block.checksum = hex(hash64(bytes));
    const std::size_t place =
        places_[kind * state_.tensors.size() + static_cast<std::size_t>(block.tensor)];
    {
      const comm::Alarm alarm = alarm_of(state_file(partial_));
      file.write(bytes, place + static_cast<std::size_t>(block.begin) * sizeof(float));
    }
    unsynced += bytes.size();
    if (unsynced < bytes_of_sync_) continue;
    sync();
    unsynced = 0;
  }
  sync();
  const comm::Alarm alarm = alarm_of(state_file(partial_));
  file.close();
}

comm::Alarm Saving::alarm_of(const fs::path& file) const {
  return {deadline_seconds_,
          fmt::format("rank {}: {}: the disk has not moved within the deadline of {} s "
                      "(ISOFLOP_DEADLINE sets it)",
                      communicator_.rank(), file.string(), deadline_seconds_)};
}

/// Each call has a deadline of its own, for the root and for those that wait for it.
void Saving::on_root(const fs::path& file, const std::function<void()>& step) {
  together(communicator_, [&] {
    if (!communicator_.is_root()) return;
    const comm::Alarm alarm = alarm_of(file);
    step();
  });
}

/// The root gets the checksum of every block from the rank that wrote it.
void Saving::gather_checksums() {
  std::vector<std::vector<std::uint64_t>> of_rank(static_cast<std::size_t>(communicator_.size()));
  for (const Block& block : plan_.blocks) {
    const bool own = block.rank == communicator_.rank();
    of_rank[static_cast<std::size_t>(block.rank)].push_back(own ? parse_hex(block.checksum) : 0);
  }
  std::vector<comm::Message> sends, receives;
  for (int rank = 1; rank < communicator_.size(); ++rank) {
    auto& checksums = of_rank[static_cast<std::size_t>(rank)];
    const auto data = std::as_writable_bytes(std::span(checksums));
    if (data.empty()) continue;
    if (communicator_.is_root()) receives.push_back({rank, data});
    if (communicator_.rank() == rank) sends.push_back({0, data});
  }
  communicator_.exchange(sends, receives);
  std::vector<std::size_t> next(of_rank.size(), 0);
  for (Block& block : plan_.blocks) {
    const auto rank = static_cast<std::size_t>(block.rank);
    block.checksum = hex(of_rank[rank][next[rank]++]);
  }
}

void Saving::publish() {
  try {
    wait_for_writers();
    together(communicator_, [&] { writing_.get(); });
    gather_checksums();
    const fs::path file = state_file(partial_);
    std::string mark;
    on_root(file, [&] {
      write_head(file, make_head(state_, plan_, scalars_));
      mark = mark_text(file, value_ranges(state_, places_));
    });
    on_root(file, [&] { sync_path(file); });
    on_root(directory_, [&] {
      sync_name_of(directory_.parent_path());  // the folder of checkpoints may be new
      put_in_place(partial_, directory_, mark);
    });
  } catch (...) {
    discard();
    throw;
  }
}

void Saving::discard() noexcept {
  std::error_code ignored;
  if (communicator_.is_root()) fs::remove_all(partial_, ignored);
}

}  // namespace isoflop::checkpoint
