// Counts what this thread asks of operator new. A test program that uses it links
// isoflop_count_allocations, which replaces the operators of the whole program.
#pragma once

#include <cstddef>

namespace isoflop::testing {

/// Calls of operator new in this thread so far.
std::size_t allocations();

}  // namespace isoflop::testing
