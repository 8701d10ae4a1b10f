// A deadline for calls that only block, which nobody can look at while they last: MPI_Comm_split,
// MPI_Finalize.
#pragma once

#include <string>
#include <thread>

namespace isoflop::comm {

class Alarm {
 public:
  /// Unless it is destroyed within `seconds`, it says `message` and ends this process with
  /// `exit_code`, and with it the job.
  Alarm(double seconds, std::string message, int exit_code = 1);

 private:
  std::jthread thread_;
};

/// For a call that waits for other ranks ("MPI_Finalize on rank 3").
Alarm alarm_of_ranks(const std::string& call, double deadline_seconds);

}  // namespace isoflop::comm
