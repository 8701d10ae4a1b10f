// Every stage of ZeRO holds what the formula says, on any number of ranks.
#include "train/memory.hpp"

#include <gtest/gtest.h>
#include <malloc.h>

#include <tuple>
#include <vector>

#include "comm/mpi/mpi.hpp"
#include "data/synthetic.hpp"
#include "train/trainer.hpp"

namespace isoflop::train {
namespace {

// Mostly parameters, few tokens.
config::RunConfig wide_run(const char* precision, int zero, const char* recompute) {
  ConfigDocument document = ConfigDocument::from_text(
      "[model]\nlayers = 6\nwidth = 512\nheads = 8\ncontext = 64\n"
      "[data]\nkind = \"markov\"\nsymbols = 29\n"
      "[train]\ntokens = 20000\nglobal_batch = 4\nmicro_batch = 1\n",
      "run.toml");
  document.set(std::string("train.precision=") + precision);
  document.set("parallel.zero=" + std::to_string(zero));
  document.set(std::string("parallel.recompute=") + recompute);
  return config::read_run_config(document.root());
}

class Memory : public ::testing::TestWithParam<std::tuple<const char*, int, const char*>> {};

TEST_P(Memory, IsWithin3PercentOfTheFormula) {
  const auto [precision, zero, recompute] = GetParam();
  config::RunConfig config = wide_run(precision, zero, recompute);
  const data::Synthetic source({"markov", 1, 29, 1}, 64, 1, 64 * 8);
  config::resolve(config, 29, source.fingerprint());
  comm::Communicator world(comm::make_mpi_transport(MPI_COMM_WORLD));
  {  // the transport's own buffers, which grow with the first long messages
    std::vector<float> values(4'000'000),
        all(values.size() * static_cast<std::size_t>(world.size()));
    world.all_gather<float>(values, all);
    std::vector<float> received(all.size());
    world.all_to_all<float>(all, received);
  }
  malloc_trim(0);  // what was freed must not serve again unseen
  const std::size_t before = resident_bytes();
  const auto trainer = make_trainer(config, source, world);
  trainer->step();
  const auto measured = static_cast<double>(resident_bytes() - before);
  const auto predicted =
      static_cast<double>(plan_memory(config, static_cast<std::size_t>(world.size()),
                                      static_cast<std::size_t>(world.rank()))
                              .total());
  EXPECT_NEAR(measured / predicted, 1.0, 0.03)
      << measured / 1e6 << " MB, predicted " << predicted / 1e6;
}

INSTANTIATE_TEST_SUITE_P(Stages, Memory,
                         ::testing::Values(std::tuple{"fp32", 0, "none"},
                                           std::tuple{"fp32", 1, "none"},
                                           std::tuple{"fp32", 2, "none"},
                                           std::tuple{"fp32", 3, "full"},
                                           std::tuple{"bf16", 3, "none"}));

}  // namespace
}  // namespace isoflop::train
