// The promise: losses, gradient norms and weights have the same bits on any number of ranks, with
// ZeRO 0 and 1.
#include "train/trainer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

#include "comm/mpi/mpi.hpp"
#include "comm/self/self.hpp"
#include "data/synthetic.hpp"

namespace isoflop::train {
namespace {

config::RunConfig small_run(const char* precision, int zero) {
  ConfigDocument document = ConfigDocument::from_text(
      "[model]\nlayers = 2\nwidth = 48\nheads = 3\ncontext = 33\n"
      "[data]\nkind = \"markov\"\nsymbols = 29\n"
      "[train]\ntokens = 20000\nglobal_batch = 16\nmicro_batch = 2\n",
      "run.toml");
  document.set(std::string("train.precision=") + precision);
  document.set("parallel.zero=" + std::to_string(zero));
  return config::read_run_config(document.root());
}

class Layouts : public ::testing::TestWithParam<std::tuple<const char*, int>> {};

TEST_P(Layouts, GiveTheBitsOfOneRank) {
  const auto [precision, zero] = GetParam();
  config::RunConfig config = small_run(precision, zero);
  const data::Synthetic source({"markov", 1, 29, 1}, 33, 1, 33 * 11);
  config::resolve(config, 29, source.fingerprint());
  ASSERT_EQ(config.parallel.virtual_ranks, 8);
  comm::Communicator world(comm::make_mpi_transport(MPI_COMM_WORLD));
  comm::Communicator alone(comm::make_self_transport());
  const auto together = make_trainer(config, source, world);
  const auto reference = make_trainer(config, source, alone);
  for (int i = 0; i < 6; ++i) {
    const StepResult a = together->step(), b = reference->step();
    ASSERT_EQ(a.loss, b.loss) << "step " << a.step;
    ASSERT_EQ(a.gradient_norm, b.gradient_norm) << "step " << a.step;
  }
  EXPECT_EQ(together->evaluate(), reference->evaluate());
  const OwnedState mine = together->owned_state(), all = reference->owned_state();
  for (std::size_t i = mine.elements.begin; i < mine.elements.end; ++i) {
    const std::size_t at = i - mine.elements.begin;
    ASSERT_EQ(mine.parameters[at], all.parameters[i]) << i;
    ASSERT_EQ(mine.first_moment[at], all.first_moment[i]) << i;
    ASSERT_EQ(mine.second_moment[at], all.second_moment[i]) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Layouts,
                         ::testing::Combine(::testing::Values("fp32", "bf16"),
                                            ::testing::Values(0, 1)));

}  // namespace
}  // namespace isoflop::train
