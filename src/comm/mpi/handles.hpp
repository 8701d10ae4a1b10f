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

/// A communicator of its own; its errors are returned.
class CommHandle {
 public:
  /// Takes over `handle`.
  explicit CommHandle(MPI_Comm handle);
  CommHandle(const CommHandle&) = delete;
  CommHandle& operator=(const CommHandle&) = delete;
  ~CommHandle() { MPI_Comm_free(&handle_); }

  MPI_Comm get() const { return handle_; }
  int rank() const;
  int size() const;

 private:
  MPI_Comm handle_;
};

MPI_Comm duplicate(MPI_Comm parent);

/// A run of bytes as one element, however many: MPI's counts are ints, so that runs longer than
/// `piece` are described as pieces and a rest.
class BytesType {
 public:
  BytesType(std::size_t bytes, std::size_t piece);
  BytesType(const BytesType&) = delete;
  BytesType& operator=(const BytesType&) = delete;
  ~BytesType() { MPI_Type_free(&type_); }

  MPI_Datatype get() const { return type_; }

 private:
  MPI_Datatype type_ = MPI_DATATYPE_NULL;
};

}  // namespace isoflop::comm
