#include "comm/mpi/handles.hpp"

#include <fmt/format.h>

#include <array>
#include <string_view>

#include "core/error.hpp"

namespace isoflop::comm {
namespace {

MPI_Datatype contiguous(std::size_t count, MPI_Datatype of) {
  MPI_Datatype type;
  check_mpi(MPI_Type_contiguous(static_cast<int>(count), of, &type), "MPI_Type_contiguous");
  return type;
}

}  // namespace

void check_mpi(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw Error(
      fmt::format("{}: {}", call, std::string_view(text, static_cast<std::size_t>(length))));
}

bool is_truncated(const MPI_Status& status) {
  int kind = MPI_SUCCESS;
  check_mpi(MPI_Error_class(status.MPI_ERROR, &kind), "MPI_Error_class");
  return kind == MPI_ERR_TRUNCATE;
}

CommHandle::CommHandle(MPI_Comm handle) : handle_(handle) {
  check_mpi(MPI_Comm_set_errhandler(handle_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
}

int rank_in(MPI_Comm handle) {
  int rank = 0;
  check_mpi(MPI_Comm_rank(handle, &rank), "MPI_Comm_rank");
  return rank;
}

int CommHandle::size() const {
  int size = 0;
  check_mpi(MPI_Comm_size(handle_, &size), "MPI_Comm_size");
  return size;
}

MPI_Comm duplicate(MPI_Comm parent) {
  MPI_Comm handle;
  check_mpi(MPI_Comm_dup(parent, &handle), "MPI_Comm_dup");
  return handle;
}

Bytes::Bytes(std::size_t bytes, std::size_t most) {
  if (bytes <= most) {
    count_ = static_cast<int>(bytes);
    return;
  }
  count_ = 1;
  MPI_Datatype piece = contiguous(most, MPI_BYTE);
  std::array<MPI_Datatype, 2> parts = {contiguous(bytes / most, piece),
                                       contiguous(bytes % most, MPI_BYTE)};
  const std::array<int, 2> counts = {1, 1};
  const std::array<MPI_Aint, 2> places = {0, static_cast<MPI_Aint>(bytes / most * most)};
  const int code = MPI_Type_create_struct(2, counts.data(), places.data(), parts.data(), &type_);
  for (MPI_Datatype& part : parts) MPI_Type_free(&part);
  MPI_Type_free(&piece);
  check_mpi(code, "MPI_Type_create_struct");
  check_mpi(MPI_Type_commit(&type_), "MPI_Type_commit");
}

}  // namespace isoflop::comm
