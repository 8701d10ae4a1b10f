// Training with tensor-parallel ranks: losses within a bound of one rank's, the same bits for any
// number of replicas and stage of ZeRO, checkpoints for any layout. One model and few layouts here;
// tests/regression/layouts.py has more.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "comm/mpi/mpi.hpp"
#include "comm/self/self.hpp"
#include "data/synthetic.hpp"
#include "tests/harness/diverging.hpp"
#include "tests/harness/run_from.hpp"
#include "tests/harness/scratch_directory.hpp"
#include "train/ranks.hpp"
#include "train/snapshot.hpp"

namespace isoflop::train {
namespace {

constexpr std::size_t kContext = 16, kSymbols = 29;

config::RunConfig small_run(const std::vector<std::string>& sets) {
  return test::run_from(
      "[model]\nlayers = 3\nwidth = 32\nheads = 4\ncontext = 16\nfeed_forward = 64\n"
      "[data]\nkind = \"markov\"\nsymbols = 29\n"
      "[train]\ntokens = 6400\nglobal_batch = 4\nmicro_batch = 2\nprecision = \"fp32\"\n"
      "[optimizer]\nlearning_rate = 0.003\n",
      sets);
}

// A trainer with all that it refers to.
class Training {
 public:
  Training(const std::vector<std::string>& sets, comm::Communicator& ranks)
      : config_(small_run(sets)) {
    config::resolve(config_, kSymbols, source_.fingerprint());
    check_ranks(config_, ranks.size());
    trainer_ = make_trainer(config_, source_, ranks);
  }
  Trainer& operator*() { return *trainer_; }
  Trainer* operator->() { return trainer_.get(); }
  const config::RunConfig& config() const { return config_; }

 private:
  data::Synthetic source_{{"markov", 1, kSymbols, 1}, kContext, 1, kContext * 11};
  config::RunConfig config_;
  std::unique_ptr<Trainer> trainer_;
};

std::string tensor(int ranks) { return "parallel.tensor=" + std::to_string(ranks); }

class TensorParallel : public ::testing::Test {
 protected:
  // The first `count` ranks of neighbours, and so on.
  comm::Communicator neighbours(int count) { return world_.group("some", world_.rank() / count); }

  comm::Communicator world_{comm::make_mpi_transport()};
  comm::Communicator alone_{comm::make_self_transport()};
};

// Within 1e-5 of one rank's loss, relative, in fp32.
TEST_F(TensorParallel, LossesStayWithinTheBoundOfOneRank) {
  const std::vector<std::pair<std::vector<std::string>, int>> kinds = {
      {{}, 100},
      {{"model.activation=swiglu", "model.tied=false", "model.position=learned",
        "optimizer.clip_norm=0.5"},
       100}};
  for (const auto& [model, steps] : kinds) {
    std::vector<std::string> sets = model;
    sets.push_back(tensor(world_.size()));
    Training together(sets, world_), reference(model, alone_);
    for (int i = 0; i < steps; ++i) {
      const StepResult a = together->step(), b = reference->step();
      ASSERT_NEAR(a.loss, b.loss, 1e-5 * b.loss) << "step " << a.step;
      ASSERT_NEAR(a.gradient_norm, b.gradient_norm, 1e-3 * b.gradient_norm) << "step " << a.step;
    }
    EXPECT_NEAR(together->evaluate(), reference->evaluate(), 1e-5 * reference->evaluate());
  }
}

// In bf16 a partial sum is rounded to 8 bits before it is added to those of other ranks.
TEST_F(TensorParallel, LossesInBf16StayWithinTheirBoundOfOneRank) {
  const std::string precise = "train.precision=bf16";
  Training together({precise, tensor(world_.size())}, world_), reference({precise}, alone_);
  for (int i = 0; i < 50; ++i) {
    const StepResult a = together->step(), b = reference->step();
    ASSERT_NEAR(a.loss, b.loss, 5e-3 * b.loss) << "step " << a.step;
  }
}

TEST_F(TensorParallel, InitialWeightsAreThoseOfOneRank) {
  Training together({tensor(world_.size())}, world_), reference({}, alone_);
  const std::vector<OwnedState> whole = reference->owned_state();
  for (const OwnedState& mine : together->owned_state()) {
    const auto [begin, end] = mine.elements;
    for (const OwnedState& other : whole) {
      if (begin < other.elements.begin || begin >= other.elements.end) continue;
      const float* expected = other.parameters + (begin - other.elements.begin);
      ASSERT_EQ(std::memcmp(mine.parameters, expected, (end - begin) * sizeof(float)), 0) << begin;
    }
  }
}

// Replicas of two tensor-parallel ranks against two ranks alone.
TEST_F(TensorParallel, ReplicasAndZeroGiveTheSameBits) {
  if (world_.size() % 2 != 0) GTEST_SKIP() << "needs pairs";
  comm::Communicator pair = neighbours(2);
  for (const char* precision : {"fp32", "bf16"}) {
    const std::string precise = std::string("train.precision=") + precision;
    for (const char* zero : {"0", "1"}) {
      Training replicas({precise, tensor(2), std::string("parallel.zero=") + zero}, world_);
      Training one({precise, tensor(2)}, pair);
      for (int i = 0; i < 3; ++i) {
        const StepResult a = replicas->step(), b = one->step();
        ASSERT_EQ(a.loss, b.loss) << "step " << a.step;
        ASSERT_EQ(a.gradient_norm, b.gradient_norm) << "step " << a.step;
      }
      EXPECT_EQ(replicas->evaluate(), one->evaluate());
    }
  }
}

// Pipelines of tensor-parallel pairs against a pair alone.
TEST_F(TensorParallel, PipelinesGiveTheSameBits) {
  if (world_.size() % 2 != 0) GTEST_SKIP() << "needs pairs";
  comm::Communicator pair = neighbours(2);
  const std::string depth = "parallel.pipeline=" + std::to_string(world_.size() / 2);
  for (const char* tied : {"model.tied=true", "model.tied=false"}) {
    for (const char* schedule : {"1f1b", "zero-bubble", "interleaved"}) {
      if (world_.size() == 2 && std::string(schedule) == "interleaved") continue;
      Training stages({tied, tensor(2), depth, std::string("parallel.schedule=") + schedule},
                      world_);
      Training one({tied, tensor(2)}, pair);
      for (int i = 0; i < 2; ++i) {
        const StepResult a = stages->step(), b = one->step();
        ASSERT_EQ(a.loss, b.loss) << schedule << ", step " << a.step;
        ASSERT_EQ(a.gradient_norm, b.gradient_norm) << schedule << ", step " << a.step;
      }
      EXPECT_EQ(stages->evaluate(), one->evaluate());
    }
  }
}

// All ranks' slices of one kind as the root would write them.
std::vector<float> whole_state(Trainer& trainer, comm::Communicator& ranks) {
  std::size_t size = 0;
  for (const model::Parameter& parameter : trainer.table().parameters()) {
    std::size_t count = 1;
    for (const std::size_t extent : parameter.shape) count *= extent;
    size = std::max(size, parameter.whole_offset + count);
  }
  std::vector<float> state(3 * size, -INFINITY);
  for (const OwnedState& mine : trainer.owned_state()) {
    const auto [begin, end] = mine.elements;
    const float* kinds[] = {mine.parameters, mine.first_moment, mine.second_moment};
    for (std::size_t kind = 0; kind < 3; ++kind)
      for (std::size_t i = begin; i < std::min(end, size); ++i)
        state[kind * size + i] = kinds[kind][i - begin];
  }
  ranks.all_reduce<float>(state, comm::Combine::maximum);
  for (float& value : state) value = std::isinf(value) ? 0.0f : value;  // padding
  return state;
}

TEST_F(TensorParallel, CheckpointsGoToAnyNumberOfRanksAndBack) {
  std::optional<test::ScratchDirectory> scratch;
  std::vector<char> path(256);
  if (world_.is_root()) {
    scratch.emplace();
    scratch->path().string().copy(path.data(), path.size() - 1);
  }
  world_.broadcast<char>(path, 0);
  const std::filesystem::path directory(path.data());

  std::vector<std::string> sets = {tensor(world_.size()), "model.activation=swiglu"};
  if (world_.size() == 4) sets = {tensor(2), "parallel.zero=1", "model.activation=swiglu"};
  Training first(sets, world_), last(sets, world_);
  Training alone({"model.activation=swiglu"}, alone_);
  first->step();
  first->step();
  if (world_.is_root()) std::filesystem::create_directory(directory / "a");
  save_snapshot(directory / "a", first.config(), *first, world_);
  const std::vector<float> saved = whole_state(*first, world_);
  world_.barrier();

  resume_snapshot(*latest_snapshot(directory / "a", alone_), alone.config(), *alone, alone_);
  EXPECT_EQ(whole_state(*alone, alone_), saved);
  EXPECT_NEAR(alone->evaluate(), first->evaluate(), 1e-5 * first->evaluate());
  const auto own = directory / "b" / std::to_string(world_.rank());
  std::filesystem::create_directories(own);
  save_snapshot(own, alone.config(), *alone, alone_);
  world_.barrier();

  resume_snapshot(*latest_snapshot(directory / "b" / "0", world_), last.config(), *last, world_);
  EXPECT_EQ(whole_state(*last, world_), saved);
  for (int i = 0; i < 3; ++i) {
    const StepResult a = first->step(), b = last->step();
    EXPECT_EQ(a.loss, b.loss);
    EXPECT_EQ(a.gradient_norm, b.gradient_norm);
  }
  world_.barrier();  // before the directory goes
}

TEST_F(TensorParallel, DivergenceNamesTheFirstGradientThatIsNoNumber) {
  for (const char* zero : {"parallel.zero=0", "parallel.zero=1"}) {
    Training cut({tensor(std::min(world_.size(), 2)), zero}, world_);
    test::make_gradients_overflow(*cut, cut.config(), 0, 1);
    EXPECT_EQ(test::tensor_named_by_step(*cut), "gradient of blocks.1.feed_forward.down");
  }
}

}  // namespace
}  // namespace isoflop::train
