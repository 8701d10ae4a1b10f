// A run of a tiny model on a Markov chain, in memory.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "comm/world.hpp"
#include "data/synthetic.hpp"
#include "tests/harness/run_from.hpp"
#include "train/trainer.hpp"

namespace isoflop::train {

inline config::RunConfig small_run(const std::vector<std::string>& sets) {
  return test::run_from(
      "[model]\nlayers = 2\nwidth = 32\nheads = 2\ncontext = 64\n"
      "[data]\nkind = \"markov\"\norder = 1\nsymbols = 16\n"
      "[train]\ntokens = 131072\nglobal_batch = 16\nmicro_batch = 4\nprecision = \"fp32\"\n"
      "[optimizer]\nlearning_rate = 0.01\n[schedule]\nwarmup_tokens = 8192\n",
      sets);
}

/// `sets`: assignments as of --set.
struct SmallRun {
  explicit SmallRun(const std::vector<std::string>& sets)
      : config(small_run(sets)),
        source({"markov", config.data.synthetic->order, config.data.synthetic->symbols, 1},
               static_cast<std::int64_t>(config.model.context),
               static_cast<std::uint64_t>(config.train.seed), 8192),
        communicator(world.communicator()) {
    config::resolve(config, static_cast<std::size_t>(source.vocabulary()), source.fingerprint());
    trainer = make_trainer(config, source, communicator);
  }

  config::RunConfig config;
  data::Synthetic source;
  comm::World world;
  comm::Communicator communicator;
  std::unique_ptr<Trainer> trainer;
};

/// Where the trainer of a single rank keeps the master weights of this tensor.
inline std::span<float> weights_of(Trainer& trainer, const model::Parameter& parameter) {
  for (const OwnedState& part : trainer.owned_state())
    if (part.elements.begin <= parameter.offset && parameter.offset < part.elements.end)
      return {part.parameters + (parameter.offset - part.elements.begin), parameter.count};
  return {};
}

}  // namespace isoflop::train
