// Which numbers of ranks a configuration can be dealt to, and whether all of them have the same.
#pragma once

#include <cstdint>
#include <string>

#include "comm/communicator.hpp"
#include "config/run_config.hpp"

namespace isoflop::train {

/// InputError unless `ranks` is what parallel.data (0 asks for nothing) times parallel.tensor times
/// parallel.pipeline asks for, every replica gets a virtual rank (in a pipeline with ZeRO 2 or 3
/// all get equally many), and what was asked for combines; the message names the nearest layouts
/// that work. `config` is resolved. Comes before make_trainer(), which relies on it.
void check_ranks(const config::RunConfig& config, std::int64_t ranks);

/// InputError unless all ranks have the same configuration and text, and `start`: the checkpoint of
/// another run, if any. Where the corpus lies may differ, and the number of threads. `config` is
/// resolved. Collective.
void check_agreement(const config::RunConfig& config, const std::string& start,
                     comm::Communicator& communicator);

}  // namespace isoflop::train
