// Commands that run under mpirun: a failure ends every rank, with the exit code of its kind.
#pragma once

#include <functional>

#include "comm/communicator.hpp"

namespace isoflop::cli {

/// Runs `action`. A rank that failed alone would leave the others waiting, so with several ranks an
/// exception ends all of them: code 2 for InputError and 3 for CheckFailed, which all ranks
/// see and the root tells, else 1. A single rank just throws.
void on_all_ranks(comm::Communicator& communicator, const std::function<void()>& action);

}  // namespace isoflop::cli
