// What is known of a run before it starts: for people, for the record, and for the machine's
// memory.
#pragma once

#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "config/run_config.hpp"
#include "data/token_source.hpp"
#include "record/run_record.hpp"

namespace isoflop::train {

/// N, D, C, layout and predicted memory, a line each.
std::vector<std::string> describe_run(const config::RunConfig& config,
                                      const data::TokenSource& source, int ranks);

/// All but the label and the predicted seconds.
record::RunFacts facts_of(const config::RunConfig& config, const data::TokenSource& source,
                          int ranks);

/// Throws InputError, naming `file`, for a run whose share on this rank the machine's free memory
/// does not hold.
void check_memory(const config::RunConfig& config, const std::string& file,
                  const comm::Communicator& world);

}  // namespace isoflop::train
