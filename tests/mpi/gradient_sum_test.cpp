#include "parallel/zero/gradient_sum.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <tuple>

#include "comm/mpi/mpi.hpp"

namespace isoflop::parallel {
namespace {

// Values whose sum depends on the order of addition.
float value(std::size_t virtual_rank, std::size_t element) {
  return std::ldexp(static_cast<float>((element * 7919 + virtual_rank * 104729) % 1000003) + 0.3f,
                    static_cast<int>((element + 5 * virtual_rank) % 40) - 20);
}

float tree_sum(std::size_t begin, std::size_t end, std::size_t element) {
  if (end - begin == 1) return value(begin, element);
  const std::size_t middle = (begin + end) / 2;
  return tree_sum(begin, middle, element) + tree_sum(middle, end, element);
}

// Parts of few elements and of several buckets of 5000.
std::vector<Extent> parts_of(std::size_t block) {
  return {
      {0, block}, {4096, 4096 + 3 * block}, {65'536, 65'536 + block + 1}, {1'000'000, 1'000'007}};
}

// Rounds or runs, several micro-batches a virtual rank or one, elements of a part.
using Case = std::tuple<bool, bool, std::size_t>;

class GradientSumOn : public ::testing::TestWithParam<Case> {
 protected:
  GradientSumOn() {
    const auto [in_rounds, keeps_parts, block] = GetParam();
    const auto ranks = static_cast<std::size_t>(world_.size());
    plan_ = {{parts_of(block), ranks, 4096, {1, 3}},
             {8, ranks, in_rounds},
             static_cast<std::size_t>(world_.rank()),
             keeps_parts,
             5000};
  }

  // A virtual rank's gradient in two micro-batches, where parts are kept in between.
  void add(GradientSum& sum, std::size_t virtual_rank, std::size_t part) {
    float* gradient = sum.gradient(part);
    const Extent& extent = plan_.sharding.part(part);
    for (std::size_t i = extent.begin; i < extent.end; ++i) {
      if (plan_.adder == Adder::tree) {
        ASSERT_EQ(gradient[i - extent.begin], 0.0f);
      }
      gradient[i - extent.begin] += value(virtual_rank, i);
    }
    if (plan_.keeps_parts) {
      ASSERT_EQ(sum.gradient(part), gradient);
    }
  }

  void sum_all(GradientSum& sum) {
    for (std::size_t turn = 0; turn < plan_.dealing.turns(); ++turn) {
      const auto virtual_rank = plan_.dealing.virtual_rank(plan_.rank, turn);
      if (!virtual_rank && !plan_.dealing.in_rounds) continue;
      sum.begin(turn);
      for (std::size_t part = plan_.sharding.parts(); part-- > 0;) {
        if (virtual_rank) add(sum, *virtual_rank, part);
        sum.complete(part);
        sum.advance();
      }
    }
    sum.finish();
  }

  comm::Communicator world_{comm::make_mpi_transport()};
  profile::Profile profile_;
  GradientPlan plan_{{{}, 1, 1, {}}, {}, 0, false};
};

TEST_P(GradientSumOn, HasTheBitsOfTheTreeOnAnyNumberOfRanks) {
  const auto made = make_gradient_sum(plan_, world_, profile_);
  GradientSum& sum = *made;
  for (int repetition = 0; repetition < 2; ++repetition) {
    sum_all(sum);
    for (std::size_t part = 0; part < plan_.sharding.parts(); ++part) {
      const Extent owned = plan_.sharding.owned(part, plan_.rank);
      for (std::size_t i = owned.begin; i < owned.end; ++i)
        ASSERT_EQ(sum.shard(part)[i - owned.begin], tree_sum(0, 8, i)) << part << ": " << i;
    }
    if (plan_.dealing.in_rounds) continue;
    sum.all_gather();
    for (std::size_t part = 0; part < plan_.sharding.parts(); ++part) {
      const Extent& extent = plan_.sharding.part(part);
      for (std::size_t i = extent.begin; i < extent.end; ++i)
        ASSERT_EQ(sum.full(part)[i - extent.begin], tree_sum(0, 8, i)) << part << ": " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, GradientSumOn,
                         ::testing::Values(Case{false, false, 1}, Case{false, true, 5001},
                                           Case{false, false, 20'000}, Case{true, false, 5001},
                                           Case{true, true, 5001}, Case{true, false, 20'000}));

class LibrarySumOn : public GradientSumOn {
 protected:
  // What is lost when the values of all virtual ranks are added in any order, of each element.
  static float tolerance(std::size_t element) {
    float magnitude = 0.0f;
    for (std::size_t v = 0; v < 8; ++v) magnitude += std::abs(value(v, element));
    return 8.0f * std::numeric_limits<float>::epsilon() * magnitude;
  }
};

TEST_P(LibrarySumOn, AddsAllVirtualRanks) {
  for (const Adder adder : {Adder::scatter_library, Adder::gather_library}) {
    plan_.adder = adder;
    const auto sum = make_gradient_sum(plan_, world_, profile_);
    for (int repetition = 0; repetition < 2; ++repetition) {
      sum_all(*sum);
      for (std::size_t part = 0; part < plan_.sharding.parts(); ++part) {
        const Extent owned = plan_.sharding.owned(part, plan_.rank);
        for (std::size_t i = owned.begin; i < owned.end; ++i)
          ASSERT_NEAR(sum->shard(part)[i - owned.begin], tree_sum(0, 8, i), tolerance(i)) << i;
        if (adder == Adder::scatter_library) continue;
        const Extent& extent = plan_.sharding.part(part);
        for (std::size_t i = extent.begin; i < extent.end; ++i)
          ASSERT_NEAR(sum->full(part)[i - extent.begin], tree_sum(0, 8, i), tolerance(i)) << i;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, LibrarySumOn,
                         ::testing::Values(Case{false, false, 1}, Case{false, true, 5001},
                                           Case{false, false, 20'000}));

}  // namespace
}  // namespace isoflop::parallel
