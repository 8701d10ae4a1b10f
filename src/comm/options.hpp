// How patient and how careful a communicator is.
#pragma once

#include <cstddef>

namespace isoflop::comm {

struct Options {
  double deadline_seconds = 600.0;  // how long a call may wait for other ranks
#ifdef NDEBUG
  bool check_arguments = false;
#else
  bool check_arguments = true;
#endif
  std::size_t piece_bytes = std::size_t{1} << 30;  // longer messages are described in pieces

  /// The defaults, with ISOFLOP_DEADLINE (seconds) from the environment. InputError unless that is
  /// a finite number above 0.
  static Options from_environment();
};

}  // namespace isoflop::comm
