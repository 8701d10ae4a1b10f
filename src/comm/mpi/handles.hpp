// Owners of MPI handles, and the check of what MPI calls return.
#pragma once

#include <mpi.h>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace isoflop::comm {

/// Throws Error with MPI's text unless `code` is MPI_SUCCESS.
void check_mpi(int code, const char* call);

/// Whether the message was longer than its place.
bool is_truncated(const MPI_Status& status);

/// This process's rank in `handle`.
int rank_in(MPI_Comm handle);

/// A communicator of its own; its errors are returned.
class CommHandle {
 public:
  /// Takes over `handle`.
  explicit CommHandle(MPI_Comm handle);
  CommHandle(const CommHandle&) = delete;
  CommHandle& operator=(const CommHandle&) = delete;
  ~CommHandle() { MPI_Comm_free(&handle_); }

  MPI_Comm get() const { return handle_; }
  int rank() const { return rank_in(handle_); }
  int size() const;

 private:
  MPI_Comm handle_;
};

MPI_Comm duplicate(MPI_Comm parent);

/// A run of bytes in MPI's words, a count and a type. Counts are ints, so that a run longer than
/// `most` is one element of a type of its own, made of pieces and a rest.
class Bytes {
 public:
  Bytes(std::size_t bytes, std::size_t most);
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;
  ~Bytes() {
    if (type_ != MPI_BYTE) MPI_Type_free(&type_);
  }

  int count() const { return count_; }
  MPI_Datatype type() const { return type_; }

 private:
  int count_;
  MPI_Datatype type_ = MPI_BYTE;
};

}  // namespace isoflop::comm
