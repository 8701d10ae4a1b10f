// How many runs of a sweep there are and have finished, counted alike wherever it is told.
#pragma once

#include <cstddef>

#include "experiment/plan.hpp"
#include "experiment/sweep_directory.hpp"

namespace isoflop::experiment {

/// A trunk is trained for its branches, and perhaps never: it counts only where it failed.
struct Tally {
  std::size_t finished = 0, failed = 0, total = 0;

  void add(Role role, State state) {
    if (role == Role::trunk && state != State::failed) return;
    ++total;
    finished += state == State::finished;
    failed += state == State::failed;
  }
};

}  // namespace isoflop::experiment
