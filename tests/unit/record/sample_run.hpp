// A run whose every number follows from its step, so that a reader can check any row alone.
#pragma once

#include "record/run_data.hpp"

namespace isoflop::record::test {

inline RunFacts sample_facts() {
  RunFacts facts;
  facts.run = "0123456789abcdef";
  facts.label = "n=0.3M D=5M β";
  facts.config = "[train]\ntokens = 5_000_000\n" + std::string(100'000, '#');
  facts.n_total = 300'000;
  facts.epochs = 0.25;
  facts.flops_6nd = 9e12;
  facts.precision = "bf16";
  facts.ranks = 2;
  facts.seed = -1;
  return facts;
}

inline TrainRow train_row(std::int64_t step) {
  const auto x = static_cast<double>(step);
  return {step, step * 512, 8.0 / (1.0 + x), 1e-3 * x, 0.5 + x, 0.01 * x, 1e9 * x};
}

inline EvalRow eval_row(std::int64_t step) {
  return {step, step * 512, 9.0 / (1.0 + static_cast<double>(step)), 0.25};
}

inline bool same(const TrainRow& a, const TrainRow& b) {
  return a.step == b.step && a.tokens == b.tokens && a.loss == b.loss && a.lr == b.lr &&
         a.grad_norm == b.grad_norm && a.seconds == b.seconds && a.flops == b.flops;
}

}  // namespace isoflop::record::test
