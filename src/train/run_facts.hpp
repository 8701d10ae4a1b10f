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

/// Memory of the rank that has most: ranks of a pipeline, say, do not need the same.
struct LargestRank {
  std::size_t bytes = 0;
  int rank = 0;  // the first of those

  /// "52.9 MiB", with more than one of `ranks` "52.9 MiB on rank 3".
  std::string text(int ranks) const;
};

/// Collective: what the rank with the largest `bytes` has.
LargestRank largest_of(std::size_t bytes, comm::Communicator& world);

/// What comes on top of the predicted bytes of that rank: ", and up to 18.1 MiB that MPI's
/// reductions copy". Empty: nothing does.
std::string copies_text(const config::RunConfig& config, int ranks, const LargestRank& needs);

/// N, D, C, layout and predicted memory, a line each. `needs`: the process_bytes() of all ranks.
std::vector<std::string> describe_run(const config::RunConfig& config,
                                      const data::TokenSource& source, int ranks,
                                      const LargestRank& needs);

/// All but the label and what is predicted.
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
