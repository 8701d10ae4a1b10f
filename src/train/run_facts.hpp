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

/// Bytes that the ranks of one machine need together.
struct NodeShare {
  std::size_t bytes = 0, ranks = 0;
};

/// Collective: `bytes` of this rank and of the others on its machine.
NodeShare sum_on_node(std::size_t bytes, comm::Communicator& world);

/// Collective. Throws InputError, naming `file`, when the processes of this rank's machine need
/// more memory together than it has left.
void check_memory(const config::RunConfig& config, const std::string& file,
                  comm::Communicator& world);

}  // namespace isoflop::train
