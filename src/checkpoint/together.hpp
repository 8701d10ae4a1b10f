// A failure on one rank becomes the same failure on all, instead of a hang.
#pragma once

#include <functional>

#include "comm/communicator.hpp"

namespace isoflop::checkpoint {

/// Runs `action` on this rank. When it threw on any rank, all ranks throw what the lowest of those
/// ranks threw (Damaged, InputError or Error, same text). Collective; `action` itself must not
/// communicate.
void together(comm::Communicator& communicator, const std::function<void()>& action);

}  // namespace isoflop::checkpoint
