#include "train/ordered_sum.hpp"

#include <algorithm>
#include <utility>

namespace isoflop::train {
namespace {

std::vector<std::size_t> counts_of(const std::vector<HeldRun>& row, std::size_t ranks) {
  std::vector<std::size_t> counts(ranks, 0);
  for (const HeldRun& run : row) counts[run.rank] += run.count;
  return counts;
}

}  // namespace

std::size_t OrderedSum::memory_bytes(const std::vector<HeldRun>& row, std::size_t ranks) {
  const std::vector<std::size_t> counts = counts_of(row, ranks);
  return ranks * *std::max_element(counts.begin(), counts.end()) * sizeof(double);
}

OrderedSum::OrderedSum(std::vector<HeldRun> row, comm::Communicator& ranks,
                       profile::Profile& profile, profile::Region waiting)
    : row_(std::move(row)),
      ranks_(ranks),
      profile_(profile),
      waiting_(waiting),
      counts_(counts_of(row_, static_cast<std::size_t>(ranks.size()))),
      most_(*std::max_element(counts_.begin(), counts_.end())),
      all_(counts_.size() * most_),
      next_(counts_.size()) {}

std::span<double> OrderedSum::mine() {
  const auto rank = static_cast<std::size_t>(ranks_.rank());
  return std::span(all_).subspan(rank * most_, counts_[rank]);
}

void OrderedSum::take(std::span<const double> row) {
  auto to = mine().begin();
  for (const HeldRun& run : row_) {
    if (run.rank == static_cast<std::size_t>(ranks_.rank()))
      to = std::copy_n(row.begin(), run.count, to);
    row = row.subspan(run.count);
  }
}

double OrderedSum::sum() {
  if (ranks_.size() > 1) {
    const profile::Scope scope(profile_, waiting_);
    ranks_.all_gather<double>({mine().data(), most_}, all_);
  }
  std::fill(next_.begin(), next_.end(), 0);
  double total = 0.0;
  for (const auto& [rank, count] : row_) {
    const auto values = std::span(all_).subspan(rank * most_ + next_[rank], count);
    for (const double value : values) total += value;
    next_[rank] += count;
  }
  return total;
}

}  // namespace isoflop::train
