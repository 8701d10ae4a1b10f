// The promise: losses, gradient norms and weights have the same bits on any number of ranks, with
// every stage of ZeRO.
#include "train/trainer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

#include "comm/mpi/mpi.hpp"
#include "comm/self/self.hpp"
#include "data/synthetic.hpp"

namespace isoflop::train {
namespace {

config::RunConfig small_run(const char* precision, int zero, int micro_batch) {
  ConfigDocument document = ConfigDocument::from_text(
      "[model]\nlayers = 2\nwidth = 48\nheads = 3\ncontext = 33\n"
      "[data]\nkind = \"markov\"\nsymbols = 29\n"
      "[train]\ntokens = 20000\nglobal_batch = 16\n",
      "run.toml");
  document.set(std::string("train.precision=") + precision);
  document.set("parallel.zero=" + std::to_string(zero));
  document.set("train.micro_batch=" + std::to_string(micro_batch));
  return config::read_run_config(document.root());
}

// What `some` owns, against the same elements of a trainer that owns all.
void expect_same_state(Trainer& some, Trainer& all) {
  const std::vector<OwnedState> mine = some.owned_state(), whole = all.owned_state();
  ASSERT_EQ(mine.size(), whole.size());
  for (std::size_t part = 0; part < mine.size(); ++part) {
    const auto [begin, end] = mine[part].elements;
    const std::size_t first = whole[part].elements.begin;
    for (std::size_t i = begin; i < end; ++i) {
      ASSERT_EQ(mine[part].parameters[i - begin], whole[part].parameters[i - first]) << i;
      ASSERT_EQ(mine[part].first_moment[i - begin], whole[part].first_moment[i - first]) << i;
      ASSERT_EQ(mine[part].second_moment[i - begin], whole[part].second_moment[i - first]) << i;
    }
  }
}

class Layouts : public ::testing::TestWithParam<std::tuple<const char*, int, int>> {};

TEST_P(Layouts, GiveTheBitsOfOneRank) {
  const auto [precision, zero, micro_batch] = GetParam();
  config::RunConfig config = small_run(precision, zero, micro_batch);
  const data::Synthetic source({"markov", 1, 29, 1}, 33, 1, 33 * 11);
  config::resolve(config, 29, source.fingerprint());
  ASSERT_EQ(config.parallel.virtual_ranks, 8);
  comm::Communicator world(comm::make_mpi_transport(MPI_COMM_WORLD));
  comm::Communicator alone(comm::make_self_transport());
  const auto together = make_trainer(config, source, world);
  config::RunConfig plain = config;
  plain.parallel.zero = 0;
  const auto reference = make_trainer(plain, source, alone);
  for (int i = 0; i < 6; ++i) {
    const StepResult a = together->step(), b = reference->step();
    ASSERT_EQ(a.loss, b.loss) << "step " << a.step;
    ASSERT_EQ(a.gradient_norm, b.gradient_norm) << "step " << a.step;
  }
  EXPECT_EQ(together->evaluate(), reference->evaluate());
  expect_same_state(*together, *reference);
}

INSTANTIATE_TEST_SUITE_P(All, Layouts,
                         ::testing::Combine(::testing::Values("fp32", "bf16"),
                                            ::testing::Values(0, 1, 2, 3),
                                            ::testing::Values(1, 2)));

}  // namespace
}  // namespace isoflop::train
