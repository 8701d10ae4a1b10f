#include "comm/mpi/mpi.hpp"

#include <cxxabi.h>
#include <fmt/format.h>

#include <algorithm>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <typeinfo>
#include <vector>

#include "comm/alarm.hpp"
#include "comm/mpi/handles.hpp"
#include "comm/mpi/watch.hpp"
#include "comm/pool.hpp"
#include "core/bf16.hpp"
#include "core/error.hpp"
#include "core/hash.hpp"

namespace isoflop::comm {
namespace {

constexpr double kAbortSeconds = 30;

std::string readable(const std::type_info& type) {
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(type.name(), nullptr, nullptr, nullptr), &std::free);
  return text ? text.get() : type.name();
}

// MPI is given bytes; what their elements are goes with a message as its tag. An exchange is of
// bytes and says nothing.
constexpr int kUntyped = 0;

int tag_of(const std::type_info& type) {
  constexpr std::uint64_t kTags = 32767;  // what every MPI has above 0
  return type == typeid(std::byte) ? kUntyped : 1 + static_cast<int>(hash64(type.name()) % kTags);
}

std::string type_with(int tag) {
  for (const std::type_info* type :
       {&typeid(float), &typeid(bf16), &typeid(double), &typeid(char), &typeid(std::int32_t),
        &typeid(std::uint32_t), &typeid(std::int64_t), &typeid(std::uint64_t)})
    if (tag_of(*type) == tag) return readable(*type);
  return "another type";
}

// What a transport shares with the requests it starts.
struct Group {
  std::shared_ptr<Watch> watch;
  Options options;
  std::string name;
  std::int64_t number;       // no other group of any of its members has it
  std::vector<int> members;  // ranks of the world
};

class MpiPending final : public Pending {
 public:
  MpiPending(const Group& group, Pool<MpiPending>& pool) : group_(group), pool_(pool) {
    const std::size_t most = 2 * group.members.size();  // of messages, in most calls
    requests_.reserve(most);
    statuses_.reserve(most);
    peers_.reserve(most);
    expected_.reserve(most);
  }

  /// `sequence` 0: messages.
  void begin(const Call& call, std::int64_t sequence) {
    call_ = call;
    sequence_ = sequence;
    requests_.clear();
    statuses_.clear();
    peers_.clear();
    expected_.clear();
    complete_ = false;
  }

  MPI_Request* add() { return &requests_.emplace_back(MPI_REQUEST_NULL); }

  MPI_Request* add_send(int peer) {
    peers_.push_back(group_.members[static_cast<std::size_t>(peer)]);
    return add();
  }

  /// Receives come first.
  MPI_Request* add_receive(int peer, std::size_t bytes) {
    expected_.push_back(bytes);
    return add_send(peer);
  }

  bool done() override {
    begin_test();
    if (complete_ || group_.watch->failed() || !all_done(requests_, statuses_, call_.name))
      return complete_;
    finish();
    return true;
  }

  void wait() override {
    if (complete_) return;
    begin_test();
    group_.watch->wait(requests_, statuses_,
                       {group_.name, group_.number, sequence_ > 0 ? group_.members : peers_,
                        call_.name, call_.place, sequence_});
    finish();
  }

  // What was given up may still be written to.
  void give_back() noexcept override {
    if (complete_) pool_.give_back(*this);
  }

 private:
  // MPI wants a status for every request or for none.
  void begin_test() {
    if (!expected_.empty()) statuses_.resize(requests_.size());
  }

  void finish() {
    const auto pending = [](const MPI_Status& s) { return s.MPI_ERROR == MPI_ERR_PENDING; };
    complete_ = std::ranges::none_of(statuses_, pending);
    for (std::size_t i = 0; i < expected_.size(); ++i)
      if (!pending(statuses_[i])) require_fit(i);
  }

  void require_fit(std::size_t receive) const {
    const MPI_Status& status = statuses_[receive];
    const int needed_tag = tag_of(*call_.type);
    if (status.MPI_TAG != needed_tag && status.MPI_TAG != kUntyped && needed_tag != kUntyped)
      throw Error(fmt::format("{} at {}: rank {} sent elements of {}, needed {}", call_.name,
                              text_of(call_.place), peers_[receive], type_with(status.MPI_TAG),
                              readable(*call_.type)));
    MPI_Count count = 0;
    check_mpi(MPI_Get_elements_x(&status, MPI_BYTE, &count), "MPI_Get_elements_x");
    const auto seen = static_cast<std::size_t>(count);
    const std::size_t needed = expected_[receive];
    const bool longer = is_truncated(status);
    if (seen == needed && !longer) return;
    // Libraries may count of a longer message what there was room for.
    const std::string sent = longer && seen <= needed ? "more" : fmt::format("{} bytes", seen);
    throw Error(fmt::format("{} at {}: rank {} sent {}, needed {} bytes", call_.name,
                            text_of(call_.place), peers_[receive], sent, needed));
  }

  const Group& group_;
  Pool<MpiPending>& pool_;
  Call call_{""};
  std::int64_t sequence_ = 0;
  std::vector<MPI_Request> requests_;
  std::vector<MPI_Status> statuses_;
  std::vector<int> peers_;             // of messages, by request; ranks of the world
  std::vector<std::size_t> expected_;  // bytes, by receive
  bool complete_ = false;
};

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

  void check(std::size_t bytes, const Call& call) override;

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

// The arguments of one rank's call.
struct Signature {
  char call[32] = {};
  char place[80] = {};
  char type[40] = {};
  char combine[8] = {};
  std::uint64_t bytes = 0;
  int root = 0;

  Signature() = default;
  Signature(std::size_t bytes_a_rank, const Call& from) : bytes(bytes_a_rank), root(from.root) {
    copy_text(call, from.name);
    copy_text(place, text_of(from.place));
    copy_text(type, readable(*from.type));
    copy_text(combine, from.combine);
  }

  bool fits(const Signature& other) const {
    return std::strcmp(call, other.call) == 0 && std::strcmp(type, other.type) == 0 &&
           std::strcmp(combine, other.combine) == 0 && bytes == other.bytes && root == other.root;
  }
  std::string text(int rank) const {
    const std::string of = combine[0] == '\0' ? "" : fmt::format(" ({})", combine);
    return fmt::format("rank {}: {}{} at {}, {} bytes a rank in elements of {}, root {}", rank,
                       call, of, place, bytes, type, root);
  }
};

void MpiTransport::check(std::size_t bytes, const Call& call) {
  if (!group_.options.check_arguments) return;
  std::vector<Signature> all(static_cast<std::size_t>(size_));
  const Signature mine(bytes, call);
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
