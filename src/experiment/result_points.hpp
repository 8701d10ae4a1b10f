// The rows of results.h5, and the curves of the runs that it links to, as points for a fit.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "laws/points/points.hpp"
#include "record/results.hpp"
#include "record/run_data.hpp"

namespace isoflop::experiment {

/// The record of a run of the results, empty when it is not there any more.
using FindRecord = std::function<std::optional<record::RunData>(const std::string& run)>;

/// Reads the records that the results file at `path` links to.
FindRecord linked_records_of(const std::string& path);

/// How the compute of a run is counted: 6 N D with the N of the points, or the FLOP of every
/// operation as recorded.
enum class FlopsKind { six_nd, exact };

/// Final losses of the finished runs; params with or without embeddings. Left out with the reason:
/// targets, runs that did not finish and, from their records, runs that were still warming up at
/// their end or ended in a loss spike. Runs that share a trunk (warm-up-stable-decay, the same but
/// for their tokens) are one group. The stage of a run is "final", or "constant-lr" by its record:
/// those two do not go into one fit. `source`: the file, for messages. A note names the runs that
/// were restarted. Throws InputError when no run is left, and for runs of two vocabularies, data
/// fingerprints or contexts, whose losses are not those of one law.
laws::Points points_of(const record::Results& results, bool counts_embeddings,
                       const std::string& source, const FindRecord& find_record,
                       FlopsKind flops = FlopsKind::six_nd);

/// The training losses along the same runs from the end of their warmup on, for approach 1: at
/// most 200 points a run, means over equal steps of ln D. A point's group is its run.
laws::Points curves_of(const record::Results& results, bool counts_embeddings,
                       const std::string& source, const FindRecord& find_record);

/// The training loss and learning rate of every step of the same runs, for laws of curves. A
/// point's group is its run.
laws::Points schedules_of(const record::Results& results, const std::string& source,
                          const FindRecord& find_record);

}  // namespace isoflop::experiment
