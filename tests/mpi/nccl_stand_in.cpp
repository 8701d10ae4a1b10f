#include "nccl_stand_in.hpp"

#include <cuda_runtime_api.h>
#include <mpi.h>
#include <nccl.h>

#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <set>
#include <utility>
#include <vector>

namespace {

using Requests = std::vector<MPI_Request>;

struct Work {
  std::function<void(Requests&)> start;
  Requests requests;
  bool started = false;
};

std::set<CUstream_st*> streams;

// Messages between ncclGroupStart and ncclGroupEnd.
bool in_group = false;
std::vector<std::function<void(Requests&)>> grouped;
CUstream_st* stream_of_group = nullptr;

}  // namespace

struct CUstream_st {
  std::deque<Work> works;
  long put_in = 0, done = 0;

  void put(std::function<void(Requests&)> start) {
    works.push_back({std::move(start), {}});
    ++put_in;
  }
  void move_on() {
    while (!works.empty()) {
      Work& work = works.front();
      if (!std::exchange(work.started, true)) work.start(work.requests);
      int complete = 0;
      MPI_Testall(static_cast<int>(work.requests.size()), work.requests.data(), &complete,
                  MPI_STATUSES_IGNORE);
      if (complete == 0) return;
      works.pop_front();
      ++done;
    }
  }
};

struct CUevent_st {
  CUstream_st* stream = nullptr;
  long after = 0;
};

struct ncclComm {
  MPI_Comm ranks;
};

namespace isoflop::comm {

StandIn& stand_in() {
  static StandIn state;
  return state;
}

}  // namespace isoflop::comm

using isoflop::comm::stand_in;

namespace {

int counted(std::size_t count) { return static_cast<int>(count); }

// Outputs may be inputs; MPI wants to be told.
const void* unless_same(const void* in, const void* out) { return in == out ? MPI_IN_PLACE : in; }

ncclResult_t put(cudaStream_t stream, std::function<void(Requests&)> start) {
  if (!in_group) {
    stream->put(std::move(start));
  } else {
    grouped.push_back(std::move(start));
    stream_of_group = stream;
  }
  return ncclSuccess;
}

}  // namespace

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 64;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int) { return cudaSuccess; }
const char* cudaGetErrorString(cudaError_t) { return "an error of the stand-in"; }
cudaError_t cudaHostAlloc(void** block, std::size_t size, unsigned) {
  *block = std::malloc(size);
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* block) {
  std::free(block);
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  streams.insert(*stream = new CUstream_st);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  streams.erase(stream);
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new CUevent_st;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  *event = {stream, stream->put_in};
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (!stand_in().hangs)
    for (CUstream_st* stream : streams) stream->move_on();
  return event->stream->done >= event->after ? cudaSuccess : cudaErrorNotReady;
}

const char* ncclGetErrorString(ncclResult_t) { return "an error of the stand-in"; }
const char* ncclGetLastError(ncclComm_t) { return ""; }

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  std::strcpy(id->internal, "made by one rank");
  return ncclSuccess;
}
ncclResult_t ncclCommInitRank(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank) {
  int size = 0, me = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Comm_rank(MPI_COMM_WORLD, &me);
  if (size != ranks || me != rank || std::strcmp(id.internal, "made by one rank") != 0)
    return ncclInvalidArgument;
  *comm = new ncclComm;
  MPI_Comm_dup(MPI_COMM_WORLD, &(*comm)->ranks);
  return ncclSuccess;
}
ncclResult_t ncclCommSplit(ncclComm_t comm, int color, int key, ncclComm_t* part, ncclConfig_t*) {
  *part = new ncclComm;
  MPI_Comm_split(comm->ranks, color, key, &(*part)->ranks);
  return ncclSuccess;
}
ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  MPI_Comm_free(&comm->ranks);
  delete comm;
  return ncclSuccess;
}
// What the device had to do is forgotten; to free the ranks would wait for the others.
ncclResult_t ncclCommAbort(ncclComm_t comm) {
  ++stand_in().aborted;
  for (CUstream_st* stream : streams) {
    stream->works.clear();
    stream->done = stream->put_in;
  }
  delete comm;
  return ncclSuccess;
}
ncclResult_t ncclCommGetAsyncError(ncclComm_t, ncclResult_t* error) {
  *error = ncclSuccess;
  return ncclSuccess;
}

ncclResult_t ncclBroadcast(const void* in, void* out, std::size_t count, ncclDataType_t, int root,
                           ncclComm_t comm, cudaStream_t stream) {
  if (in != out) return ncclInvalidArgument;
  return put(stream, [=](Requests& requests) {
    MPI_Ibcast(out, counted(count), MPI_BYTE, root, comm->ranks, &requests.emplace_back());
  });
}
ncclResult_t ncclAllGather(const void* in, void* out, std::size_t count, ncclDataType_t,
                           ncclComm_t comm, cudaStream_t stream) {
  int rank = 0;
  MPI_Comm_rank(comm->ranks, &rank);
  const void* own = static_cast<std::byte*>(out) + count * static_cast<std::size_t>(rank);
  return put(stream, [=](Requests& requests) {
    MPI_Iallgather(unless_same(in, own), counted(count), MPI_BYTE, out, counted(count), MPI_BYTE,
                   comm->ranks, &requests.emplace_back());
  });
}
ncclResult_t ncclAllReduce(const void* in, void* out, std::size_t count, ncclDataType_t type,
                           ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream) {
  if (type != ncclFloat32 || op != ncclSum) return ncclInvalidArgument;
  return put(stream, [=](Requests& requests) {
    MPI_Iallreduce(unless_same(in, out), out, counted(count), MPI_FLOAT, MPI_SUM, comm->ranks,
                   &requests.emplace_back());
  });
}
// MPI's leaves its result elsewhere when it works in place: it gets a copy to work on.
ncclResult_t ncclReduceScatter(const void* in, void* out, std::size_t count, ncclDataType_t type,
                               ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream) {
  if (type != ncclFloat32 || op != ncclSum) return ncclInvalidArgument;
  int ranks = 0;
  MPI_Comm_size(comm->ranks, &ranks);
  const auto* first = static_cast<const float*>(in);
  std::vector<float> all(first, first + count * static_cast<std::size_t>(ranks));
  return put(stream, [=, all = std::move(all)](Requests& requests) {
    MPI_Ireduce_scatter_block(all.data(), out, counted(count), MPI_FLOAT, MPI_SUM, comm->ranks,
                              &requests.emplace_back());
  });
}

ncclResult_t ncclGroupStart() {
  in_group = true;
  return ncclSuccess;
}
ncclResult_t ncclGroupEnd() {
  in_group = false;
  stream_of_group->put([messages = std::exchange(grouped, {})](Requests& requests) {
    for (const auto& start : messages) start(requests);
  });
  return ncclSuccess;
}
ncclResult_t ncclSend(const void* out, std::size_t count, ncclDataType_t, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  return put(stream, [=](Requests& requests) {
    MPI_Isend(out, counted(count), MPI_BYTE, peer, 0, comm->ranks, &requests.emplace_back());
  });
}
ncclResult_t ncclRecv(void* in, std::size_t count, ncclDataType_t, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  return put(stream, [=](Requests& requests) {
    MPI_Irecv(in, counted(count), MPI_BYTE, peer, 0, comm->ranks, &requests.emplace_back());
  });
}
}
