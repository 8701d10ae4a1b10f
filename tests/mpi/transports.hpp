// What the conformance suite (communicator_test.cpp) runs on; each of its programs says.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "comm/communicator.hpp"

namespace isoflop::comm {

/// By name; made anew for every test. Collective over the world.
const std::map<std::string, std::function<Communicator()>>& transports();

}  // namespace isoflop::comm
