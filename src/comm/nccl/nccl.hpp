// Collectives between ranks that have a GPU each, over NCCL (2.18 or later). A library of its own,
// isoflop_comm_nccl, built where CUDA's toolkit and NCCL are; the program does not use it yet: the
// model computes on the host, where MPI is the shorter way.
//
// Spans are memory of the host, as everywhere in this folder: each call copies through page-locked
// memory, which the GPUs read and write themselves. What NCCL has no like of goes over `host`: the
// barrier, the comparison of arguments, and messages between pairs, since the calls of an NCCL
// communicator run one after the other, and two ranks that send to each other before they receive
// would wait for ever.
//
// A collective also starts a barrier of `host`, by which a deadline that passes names the ranks
// that did not arrive; the call is then aborted on this rank, and everything after it fails.
#pragma once

#include <memory>

#include "comm/options.hpp"
#include "comm/transport.hpp"

namespace isoflop::comm {

/// GPUs that this process sees; 0 where there is no driver.
int visible_gpus();

/// Over the ranks of `host`, this one on GPU `device`, which no other rank may use. Collective;
/// blocks until all ranks are there and connected. Its groups connect likewise.
std::unique_ptr<Transport> make_nccl_transport(std::unique_ptr<Transport> host, int device,
                                               const Options& options);

}  // namespace isoflop::comm
