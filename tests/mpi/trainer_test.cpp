// The promise: losses, gradient norms and weights have the same bits on any number of ranks, with
// every stage of ZeRO, in pipelines of every schedule, with every kind of recomputation. Few steps
// here; tests/regression/layouts.py does 50.
#include <gtest/gtest.h>
#include <mpi.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "core/error.hpp"
#include "tests/harness/diverging.hpp"
#include "tests/harness/scratch_directory.hpp"
#include "tests/mpi/twins.hpp"
#include "train/snapshot.hpp"

namespace isoflop::train {
namespace {

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

constexpr Pipelined kSchedules[] = {
    {"gpipe", 1}, {"1f1b", 1}, {"interleaved", 2}, {"zero-bubble", 1}};

struct Kind {
  const char* precision;
  bool tied;
  int virtual_ranks;  // of 16 sequences
  int micro_batch;
};

std::vector<std::string> sets_of(const Kind& kind) {
  return {key("train.precision", kind.precision), key("model.tied", kind.tied ? "true" : "false"),
          key("parallel.virtual_ranks", std::to_string(kind.virtual_ranks)),
          key("train.micro_batch", std::to_string(kind.micro_batch))};
}

std::vector<std::string> sets_of(const Pipelined& pipelined, int depth, int zero) {
  return {key("parallel.pipeline", std::to_string(depth)),
          key("parallel.schedule", pipelined.schedule),
          key("parallel.chunks", std::to_string(pipelined.chunks)),
          key("parallel.zero", std::to_string(zero))};
}

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
    Pipelined fitting = pipelined;
    if (depth * fitting.chunks > layers) fitting.chunks = 1;
    Twins twins(sets_of(kind), sets_of(fitting, depth, replicas - 1));
    twins.expect_same_steps(3);
    twins.expect_same_state();
  }
}
INSTANTIATE_TEST_SUITE_P(
    All, Pipelines,
    ::testing::Combine(::testing::ValuesIn(kSchedules),
                       ::testing::Values(Kind{"fp32", true, 8, 2}, Kind{"bf16", true, 4, 1},
                                         Kind{"fp32", false, 4, 1}, Kind{"bf16", false, 8, 2})));

class ShardedPipelines : public ::testing::TestWithParam<std::tuple<Pipelined, int, Kind>> {};

// Two replicas of a pipeline that share weights, gradients and the optimizer's state; one
// micro-batch a virtual rank, and two.
TEST_P(ShardedPipelines, GiveTheBitsOfOneRank) {
  const auto& [pipelined, zero, kind] = GetParam();
  int ranks = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  const int replicas = ranks % 2 == 0 ? 2 : 1, depth = ranks / replicas;
  if (depth < 2) GTEST_SKIP() << "two replicas and two stages need 4 ranks";
  Twins twins(sets_of(kind), sets_of(pipelined, depth, zero));
  twins.expect_same_steps(3);
  twins.expect_same_state();
}
INSTANTIATE_TEST_SUITE_P(
    All, ShardedPipelines,
    ::testing::Combine(::testing::ValuesIn(kSchedules), ::testing::Values(2, 3),
                       ::testing::Values(Kind{"fp32", true, 8, 2}, Kind{"bf16", false, 4, 2})));

// Three replicas share 4 virtual ranks of a micro-batch each: a step of the first has twice as many
// as those of the others, and all ask equally often whether to stop.
TEST(UnevenPipelines, GiveTheBitsOfOneRankInEvaluationsToo) {
  int ranks = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  if (ranks != 6) GTEST_SKIP() << "three replicas of two stages need 6 ranks";
  const std::vector<std::string> model = {"train.global_batch=4", "parallel.virtual_ranks=4"};
  for (const Pipelined& pipelined : kSchedules) {
    Twins twins(model, sets_of(pipelined, 2, 1));
    twins.expect_same_steps(2);
    twins.expect_same_state();
  }
}

// What debug builds do in every collective: the arguments of all ranks fit, and nobody who waits
// for the comparison keeps others from what he waits for.
TEST(ComparedArguments, FitInEveryLayout) {
  int ranks = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  if (ranks == 1) GTEST_SKIP() << "one rank agrees with itself";
  const int replicas = ranks >= 4 && ranks % 2 == 0 ? 2 : 1;
  for (const Pipelined& pipelined : kSchedules) {
    Twins twins({}, sets_of(pipelined, ranks / replicas, 3), {.check_arguments = true});
    twins.expect_same_steps(2);
    twins.expect_same_state();
  }
}

// Sums of gradients by MPI's own reductions: near those of one rank, and the same on all replicas.
TEST(NotReproducible, TrainsLikeOneRankUpToRounding) {
  comm::Communicator world(comm::make_mpi_transport()), alone(comm::make_self_transport());
  const data::Synthetic source({"markov", 1, 29, 1}, 17, 1, std::int64_t{17} * 11);
  for (const char* layout : {"parallel.zero=0", "parallel.zero=1", "parallel.pipeline=2"}) {
    config::RunConfig config =
        twin_run({layout, "train.precision=fp32", "train.reproducible=false"});
    config::RunConfig plain = twin_run({"train.precision=fp32"});
    if (world.size() % config.parallel.pipeline != 0) continue;
    config::resolve(config, 29, source.fingerprint());
    config::resolve(plain, 29, source.fingerprint());
    check_ranks(config, world.size());
    const auto together = make_trainer(config, source, world);
    const auto reference = make_trainer(plain, source, alone);
    for (int i = 0; i < 6; ++i) {
      const StepResult a = together->step(), b = reference->step();
      ASSERT_NEAR(a.loss, b.loss, 1e-5 * b.loss) << layout << ", step " << a.step;
      ASSERT_NEAR(a.gradient_norm, b.gradient_norm, 1e-3 * b.gradient_norm) << layout;
    }
    if (std::string(layout) != "parallel.zero=0") continue;
    for (const OwnedState& mine : together->owned_state()) {
      const std::span<const float> here(mine.parameters, mine.elements.size());
      std::vector<float> first(here.begin(), here.end());
      world.broadcast<float>(first, 0);
      EXPECT_TRUE(std::equal(here.begin(), here.end(), first.begin())) << "replicas differ";
    }
  }
}

// What plays a schedule needs a time of every pass that the schedule has, and of no other.
TEST(PassSeconds, AreMeasuredForEveryPassOfAPipeline) {
  comm::Communicator world(comm::make_mpi_transport());
  const data::Synthetic source({"markov", 1, 29, 1}, 17, 1, std::int64_t{17} * 11);
  for (const char* schedule : {"1f1b", "zero-bubble"}) {
    config::RunConfig config = twin_run({key("parallel.pipeline", std::to_string(world.size())),
                                         key("parallel.schedule", schedule)});
    config::resolve(config, 29, source.fingerprint());
    const auto trainer = make_trainer(config, source, world);
    trainer->step();
    const std::vector<parallel::PassTimes> measured = trainer->take_pass_seconds();
    ASSERT_EQ(measured.size(), world.size() == 1 ? 0u : 1u);
    for (const parallel::PassTimes& times : measured) {
      EXPECT_GT(times.forward, 0.0);
      EXPECT_GT(times.backward_input, 0.0);
      EXPECT_EQ(times.backward_weight > 0.0, std::string(schedule) == "zero-bubble");
    }
    for (const parallel::PassTimes& times : trainer->take_pass_seconds())
      EXPECT_EQ(times.total(), 0.0);
  }
}

// Seconds that this rank's passes have taken, by the same clock as its idle time.
double seconds_of_passes(const profile::Profile& profile) {
  double seconds = 0.0;
  for (std::size_t i = 0; i <= static_cast<std::size_t>(profile::Region::loss); ++i)
    seconds += profile.counters()[i].seconds;
  return seconds;
}

// With one micro-batch a stage is idle for as long as the other's passes take, however busy the
// machine is: a third of that before its first pass and the rest after its last, or all between.
TEST(Bubble, HasAllTheIdleTimeOfAStage) {
  comm::Communicator world(comm::make_mpi_transport());
  if (world.size() != 2) GTEST_SKIP() << "needs two stages";
  config::RunConfig config = test::run_from(
      "[model]\nlayers = 4\nwidth = 192\nheads = 3\ncontext = 128\n"
      "[data]\nkind = \"markov\"\nsymbols = 29\n"
      "[train]\ntokens = 100000\nglobal_batch = 8\nmicro_batch = 8\n"
      "[parallel]\npipeline = 2\n",
      {});
  const data::Synthetic source({"markov", 1, 29, 1}, 128, 1, 128);
  config::resolve(config, 29, source.fingerprint());
  const auto trainer = make_trainer(config, source, world);
  trainer->step();
  trainer->profile().reset();
  for (int step = 0; step < 3; ++step) trainer->step();
  const double idle = trainer->profile()[profile::Region::pipeline].seconds;
  const double mine = seconds_of_passes(trainer->profile());
  std::array<double, 2> passes{};
  world.all_gather<double>({&mine, 1}, passes);
  const double other = passes[world.is_root() ? 1 : 0];
  EXPECT_GT(idle, 0.5 * other);
}

// One rank is asked to stop: all drop the evaluation, and the next one is as if nothing had been.
TEST(CutEvaluation, EndsOnAllRanksAndIsMadeAgain) {
  comm::Communicator world(comm::make_mpi_transport());
  const data::Synthetic source({"markov", 1, 29, 1}, 17, 1, std::int64_t{17} * 11);
  for (const std::string& layout : {std::string("parallel.zero=0"), std::string("parallel.zero=3"),
                                    key("parallel.pipeline", std::to_string(world.size()))}) {
    config::RunConfig config = twin_run({layout, "train.global_batch=4"});
    config::resolve(config, 29, source.fingerprint());
    const auto trainer = make_trainer(config, source, world);
    const double whole = trainer->evaluate();
    int questions = 0;
    const auto stop = [&] { return questions++ == 0 && world.rank() == world.size() - 1; };
    EXPECT_FALSE(trainer->evaluate(stop).has_value()) << layout;
    EXPECT_EQ(questions, 2) << layout;
    EXPECT_EQ(trainer->evaluate(), whole) << layout;
  }
}

// Every layout names the same tensor, whatever it computes again.
class Divergence : public ::testing::TestWithParam<std::tuple<const char*, const char*>> {
 protected:
  Divergence() {
    const std::string depth = std::to_string(world_.size());
    std::string layout = std::get<0>(GetParam());
    if (layout == "parallel.pipeline") layout = key("parallel.pipeline", depth);
    config_ = twin_run(
        {layout, key("parallel.recompute", std::get<1>(GetParam())), "train.precision=bf16"});
    config::resolve(config_, 29, source_.fingerprint());
    trainer_ = make_trainer(config_, source_, world_);
  }

  comm::Communicator world_{comm::make_mpi_transport()};
  data::Synthetic source_{{"markov", 1, 29, 1}, 17, 1, std::int64_t{17} * 11};
  config::RunConfig config_;
  std::unique_ptr<Trainer> trainer_;
};

TEST_P(Divergence, NamesTheFirstOutputThatIsNoNumber) {
  for (const std::string tensor : {"blocks.3.feed_forward.up", "blocks.1.attention.qkv"}) {
    test::fill_weight(*trainer_, config_.model, tensor, 3e38f);
    trainer_->restore(0);
    EXPECT_EQ(test::tensor_named_by_step(*trainer_), "output of " + tensor);
  }
}

// Of two, that which the backward pass comes to first.
TEST_P(Divergence, NamesTheFirstGradientThatIsNoNumber) {
  test::make_gradients_overflow(*trainer_, config_, 1, 4);
  EXPECT_EQ(test::tensor_named_by_step(*trainer_), "gradient of blocks.4.feed_forward.down");
}
INSTANTIATE_TEST_SUITE_P(All, Divergence,
                         ::testing::Combine(::testing::Values("parallel.zero=0", "parallel.zero=3",
                                                              "parallel.pipeline"),
                                            ::testing::Values("none", "attention", "full")));

// Layouts of all ranks that differ in who owns what: shards, replicas, stages.
std::vector<config::RunConfig> exchanging_layouts(int ranks) {
  const std::string depth = std::to_string(ranks);
  const std::string half = std::to_string(ranks % 2 == 0 ? ranks / 2 : ranks);
  std::vector<config::RunConfig> layouts = {
      twin_run({"parallel.zero=0", "parallel.recompute=full"}), twin_run({"parallel.zero=3"}),
      twin_run({key("parallel.pipeline", depth), "parallel.schedule=zero-bubble"}),
      twin_run({key("parallel.pipeline", half), "parallel.schedule=1f1b", "parallel.zero=2"})};
  return layouts;
}

// A checkpoint of every layout is continued in every other, 12 pairs, with the bits of a run on one
// rank that nobody stopped. tests/regression/layouts.py --exchange has more of both.
TEST(Exchange, EveryLayoutContinuesEveryOther) {
  comm::Communicator world(comm::make_mpi_transport());
  std::optional<test::ScratchDirectory> scratch;
  std::array<char, 256> path{};
  if (world.is_root()) {
    scratch.emplace();
    scratch->path().string().copy(path.data(), path.size() - 1);
  }
  world.broadcast<char>(path, 0);
  const data::Synthetic source({"markov", 1, 29, 1}, 17, 1, std::int64_t{17} * 11);
  std::vector<config::RunConfig> layouts = exchanging_layouts(world.size());
  for (config::RunConfig& config : layouts) config::resolve(config, 29, source.fingerprint());
  comm::Communicator alone(comm::make_self_transport());
  config::RunConfig plain = twin_run({});
  config::resolve(plain, 29, source.fingerprint());
  const auto whole = make_trainer(plain, source, alone);
  std::vector<StepResult> expected;
  for (int step = 0; step < 4; ++step) expected.push_back(whole->step());
  const double validation = whole->evaluate();

  for (std::size_t from = 0; from < layouts.size(); ++from) {
    const auto run = std::filesystem::path(path.data()) / std::to_string(from);
    const auto before = make_trainer(layouts[from], source, world);
    for (int step = 0; step < 2; ++step) before->step();
    if (world.is_root()) std::filesystem::create_directory(run);
    save_snapshot(run, layouts[from], *before, world);
    for (std::size_t to = 0; to < layouts.size(); ++to) {
      if (to == from) continue;
      const auto after = make_trainer(layouts[to], source, world);
      resume_snapshot(*latest_snapshot(run, world), layouts[to], *after, world);
      for (int step = 2; step < 4; ++step) {
        const StepResult result = after->step();
        EXPECT_EQ(result.loss, expected[static_cast<std::size_t>(step)].loss)
            << from << " to " << to;
        EXPECT_EQ(result.gradient_norm, expected[static_cast<std::size_t>(step)].gradient_norm)
            << from << " to " << to;
      }
      EXPECT_EQ(after->evaluate(), validation) << from << " to " << to;
    }
  }
  world.barrier();  // before the directory goes
}

}  // namespace
}  // namespace isoflop::train
