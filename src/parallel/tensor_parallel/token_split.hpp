// The two collectives around every product that is cut across tensor-parallel ranks, where the rows
// of tokens are cut too (Korthikanti et al. 2022, "sequence parallelism"):
//
//   gather   every rank's rows [m, d] become all rows [ranks m, d] on every rank: before a product
//            whose outputs are cut
//   sum      every rank's partial sums of all rows [ranks m, d] become the sums of this rank's rows
//            [m, d]: after a product whose inputs are cut
//
// Rows are dealt in runs: rank r has rows [r m, (r + 1) m). Sums are added in the order of the
// ranks (bf16 in float, rounded once): the same bits on every run. One rank alone has all rows and
// whole sums: nothing moves.
//
// Collective: all ranks call the same functions with the same counts in the same order; they block.
// Nothing of size is allocated: two buffers are the caller's.
#pragma once

#include <cstddef>
#include <span>

#include "comm/communicator.hpp"
#include "profile/profile.hpp"

namespace isoflop::parallel {

template <class T>
class TokenSplit {
 public:
  struct Buffers {
    T* gathered = nullptr;  // [all rows, d]
    T* partial = nullptr;   // [all rows, d]
  };

  /// `ranks` null or one: one rank alone, which needs no buffers.
  TokenSplit(comm::Communicator* ranks, const Buffers& buffers, profile::Profile& profile)
      : ranks_(ranks != nullptr && ranks->size() > 1 ? ranks : nullptr),
        buffers_(buffers),
        profile_(profile) {}

  /// All ranks' rows; `count` elements are this rank's. Valid until the next gather() or sum().
  const T* gather(const T* mine, std::size_t count);

  /// Where a product writes partial sums of all rows, of which sum() will write this rank's to
  /// `mine`.
  T* partial(T* mine) { return ranks_ == nullptr ? mine : buffers_.partial; }
  void sum(T* mine, std::size_t count);

  /// all [ranks x mine]: a few numbers a row of every rank. Not for one rank alone.
  template <class Value>
  void gather_values(std::span<const Value> mine, std::span<Value> all) {
    const profile::Scope scope(profile_, profile::Region::wait);
    ranks_->all_gather<Value>(mine, all);
  }

 private:
  comm::Communicator* ranks_;
  Buffers buffers_;
  profile::Profile& profile_;
};

}  // namespace isoflop::parallel
