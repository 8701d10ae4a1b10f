// The promise: losses, gradient norms and weights have the same bits on any number of ranks, with
// every stage of ZeRO, in pipelines of every schedule, with every kind of recomputation. Few steps
// here; tests/regression/layouts.py does 50.
#include "train/trainer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "comm/mpi/mpi.hpp"
#include "comm/self/self.hpp"
#include "data/synthetic.hpp"
#include "tests/harness/scratch_directory.hpp"
#include "train/ranks.hpp"
#include "train/snapshot.hpp"

namespace isoflop::train {
namespace {

config::RunConfig small_run(const std::vector<std::string>& sets) {
  ConfigDocument document = ConfigDocument::from_text(
      "[model]\nlayers = 6\nwidth = 24\nheads = 3\ncontext = 17\n"
      "[data]\nkind = \"markov\"\nsymbols = 29\n"
      "[train]\ntokens = 20000\nglobal_batch = 16\nmicro_batch = 1\n",
      "run.toml");
  for (const std::string& assignment : sets) document.set(assignment);
  return config::read_run_config(document.root());
}

std::string key(const char* name, const std::string& value) {
  return std::string(name) + "=" + value;
}

/// The same run on all ranks as `layout` says, and on one rank alone.
class Twins {
 public:
  Twins(const std::vector<std::string>& model, std::vector<std::string> layout)
      : alone_config_(small_run(model)) {
    layout.insert(layout.begin(), model.begin(), model.end());
    together_config_ = small_run(layout);
    config::resolve(together_config_, 29, source_.fingerprint());
    config::resolve(alone_config_, 29, source_.fingerprint());
    check_ranks(together_config_, world_.size());
    together_ = make_trainer(together_config_, source_, world_);
    reference_ = make_trainer(alone_config_, source_, alone_);
  }

  void expect_same_steps(int steps) {
    for (int i = 0; i < steps; ++i) {
      const StepResult a = together_->step(), b = reference_->step();
      ASSERT_EQ(a.loss, b.loss) << "step " << a.step;
      ASSERT_EQ(a.gradient_norm, b.gradient_norm) << "step " << a.step;
    }
  }

  // What this rank owns, against the same elements of the trainer that owns all.
  void expect_same_state() {
    EXPECT_EQ(together_->evaluate(), reference_->evaluate());
    const std::vector<OwnedState> whole = reference_->owned_state();
    for (const OwnedState& mine : together_->owned_state()) {
      const auto [begin, end] = mine.elements;
      const auto all = std::find_if(whole.begin(), whole.end(), [&](const OwnedState& other) {
        return begin < other.elements.end;
      });
      for (std::size_t i = begin; i < end; ++i) {
        const std::size_t first = all->elements.begin;
        ASSERT_EQ(mine.parameters[i - begin], all->parameters[i - first]) << i;
        ASSERT_EQ(mine.first_moment[i - begin], all->first_moment[i - first]) << i;
        ASSERT_EQ(mine.second_moment[i - begin], all->second_moment[i - first]) << i;
      }
    }
  }

 private:
  config::RunConfig together_config_, alone_config_;
  data::Synthetic source_{{"markov", 1, 29, 1}, 17, 1, 17 * 11};
  comm::Communicator world_{comm::make_mpi_transport(MPI_COMM_WORLD)};
  comm::Communicator alone_{comm::make_self_transport()};
  std::unique_ptr<Trainer> together_, reference_;
};

class Replicas : public ::testing::TestWithParam<std::tuple<const char*, int, int>> {};

TEST_P(Replicas, GiveTheBitsOfOneRank) {
  const auto [precision, zero, micro_batch] = GetParam();
  Twins twins(
      {key("train.precision", precision), key("train.micro_batch", std::to_string(micro_batch))},
      {key("parallel.zero", std::to_string(zero))});
  twins.expect_same_steps(6);
  twins.expect_same_state();
}
INSTANTIATE_TEST_SUITE_P(All, Replicas,
                         ::testing::Combine(::testing::Values("fp32", "bf16"),
                                            ::testing::Values(0, 1, 2, 3),
                                            ::testing::Values(1, 2)));

class Recomputed : public ::testing::TestWithParam<std::tuple<const char*, int, const char*>> {};

TEST_P(Recomputed, GiveTheBitsOfOneRank) {
  const auto [precision, zero, recompute] = GetParam();
  int ranks = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  for (const int depth : {1, ranks}) {
    Twins twins(
        {key("train.precision", precision)},
        {key("parallel.recompute", recompute), key("parallel.pipeline", std::to_string(depth)),
         key("parallel.zero", std::to_string(depth == 1 ? zero : 0))});
    twins.expect_same_steps(2);
    twins.expect_same_state();
  }
}
INSTANTIATE_TEST_SUITE_P(All, Recomputed,
                         ::testing::Combine(::testing::Values("fp32", "bf16"),
                                            ::testing::Values(0, 3),
                                            ::testing::Values("attention", "full")));

struct Pipelined {
  const char* schedule;
  int chunks;
};

struct Kind {
  const char* precision;
  bool tied;
  int virtual_ranks;  // of 16 sequences
  int micro_batch;
};

class Pipelines : public ::testing::TestWithParam<std::tuple<Pipelined, Kind>> {};

// All ranks form one pipeline, or two where their number is even; virtual ranks of one micro-batch
// and of several.
TEST_P(Pipelines, GiveTheBitsOfOneRank) {
  const auto& [pipelined, kind] = GetParam();
  int ranks = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  const int layers = 6 + 2;
  for (const int replicas : {1, 2}) {
    const int depth = ranks / replicas;
    if (depth < 2 || depth > layers || ranks % replicas != 0) continue;
    const int chunks = depth * pipelined.chunks > layers ? 1 : pipelined.chunks;
    Twins twins(
        {key("train.precision", kind.precision), key("model.tied", kind.tied ? "true" : "false"),
         key("parallel.virtual_ranks", std::to_string(kind.virtual_ranks)),
         key("train.micro_batch", std::to_string(kind.micro_batch))},
        {key("parallel.pipeline", std::to_string(depth)),
         key("parallel.schedule", pipelined.schedule),
         key("parallel.chunks", std::to_string(chunks)),
         key("parallel.zero", std::to_string(replicas - 1))});
    twins.expect_same_steps(3);
    twins.expect_same_state();
  }
}
INSTANTIATE_TEST_SUITE_P(
    All, Pipelines,
    ::testing::Combine(::testing::Values(Pipelined{"gpipe", 1}, Pipelined{"1f1b", 1},
                                         Pipelined{"interleaved", 2}, Pipelined{"zero-bubble", 1}),
                       ::testing::Values(Kind{"fp32", true, 8, 2}, Kind{"bf16", true, 4, 1},
                                         Kind{"fp32", false, 4, 1}, Kind{"bf16", false, 8, 2})));

// A checkpoint of a pipeline is continued by replicas, and the other way round.
TEST(PipelineCheckpoint, IsContinuedInAnotherLayout) {
  comm::Communicator world(comm::make_mpi_transport(MPI_COMM_WORLD));
  std::optional<test::ScratchDirectory> scratch;
  std::array<char, 256> path{};
  if (world.is_root()) {
    scratch.emplace();
    scratch->path().string().copy(path.data(), path.size() - 1);
  }
  world.broadcast<char>(path, 0);
  const data::Synthetic source({"markov", 1, 29, 1}, 17, 1, 17 * 11);
  config::RunConfig layouts[] = {small_run({"parallel.zero=1"}),
                                 small_run({key("parallel.pipeline", std::to_string(world.size())),
                                            "parallel.schedule=zero-bubble"})};
  for (config::RunConfig& config : layouts) config::resolve(config, 29, source.fingerprint());
  for (const std::size_t first : {0u, 1u}) {
    const auto before = make_trainer(layouts[first], source, world);
    before->step();
    const auto run = std::filesystem::path(path.data()) / std::to_string(first);
    save_snapshot(run, layouts[first], *before, world);
    const auto after = make_trainer(layouts[1 - first], source, world);
    resume_snapshot(*latest_snapshot(run, world), layouts[1 - first], *after, world);
    EXPECT_EQ(after->evaluate(), before->evaluate());
    EXPECT_EQ(after->step().loss, before->step().loss);
    EXPECT_EQ(after->step().gradient_norm, before->step().gradient_norm);
  }
  world.barrier();  // before the directory goes
}

}  // namespace
}  // namespace isoflop::train
