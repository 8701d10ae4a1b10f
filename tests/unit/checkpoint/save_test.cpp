#include "checkpoint/save.hpp"

#include <gtest/gtest.h>

#include "checkpoint/directory.hpp"
#include "checkpoint/load.hpp"
#include "comm/self/self.hpp"
#include "core/error.hpp"
#include "tests/harness/sample_state.hpp"
#include "tests/harness/scratch_directory.hpp"
#include "tests/harness/small_disk.hpp"

namespace isoflop::checkpoint {
namespace {

using test::SampleShare;

class Checkpoint : public ::testing::Test {
 protected:
  /// Saves the sample as step `step`, this process alone, without MPI.
  void save_sample(std::int64_t step) {
    SampleShare share(0, 1, true);
    save(step_directory(run_.path(), step), self_, share.state(),
         {{"step", step}, {"config", "[train]\n" + std::string(100'000, '#')}, {"loss", 0.1}});
  }

  std::string message_of_load(const State& state) {
    try {
      load(step_directory(run_.path(), 1), self_, state);
    } catch (const InputError& error) {
      return error.what();
    }
    ADD_FAILURE() << "no InputError";
    return "";
  }

  test::ScratchDirectory run_;
  comm::Communicator self_{comm::make_self_transport()};
};

TEST_F(Checkpoint, EverythingComesBack) {
  save_sample(1);
  SampleShare loaded(0, 1, false);
  const hdf5::Attributes scalars = load(step_directory(run_.path(), 1), self_, loaded.state());
  EXPECT_EQ(loaded.wrong_elements(), 0u);
  EXPECT_EQ(*hdf5::find(scalars, "step"), hdf5::Value(std::int64_t{1}));
  EXPECT_EQ(*hdf5::find(scalars, "loss"), hdf5::Value(0.1));
  EXPECT_EQ(std::get<std::string>(*hdf5::find(scalars, "config")).size(), 100'008u);
  EXPECT_EQ(scalars.size(), 3u);
}

TEST_F(Checkpoint, ContentsAndVerify) {
  save_sample(1);
  const auto directory = step_directory(run_.path(), 1);
  const Contents contents = read_contents(directory);
  ASSERT_EQ(contents.tensors.size(), test::sample_tensors().size());
  for (std::size_t i = 0; i < contents.tensors.size(); ++i) {
    EXPECT_EQ(contents.tensors[i].name, test::sample_tensors()[i].name);
    EXPECT_EQ(contents.tensors[i].shape, test::sample_tensors()[i].shape);
    EXPECT_EQ(contents.tensors[i].offset, test::sample_tensors()[i].offset);
  }
  EXPECT_EQ(contents.kinds,
            (std::vector<std::string>{"first_moment", "parameters", "second_moment"}));
  verify(directory);
  std::filesystem::remove(complete_mark(directory));
  EXPECT_THROW(verify(directory), InputError);
}

TEST_F(Checkpoint, OnlyWhatIsAskedForIsLoaded) {
  save_sample(1);
  std::vector<float> values(10, -1.0f);
  State state{test::sample_tensors(), {{"parameters", 70, 80, values.data()}}};
  load(step_directory(run_.path(), 1), self_, state);
  for (std::size_t i = 0; i < values.size(); ++i)
    EXPECT_EQ(std::bit_cast<std::uint32_t>(values[i]),
              std::bit_cast<std::uint32_t>(test::sample_value(0, 70 + i)));
  state.slices[0].kind = "third_moment";
  EXPECT_NE(message_of_load(state).find("third_moment"), std::string::npos);
}

TEST_F(Checkpoint, SavingTheSameStepAgainReplacesIt) {
  save_sample(1);
  save_sample(1);
  SampleShare loaded(0, 1, false);
  load(step_directory(run_.path(), 1), self_, loaded.state());
  EXPECT_EQ(loaded.wrong_elements(), 0u);
  std::size_t entries = 0;
  for (const auto& entry : std::filesystem::directory_iterator(run_.path() / "checkpoint"))
    entries += entry.exists() ? 1 : 0;
  EXPECT_EQ(entries, 1u);
}

TEST_F(Checkpoint, AnotherModelIsRefusedNamingTheTensor) {
  save_sample(1);
  SampleShare share(0, 1, false);
  const State good = share.state();
  State other = good;
  other.tensors[4].shape = {6, 11};
  std::string message = message_of_load(other);
  EXPECT_NE(message.find("tensor head has shape [2, 3, 11], this model needs [6, 11]"),
            std::string::npos)
      << message;
  other = good;
  other.tensors.pop_back();
  message = message_of_load(other);
  EXPECT_NE(message.find("tensor head is in the checkpoint"), std::string::npos) << message;
  other = good;
  other.tensors.push_back({"extra", {2}, 700'150});
  message = message_of_load(other);
  EXPECT_NE(message.find("tensor extra is missing, this model needs one of shape [2]"),
            std::string::npos)
      << message;
}

TEST_F(Checkpoint, FullDiskLeavesThePreviousOneValid) {
  save_sample(1);
  for (const std::size_t bytes : {0u, 5'000u, 200'000u, 8'000'000u}) {
    const test::SmallDisk disk(bytes);
    EXPECT_THROW(save_sample(2), InputError) << bytes;
    EXPECT_THROW(save_sample(1), InputError) << bytes;
  }
  EXPECT_EQ(complete_steps(run_.path()), std::vector<std::int64_t>{1});
  verify(step_directory(run_.path(), 1));
  save_sample(2);
  EXPECT_EQ(complete_steps(run_.path()), (std::vector<std::int64_t>{1, 2}));
}

}  // namespace
}  // namespace isoflop::checkpoint
