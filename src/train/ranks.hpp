// Which numbers of ranks a configuration can be dealt to.
#pragma once

#include <cstdint>

#include "config/run_config.hpp"

namespace isoflop::train {

/// InputError unless `ranks` is what parallel.data (0 asks for nothing) times parallel.tensor times
/// parallel.pipeline asks for, every replica gets a virtual rank, and what was asked for combines.
/// `config` is resolved. Comes before make_trainer(), which relies on it.
void check_ranks(const config::RunConfig& config, std::int64_t ranks);

}  // namespace isoflop::train
