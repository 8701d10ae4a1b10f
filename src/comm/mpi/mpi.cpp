#include "comm/mpi/mpi.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string_view>
#include <vector>

#include "core/error.hpp"

namespace isoflop::comm {
namespace {

void check(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw Error(
      fmt::format("{}: {}", call, std::string_view(text, static_cast<std::size_t>(length))));
}

// MPI counts are ints: longer messages go in pieces of this many bytes.
constexpr std::size_t kPiece = std::size_t{1} << 30;
static_assert(kPiece <= std::numeric_limits<int>::max());

class MpiTransport final : public Transport {
 public:
  explicit MpiTransport(MPI_Comm parent) {
    check(MPI_Comm_dup(parent, &handle_), "MPI_Comm_dup");
    check(MPI_Comm_set_errhandler(handle_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    check(MPI_Comm_rank(handle_, &rank_), "MPI_Comm_rank");
    check(MPI_Comm_size(handle_, &size_), "MPI_Comm_size");
  }
  ~MpiTransport() override { MPI_Comm_free(&handle_); }
  MpiTransport(const MpiTransport&) = delete;
  MpiTransport& operator=(const MpiTransport&) = delete;

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void barrier() override { check(MPI_Barrier(handle_), "MPI_Barrier"); }

  void broadcast(std::span<std::byte> data, int root) override {
    in_pieces(data, [&](std::byte* piece, int count) {
      check(MPI_Bcast(piece, count, MPI_BYTE, root, handle_), "MPI_Bcast");
    });
  }

  void all_gather(std::span<const std::byte> mine, std::span<std::byte> all) override {
    std::byte* place = all.data() + mine.size() * static_cast<std::size_t>(rank_);
    if (mine.data() != place && !mine.empty()) std::memcpy(place, mine.data(), mine.size());
    if (mine.size() > kPiece) {
      for (int root = 0; root < size_; ++root)
        broadcast(all.subspan(mine.size() * static_cast<std::size_t>(root), mine.size()), root);
      return;
    }
    MPI_Datatype block;  // one block a rank, so that the product of count and ranks may pass 2^31
    check(MPI_Type_contiguous(static_cast<int>(mine.size()), MPI_BYTE, &block),
          "MPI_Type_contiguous");
    check(MPI_Type_commit(&block), "MPI_Type_commit");
    const int code =
        MPI_Allgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, all.data(), 1, block, handle_);
    MPI_Type_free(&block);
    check(code, "MPI_Allgather");
  }

  void exchange(std::span<const Message> sends, std::span<const Message> receives) override {
    requests_.clear();
    for (const Message& message : receives) {
      in_pieces(message.data, [&](std::byte* piece, int count) {
        check(MPI_Irecv(piece, count, MPI_BYTE, message.peer, kTag, handle_,
                        &requests_.emplace_back()),
              "MPI_Irecv");
      });
    }
    for (const Message& message : sends) {
      in_pieces(message.data, [&](const std::byte* piece, int count) {
        check(MPI_Isend(piece, count, MPI_BYTE, message.peer, kTag, handle_,
                        &requests_.emplace_back()),
              "MPI_Isend");
      });
    }
    check(MPI_Waitall(static_cast<int>(requests_.size()), requests_.data(), MPI_STATUSES_IGNORE),
          "MPI_Waitall");
  }

  std::int64_t maximum(std::int64_t value) override {
    std::int64_t result = 0;
    check(MPI_Allreduce(&value, &result, 1, MPI_INT64_T, MPI_MAX, handle_), "MPI_Allreduce");
    return result;
  }

  void abort(int exit_code) override {
    MPI_Abort(MPI_COMM_WORLD, exit_code);
    std::abort();
  }

 private:
  static constexpr int kTag = 1;

  template <class Action>
  static void in_pieces(std::span<std::byte> data, Action&& action) {
    for (; !data.empty(); data = data.subspan(std::min(kPiece, data.size()))) {
      action(data.data(), static_cast<int>(std::min(kPiece, data.size())));
    }
  }

  MPI_Comm handle_ = MPI_COMM_NULL;
  int rank_ = 0;
  int size_ = 1;
  std::vector<MPI_Request> requests_;  // kept between calls: no allocation in the step loop
};

}  // namespace

void start_mpi() {
  int provided = 0;
  check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided), "MPI_Init_thread");
  if (provided < MPI_THREAD_MULTIPLE)
    throw Error("MPI_Init_thread: this MPI lacks MPI_THREAD_MULTIPLE; use one built with it");
}

void end_mpi() { MPI_Finalize(); }

std::unique_ptr<Transport> make_mpi_transport(MPI_Comm parent) {
  return std::make_unique<MpiTransport>(parent);
}

}  // namespace isoflop::comm
