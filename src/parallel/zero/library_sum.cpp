#include "parallel/zero/library_sum.hpp"

#include <span>
#include <utility>

#include "core/error.hpp"
#include "kernels/api/optimizer.hpp"

namespace isoflop::parallel {

using profile::Region;
using profile::Scope;

std::size_t LibrarySum::memory_bytes(const GradientPlan& plan) {
  device::Arena counting;
  counting.take<float>(plan.sharding.padded_size());
  return counting.used();
}

LibrarySum::LibrarySum(GradientPlan plan, comm::Communicator& communicator,
                       profile::Profile& profile)
    : plan_(std::move(plan)),
      communicator_(communicator),
      profile_(profile),
      arena_(memory_bytes(plan_)),
      values_(arena_.take<float>(plan_.sharding.padded_size())),
      touched_(plan_.sharding.parts()),
      requests_(plan_.sharding.parts()) {
  ISOFLOP_EXPECT(!plan_.dealing.in_rounds);
}

void LibrarySum::begin(std::size_t turn) {
  turn_ = turn;
  if (turn == 0) touched_.assign(touched_.size(), false);
}

float* LibrarySum::gradient(std::size_t part) {
  float* values = full(part);
  if (touched_[part]) return values;
  touched_[part] = true;
  const Scope scope(profile_, Region::zero);
  kernels::fill(stream_, plan_.sharding.padded(part), 0.0f, values);
  return values;
}

void LibrarySum::complete(std::size_t part) {
  if (turn_ != plan_.dealing.last_turn(plan_.rank)) return;
  const std::span<float> values(full(part), plan_.sharding.padded(part));
  requests_[part] = plan_.adder == Adder::gather_library
                        ? communicator_.start_unordered_all_reduce(values)
                        : communicator_.start_unordered_reduce_scatter(values);
}

void LibrarySum::advance() {
  for (comm::Request& request : requests_) request.done();
}

void LibrarySum::finish() {
  const Scope scope(profile_, Region::wait);
  for (comm::Request& request : requests_) request.wait();
}

// A reduction that scatters leaves the sum at the beginning.
float* LibrarySum::shard(std::size_t part) {
  const std::size_t rank = plan_.adder == Adder::gather_library ? plan_.rank : 0;
  return full(part) + rank * plan_.sharding.shard(part);
}

void LibrarySum::all_gather() { ISOFLOP_EXPECT(plan_.adder == Adder::gather_library); }

float* LibrarySum::full(std::size_t part) { return values_ + plan_.sharding.padded_begin(part); }

}  // namespace isoflop::parallel
