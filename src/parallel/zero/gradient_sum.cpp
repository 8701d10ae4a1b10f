#include "parallel/zero/gradient_sum.hpp"

#include "parallel/zero/library_sum.hpp"
#include "parallel/zero/tree_sum.hpp"

namespace isoflop::parallel {

std::unique_ptr<GradientSum> make_gradient_sum(const GradientPlan& plan,
                                               comm::Communicator& communicator,
                                               profile::Profile& profile) {
  if (plan.adder == Adder::tree) return std::make_unique<TreeSum>(plan, communicator, profile);
  return std::make_unique<LibrarySum>(plan, communicator, profile);
}

std::size_t gradient_sum_bytes(const GradientPlan& plan) {
  return plan.adder == Adder::tree ? TreeSum::memory_bytes(plan) : LibrarySum::memory_bytes(plan);
}

std::size_t library_copies_bytes(const GradientPlan& plan) {
  if (plan.adder == Adder::tree || plan.dealing.ranks == 1) return 0;
  const bool twice = plan.adder == Adder::scatter_library && plan.dealing.ranks > 2;
  return (twice ? 2 : 1) * plan.sharding.padded_size() * sizeof(float);
}

}  // namespace isoflop::parallel
