// The rows of results.h5 as points for a fit.
#pragma once

#include <string>

#include "laws/points.hpp"
#include "record/results.hpp"

namespace isoflop::experiment {

/// Final losses of the finished runs; params with or without embeddings, flops = 6 N D with that N.
/// Targets and runs that did not finish are left out with the reason. `source`: the file, for
/// messages. Throws InputError when no run is left.
laws::Points points_of(const record::Results& results, bool counts_embeddings,
                       const std::string& source);

}  // namespace isoflop::experiment
