// Two checkpoints are compared by their bits, not by how they were cut.
#include "checkpoint/diff.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "checkpoint/directory.hpp"
#include "checkpoint/save.hpp"
#include "comm/self/self.hpp"
#include "core/error.hpp"
#include "tests/harness/scratch_directory.hpp"

namespace isoflop::checkpoint {
namespace {

// More than one block of 1 MiB.
constexpr std::size_t kCount = 400'000;

class Diff : public ::testing::Test {
 protected:
  std::filesystem::path save_step(std::int64_t step, const State& state,
                                  const hdf5::Attributes& scalars = {}) {
    const auto directory = step_directory(run_.path(), step);
    save(directory, self_, state, scalars);
    return directory;
  }

  /// Two slices that meet at `cut`, so that the blocks of the file do too.
  State state_cut_at(std::size_t cut) {
    return {{{"a", {kCount}, 0}},
            {{"parameters", 0, cut, values_.data()},
             {"parameters", cut, kCount, values_.data() + cut}}};
  }

  test::ScratchDirectory run_;
  comm::Communicator self_{comm::make_self_transport()};
  std::vector<float> values_ = std::vector<float>(kCount, 0.5f);
};

TEST_F(Diff, OtherCutsAreEqual) {
  const auto first = save_step(1, state_cut_at(1000));
  const auto second = save_step(2, state_cut_at(333'333));
  const Difference difference = diff(first, second);
  EXPECT_TRUE(difference.is_equal());
  ASSERT_EQ(difference.tensors.size(), 1u);
  EXPECT_EQ(difference.tensors[0].elements, kCount);
}

TEST_F(Diff, FindsTheLastBitAndTheSignOfZero) {
  values_[7] = 0.0f;
  const auto first = save_step(1, state_cut_at(1000));
  values_[7] = -0.0f;
  values_[399'999] = std::nextafter(0.5f, 1.0f);
  const auto second = save_step(2, state_cut_at(333'333));
  const Difference difference = diff(first, second);
  EXPECT_FALSE(difference.is_equal());
  EXPECT_EQ(difference.tensors[0].name, "parameters/a");
  EXPECT_EQ(difference.tensors[0].different, 2u);
  EXPECT_EQ(difference.tensors[0].largest, std::nextafter(0.5f, 1.0f) - 0.5f);
  EXPECT_EQ(difference.tensors[0].relative,
            difference.tensors[0].largest / std::nextafter(0.5f, 1.0f));
}

// As moments before the first step are.
TEST_F(Diff, ZerosAreNoMeasure) {
  values_.assign(kCount, 0.0f);
  const auto zeros = save_step(1, state_cut_at(1000));
  values_[7] = -0.0f;
  const auto signs = save_step(2, state_cut_at(1000));
  values_[8] = 0.25f;
  const auto numbers = save_step(3, state_cut_at(1000));
  EXPECT_EQ(diff(zeros, signs).tensors[0].relative, 0.0);
  EXPECT_EQ(diff(zeros, numbers).tensors[0].relative, 1.0);
  EXPECT_EQ(diff(numbers, zeros).tensors[0].relative, 1.0);
}

TEST_F(Diff, ADistanceThatIsNoNumberIsNotForgotten) {
  const auto first = save_step(1, state_cut_at(1000));
  values_[7] = std::numeric_limits<float>::quiet_NaN();
  values_[8] = 0.75f;
  const auto second = save_step(2, state_cut_at(1000));
  const Difference difference = diff(first, second);
  EXPECT_EQ(difference.tensors[0].different, 2u);
  EXPECT_TRUE(std::isnan(difference.tensors[0].largest)) << difference.tensors[0].largest;

  values_[7] = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(std::isinf(diff(first, save_step(3, state_cut_at(1000))).tensors[0].relative));
}

TEST_F(Diff, StructureAndScalarsAreNamed) {
  const auto first = save_step(1, state_cut_at(1000), {{"step", std::int64_t{1}}});
  State other{{{"a", {2, kCount / 2}, 0}}, {{"parameters", 0, kCount, values_.data()}}};
  const auto second = save_step(2, other, {{"step", std::int64_t{2}}, {"more", std::int64_t{3}}});
  const Difference difference = diff(first, second);
  EXPECT_EQ(difference.structure,
            (std::vector<std::string>{"scalar step: 1 and 2", "scalar more is missing in the first",
                                      "tensor a: shape [400000] and [2, 200000]"}));
  EXPECT_THROW(diff(first, run_.path()), InputError);
}

}  // namespace
}  // namespace isoflop::checkpoint
