// Sums a row of values of which every rank holds some runs, in the order of the row: the same bits
// on every rank, and on any number of them.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "comm/communicator.hpp"
#include "profile/profile.hpp"

namespace isoflop::train {

/// Neighbours in a row of values that one rank holds.
struct HeldRun {
  std::size_t rank;
  std::size_t count;

  bool operator==(const HeldRun&) const = default;
};

/// Holds as many values a rank as the rank with most has, so about the row where all have equally
/// many, and allocates nothing after it is made.
class OrderedSum {
 public:
  /// `row`: its runs in order, by rank of `ranks`. Time spent for others is that of `waiting`.
  /// References must outlive the object.
  OrderedSum(std::vector<HeldRun> row, comm::Communicator& ranks, profile::Profile& profile,
             profile::Region waiting);

  /// This rank's values, in order: to be filled, or taken from those of the whole row.
  std::span<double> mine();
  void take(std::span<const double> row);

  /// Collective. Afterwards mine() is to be filled again.
  double sum();

  static std::size_t memory_bytes(const std::vector<HeldRun>& row, std::size_t ranks);

 private:
  std::vector<HeldRun> row_;
  comm::Communicator& ranks_;
  profile::Profile& profile_;
  profile::Region waiting_;
  std::vector<std::size_t> counts_;  // [ranks]
  std::size_t most_;
  std::vector<double> all_;        // [ranks, most]
  std::vector<std::size_t> next_;  // [ranks] of the values of each
};

}  // namespace isoflop::train
