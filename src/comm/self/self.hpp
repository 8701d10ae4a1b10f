// The transport of a process alone.
#pragma once

#include <memory>

#include "comm/transport.hpp"

namespace isoflop::comm {

std::unique_ptr<Transport> make_self_transport();

}  // namespace isoflop::comm
