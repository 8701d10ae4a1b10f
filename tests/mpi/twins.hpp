// A small run in one layout of all ranks and the same run on one rank alone, which must have the
// same bits: losses, gradient norms, evaluations, weights and moments.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "comm/mpi/mpi.hpp"
#include "comm/self/self.hpp"
#include "data/synthetic.hpp"
#include "tests/harness/run_from.hpp"
#include "train/ranks.hpp"
#include "train/trainer.hpp"

namespace isoflop::train {

inline config::RunConfig twin_run(const std::vector<std::string>& sets) {
  return test::run_from(
      "[model]\nlayers = 6\nwidth = 24\nheads = 3\ncontext = 17\n"
      "[data]\nkind = \"markov\"\nsymbols = 29\n"
      "[train]\ntokens = 20000\nglobal_batch = 16\nmicro_batch = 1\n",
      sets);
}

inline std::string key(const char* name, const std::string& value) {
  return std::string(name) + "=" + value;
}

/// The same run on all ranks as `layout` says, and on one rank alone.
class Twins {
 public:
  Twins(const std::vector<std::string>& model, std::vector<std::string> layout,
        const comm::Options& options = comm::Options::from_environment())
      : alone_config_(twin_run(model)), world_(comm::make_mpi_transport(options)) {
    layout.insert(layout.begin(), model.begin(), model.end());
    together_config_ = twin_run(layout);
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
  data::Synthetic source_{{"markov", 1, 29, 1}, 17, 1, std::int64_t{17} * 11};
  comm::Communicator world_;
  comm::Communicator alone_{comm::make_self_transport()};
  std::unique_ptr<Trainer> together_, reference_;
};

}  // namespace isoflop::train
