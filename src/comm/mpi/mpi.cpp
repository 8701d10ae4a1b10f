#include "comm/mpi/mpi.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "comm/mpi/handles.hpp"
#include "comm/mpi/watch.hpp"
#include "core/error.hpp"

namespace isoflop::comm {
namespace {

constexpr int kTag = 1;

// What transports of one world share with the requests they start.
struct Group {
  std::shared_ptr<Watch> watch;
  Options options;
  std::string name;
  std::vector<int> members;  // ranks of the world
};

class MpiPending final : public Pending {
 public:
  MpiPending(const Group& group, const Call& call, std::int64_t sequence)
      : group_(group), call_(call), sequence_(sequence) {}

  MPI_Request* add() { return &requests_.emplace_back(MPI_REQUEST_NULL); }

  MPI_Request* add_receive(int peer, std::size_t bytes) {
    expected_.push_back({peer, bytes});
    return add();
  }

  bool done() override {
    statuses_.resize(expected_.empty() ? 0 : requests_.size());
    if (complete_ || !all_done(requests_, statuses_, call_.name)) return complete_;
    finish();
    return true;
  }

  void wait() override {
    if (complete_) return;
    statuses_.resize(expected_.empty() ? 0 : requests_.size());
    group_.watch->wait(requests_, statuses_,
                       {group_.name, group_.members, call_.name, call_.place, sequence_});
    finish();
  }

 private:
  struct Expected {
    int peer;
    std::size_t bytes;
  };

  // Receives come first among the requests.
  void finish() {
    complete_ = true;
    for (std::size_t i = 0; i < expected_.size(); ++i) {
      MPI_Count seen = 0;
      check_mpi(MPI_Get_elements_x(&statuses_[i], MPI_BYTE, &seen), "MPI_Get_elements_x");
      if (static_cast<std::size_t>(seen) == expected_[i].bytes) continue;
      throw Error(fmt::format(
          "{} at {}: rank {} sent {} bytes, needed {}", call_.name, text_of(call_.place),
          group_.members[static_cast<std::size_t>(expected_[i].peer)], seen, expected_[i].bytes));
    }
  }

  const Group& group_;
  Call call_;
  std::int64_t sequence_;
  std::vector<MPI_Request> requests_;
  std::vector<MPI_Status> statuses_;
  std::vector<Expected> expected_;
  bool complete_ = false;
};

std::vector<int> members_in(MPI_Comm world, MPI_Comm handle, int size) {
  std::vector<int> own(static_cast<std::size_t>(size)), members(own.size());
  for (int rank = 0; rank < size; ++rank) own[static_cast<std::size_t>(rank)] = rank;
  MPI_Group all, some;
  check_mpi(MPI_Comm_group(world, &all), "MPI_Comm_group");
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
  MpiTransport(MPI_Comm handle, MPI_Comm world, std::shared_ptr<Watch> watch,
               const Options& options, const std::string& name)
      : handle_(handle),
        world_(world),
        rank_(handle_.rank()),
        size_(handle_.size()),
        group_{std::move(watch), options, name, members_in(world, handle, size_)} {}

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  Start start_barrier(const Call& call) override {
    auto pending = begin(call);
    check_mpi(MPI_Ibarrier(handle_.get(), pending->add()), "MPI_Ibarrier");
    return pending;
  }

  Start start_broadcast(std::span<std::byte> data, const Call& call) override {
    auto pending = begin(call);
    const BytesType type(data.size(), group_.options.piece_bytes);
    check_mpi(MPI_Ibcast(data.data(), 1, type.get(), call.root, handle_.get(), pending->add()),
              "MPI_Ibcast");
    return pending;
  }

  Start start_all_gather(std::span<const std::byte> mine, std::span<std::byte> all,
                         const Call& call) override {
    std::byte* place = all.data() + mine.size() * static_cast<std::size_t>(rank_);
    if (mine.data() != place && !mine.empty()) std::memcpy(place, mine.data(), mine.size());
    auto pending = begin(call);
    const BytesType type(mine.size(), group_.options.piece_bytes);
    check_mpi(MPI_Iallgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, all.data(), 1, type.get(),
                             handle_.get(), pending->add()),
              "MPI_Iallgather");
    return pending;
  }

  Start start_exchange(std::span<const Message> sends, std::span<const Message> receives,
                       const Call& call) override {
    auto pending = std::make_unique<MpiPending>(group_, call, 0);
    for (const Message& message : receives) {
      const BytesType type(message.data.size(), group_.options.piece_bytes);
      check_mpi(MPI_Irecv(message.data.data(), 1, type.get(), message.peer, kTag, handle_.get(),
                          pending->add_receive(message.peer, message.data.size())),
                "MPI_Irecv");
    }
    for (const Message& message : sends) {
      const BytesType type(message.data.size(), group_.options.piece_bytes);
      check_mpi(MPI_Isend(message.data.data(), 1, type.get(), message.peer, kTag, handle_.get(),
                          pending->add()),
                "MPI_Isend");
    }
    return pending;
  }

  void check(std::size_t bytes, const Call& call) override;

  std::unique_ptr<Transport> group(const std::string& name, int color) override {
    if (const auto all_there = start_barrier({"group"}))
      all_there->wait();  // the split has no deadline
    MPI_Comm part;
    check_mpi(MPI_Comm_split(handle_.get(), color, rank_, &part), "MPI_Comm_split");
    return std::make_unique<MpiTransport>(part, world_, group_.watch, group_.options, name);
  }

  void at_step(std::int64_t step) override { group_.watch->at_step(step); }
  void while_waiting(std::function<void()> action) override {
    group_.watch->while_waiting(std::move(action));
  }

  void abort(int exit_code) override {
    MPI_Abort(MPI_COMM_WORLD, exit_code);
    std::abort();
  }

 private:
  std::unique_ptr<MpiPending> begin(const Call& call) {
    return std::make_unique<MpiPending>(group_, call, ++sequence_);
  }

  CommHandle handle_;
  MPI_Comm world_;  // not ours; what the watch counts ranks in
  int rank_;
  int size_;
  Group group_;
  std::int64_t sequence_ = 0;
};

// The arguments of one rank's call.
struct Signature {
  char call[24];
  char place[80];
  std::uint64_t bytes;
  std::uint64_t element;
  int root;

  bool fits(const Signature& other) const {
    return std::strcmp(call, other.call) == 0 && bytes == other.bytes && element == other.element &&
           root == other.root;
  }
  std::string text(int rank) const {
    return fmt::format("rank {}: {} at {}, {} bytes a rank in elements of {}, root {}", rank, call,
                       place, bytes, element, root);
  }
};

void MpiTransport::check(std::size_t bytes, const Call& call) {
  if (!group_.options.check_arguments) return;
  std::vector<Signature> all(static_cast<std::size_t>(size_));
  Signature mine{{}, {}, bytes, call.element, call.root};
  std::strncpy(mine.call, call.name, sizeof mine.call - 1);
  std::strncpy(mine.place, text_of(call.place).c_str(), sizeof mine.place - 1);
  const auto pending = start_all_gather(std::as_bytes(std::span(&mine, 1)),
                                        std::as_writable_bytes(std::span(all)), call);
  pending->wait();
  for (std::size_t rank = 1; rank < all.size(); ++rank) {
    if (all[rank].fits(all[0])) continue;
    throw Error("ranks disagree about a collective: " + all[0].text(group_.members[0]) + "; " +
                all[rank].text(group_.members[rank]));
  }
}

}  // namespace

void start_mpi() {
  int provided = 0;
  check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided), "MPI_Init_thread");
  if (provided < MPI_THREAD_SERIALIZED)
    throw Error("MPI_Init_thread: this MPI lacks MPI_THREAD_SERIALIZED; use one built with it");
}

void end_mpi() { check_mpi(MPI_Finalize(), "MPI_Finalize"); }

std::unique_ptr<Transport> make_mpi_transport(MPI_Comm parent, const Options& options) {
  return std::make_unique<MpiTransport>(duplicate(parent), parent,
                                        std::make_shared<Watch>(parent, options.deadline_seconds),
                                        options, "world");
}

}  // namespace isoflop::comm
