#include "comm/mpi/mpi.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "comm/alarm.hpp"
#include "comm/mpi/elements.hpp"
#include "comm/mpi/handles.hpp"
#include "comm/mpi/pending.hpp"
#include "comm/mpi/signature.hpp"
#include "comm/mpi/watch.hpp"
#include "comm/pool.hpp"
#include "core/error.hpp"

namespace isoflop::comm {
namespace {

constexpr double kAbortSeconds = 30;

std::vector<int> members_in(MPI_Comm handle, int size) {
  std::vector<int> own(static_cast<std::size_t>(size)), members(own.size());
  for (int rank = 0; rank < size; ++rank) own[static_cast<std::size_t>(rank)] = rank;
  MPI_Group all, some;
  check_mpi(MPI_Comm_group(MPI_COMM_WORLD, &all), "MPI_Comm_group");
  check_mpi(MPI_Comm_group(handle, &some), "MPI_Comm_group");
  const int code = MPI_Group_translate_ranks(some, size, own.data(), all, members.data());
  MPI_Group_free(&all);
  MPI_Group_free(&some);
  check_mpi(code, "MPI_Group_translate_ranks");
  return members;
}

class MpiTransport final : public Transport {
 public:
  // Takes over `handle`.
  MpiTransport(MPI_Comm handle, std::shared_ptr<Watch> watch, const Options& options,
               const std::string& name, std::int64_t number)
      : handle_(handle),
        rank_(handle_.rank()),
        size_(handle_.size()),
        group_{std::move(watch), options, name, number, members_in(handle, size_)} {}

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  Start start_barrier(const Call& call) override {
    MpiPending& pending = begin(call);
    Start start(&pending);
    check_mpi(MPI_Ibarrier(handle_.get(), pending.add()), "MPI_Ibarrier");
    return start;
  }

  Start start_broadcast(std::span<std::byte> data, const Call& call) override {
    MpiPending& pending = begin(call);
    Start start(&pending);
    const Bytes bytes(data.size(), piece());
    check_mpi(MPI_Ibcast(data.data(), bytes.count(), bytes.type(), call.root, handle_.get(),
                         pending.add()),
              "MPI_Ibcast");
    return start;
  }

  Start start_all_gather(std::span<const std::byte> mine, std::span<std::byte> all,
                         const Call& call) override {
    std::byte* place = all.data() + mine.size() * static_cast<std::size_t>(rank_);
    if (mine.data() != place && !mine.empty()) std::memcpy(place, mine.data(), mine.size());
    MpiPending& pending = begin(call);
    Start start(&pending);
    // Libraries count to the end of all blocks in ints.
    const Bytes bytes(mine.size(), piece() / static_cast<std::size_t>(size_));
    check_mpi(MPI_Iallgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, all.data(), bytes.count(),
                             bytes.type(), handle_.get(), pending.add()),
              "MPI_Iallgather");
    return start;
  }

  Start start_all_to_all(std::span<const std::byte> out, std::span<std::byte> in,
                         const Call& call) override {
    const std::size_t each = in.size() / static_cast<std::size_t>(size_);
    const auto at = [each](int rank) { return static_cast<std::size_t>(rank) * each; };
    if (each > 0) std::memcpy(in.data() + at(rank_), out.data() + at(rank_), each);
    MpiPending& pending = begin_messages(call);
    Start start(&pending);
    for (int peer = 0; peer < size_; ++peer)
      if (peer != rank_) receive(pending, peer, in.subspan(at(peer), each));
    for (int peer = 0; peer < size_; ++peer)
      if (peer != rank_) send(pending, peer, out.subspan(at(peer), each), call);
    return start;
  }

  Start start_exchange(std::span<const Message> sends, std::span<const Message> receives,
                       const Call& call) override {
    MpiPending& pending = begin_messages(call);
    Start start(&pending);
    for (const Message& message : receives) receive(pending, message.peer, message.data);
    for (const Message& message : sends) send(pending, message.peer, message.data, call);
    return start;
  }

  // Predefined operations take predefined types alone, so that pieces are calls of their own.
  Start start_unordered_all_reduce(std::span<float> values, const Call& call) override {
    MpiPending& pending = begin(call);
    Start start(&pending);
    const std::size_t most = piece() / sizeof(float);
    for (std::size_t at = 0; at < values.size(); at += most) {
      const int count = static_cast<int>(std::min(most, values.size() - at));
      check_mpi(MPI_Iallreduce(MPI_IN_PLACE, values.data() + at, count, MPI_FLOAT, MPI_SUM,
                               handle_.get(), pending.add()),
                "MPI_Iallreduce");
    }
    return start;
  }

  Start start_unordered_reduce_scatter(std::span<float> values, const Call& call) override {
    const std::size_t each = values.size() / static_cast<std::size_t>(size_);
    if (values.size() > static_cast<std::size_t>(INT_MAX))
      throw Error(
          fmt::format("{} at {}: seen {} numbers, needed at most {}, which is what MPI counts",
                      call.name, text_of(call.place), values.size(), INT_MAX));
    MpiPending& pending = begin(call);
    Start start(&pending);
    check_mpi(MPI_Ireduce_scatter_block(MPI_IN_PLACE, values.data(), static_cast<int>(each),
                                        MPI_FLOAT, MPI_SUM, handle_.get(), pending.add()),
              "MPI_Ireduce_scatter_block");
    return start;
  }

  void check(std::size_t bytes, const Call& call) override {
    if (!group_.options.check_arguments) return;
    std::vector<Signature> all(static_cast<std::size_t>(size_));
    const Signature mine(bytes, call);
    start_all_gather(std::as_bytes(std::span(&mine, 1)), std::as_writable_bytes(std::span(all)),
                     call)
        ->wait();
    require_same(all, group_.members);
  }

  std::unique_ptr<Transport> group(const std::string& name, int color) override {
    // Who does not come is named by this gather, which also finds a number that is new to all.
    std::vector<std::int64_t> numbers(static_cast<std::size_t>(size_));
    const std::int64_t mine = group_.watch->newest_group();
    start_all_gather(std::as_bytes(std::span(&mine, 1)), std::as_writable_bytes(std::span(numbers)),
                     {"group"})
        ->wait();
    const std::int64_t number = 1 + *std::max_element(numbers.begin(), numbers.end());
    group_.watch->newest_group(number);
    const Alarm alarm =
        alarm_of_ranks(fmt::format("MPI_Comm_split of group {} on rank {}", name, world_rank()),
                       group_.options.deadline_seconds);
    MPI_Comm part;
    check_mpi(MPI_Comm_split(handle_.get(), color, rank_, &part), "MPI_Comm_split");
    return std::make_unique<MpiTransport>(part, group_.watch, group_.options, name, number);
  }

  void at_step(std::int64_t step) override { group_.watch->at_step(step); }
  void while_waiting(std::function<void()> action) override {
    group_.watch->while_waiting(std::move(action));
  }

  void abort(int exit_code) override {
    const Alarm alarm(kAbortSeconds,
                      fmt::format("MPI_Abort on rank {} has not ended the job within {} s",
                                  world_rank(), kAbortSeconds),
                      exit_code);
    MPI_Abort(MPI_COMM_WORLD, exit_code);
    std::abort();
  }

 private:
  int world_rank() const { return group_.members[static_cast<std::size_t>(rank_)]; }
  std::size_t piece() const { return group_.options.piece_bytes; }

  MpiPending& begin(const Call& call) {
    MpiPending& pending = pool_.take(group_, pool_);
    pending.begin(call, ++sequence_);
    return pending;
  }
  MpiPending& begin_messages(const Call& call) {
    MpiPending& pending = pool_.take(group_, pool_);
    pending.begin(call, 0);
    return pending;
  }
  void receive(MpiPending& pending, int peer, std::span<std::byte> data) {
    const Bytes bytes(data.size(), piece());
    check_mpi(MPI_Irecv(data.data(), bytes.count(), bytes.type(), peer, MPI_ANY_TAG, handle_.get(),
                        pending.add_receive(peer, data.size())),
              "MPI_Irecv");
  }
  void send(MpiPending& pending, int peer, std::span<const std::byte> data, const Call& call) {
    const Bytes bytes(data.size(), piece());
    check_mpi(MPI_Isend(data.data(), bytes.count(), bytes.type(), peer, tag_of(*call.type),
                        handle_.get(), pending.add_send(peer)),
              "MPI_Isend");
  }

  CommHandle handle_;
  int rank_;
  int size_;
  Group group_;
  Pool<MpiPending> pool_;
  std::int64_t sequence_ = 0;
};

}  // namespace

void start_mpi(const Options& options) {
  const Alarm alarm = alarm_of_ranks("MPI_Init_thread", options.deadline_seconds);
  int provided = 0;
  check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided), "MPI_Init_thread");
  if (provided < MPI_THREAD_SERIALIZED)
    throw Error("MPI_Init_thread: this MPI lacks MPI_THREAD_SERIALIZED; use one built with it");
}

void end_mpi(const Options& options) {
  const Alarm alarm = alarm_of_ranks(
      fmt::format("MPI_Finalize on rank {}", rank_in(MPI_COMM_WORLD)), options.deadline_seconds);
  check_mpi(MPI_Finalize(), "MPI_Finalize");
}

std::unique_ptr<Transport> make_mpi_transport(const Options& options) {
  const Alarm alarm = alarm_of_ranks(
      fmt::format("MPI_Comm_dup on rank {}", rank_in(MPI_COMM_WORLD)), options.deadline_seconds);
  return std::make_unique<MpiTransport>(
      duplicate(MPI_COMM_WORLD), std::make_shared<Watch>(MPI_COMM_WORLD, options.deadline_seconds),
      options, "world", 0);
}

}  // namespace isoflop::comm
