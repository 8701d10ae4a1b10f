// A deadline for calls that only block, which nobody can look at while they last: MPI_Comm_split,
// MPI_Finalize.
#pragma once

#include <string>
#include <thread>

namespace isoflop::comm {

class Alarm {
 public:
  /// Unless it is destroyed within `seconds`, it says that `call` ("MPI_Finalize on rank 3") took
  /// longer and ends this process with exit code 1, and with it the job.
  Alarm(double seconds, std::string call);

 private:
  std::jthread thread_;
};

}  // namespace isoflop::comm
