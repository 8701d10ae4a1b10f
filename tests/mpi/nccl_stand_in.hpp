// The calls of CUDA and NCCL that src/comm/nccl makes, over MPI: so that our half of that transport
// runs where no GPU is. Streams do what was put into them one after the other, as on a device.
#pragma once

namespace isoflop::comm {

struct StandIn {
  bool hangs = false;  // the device does nothing any more
  int aborted = 0;     // communicators
};

StandIn& stand_in();

}  // namespace isoflop::comm
