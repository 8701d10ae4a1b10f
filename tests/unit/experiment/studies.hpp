// Manifests for tests, and what stands around a plan when there is no corpus.
#pragma once

#include <fmt/format.h>

#include <string>

#include "core/error.hpp"
#include "experiment/plan.hpp"

namespace isoflop::experiment {

inline constexpr std::int64_t kUniqueTokens = 1'000'000;
inline constexpr std::int64_t kMemory = 1 << 20;

/// Data of 257 tokens with kUniqueTokens distinct ones; every process needs kMemory bytes.
inline Surroundings fixed_surroundings() {
  return {.data =
              [](const config::RunConfig&) {
                return DataFacts{257, "00ff00ff00ff00ff", 4096,
                                 [](std::int64_t d) { return std::min(d, kUniqueTokens); }};
              },
          .memory_bytes = [](const config::RunConfig&) { return kMemory; }};
}

/// A step is 1024 tokens.
inline const std::string kBase = R"([study]
name = "small"

[base.model]
context = 64
[base.data]
corpus = "corpus"
[base.train]
global_batch = 16
micro_batch = 4
precision = "fp32"
[base.schedule]
name = "wsd"
warmup_tokens = 2048
decay_fraction = 0.2

[[size]]
label = "a"
model.layers = 1
model.width = 32
[[size]]
label = "b"
model.layers = 2
model.width = 64
optimizer.learning_rate = 0.002
)";

inline Plan plan_of(const std::string& text) {
  return make_plan(read_manifest(text, "study.toml"), fixed_surroundings());
}

/// What is wrong with a manifest.
inline std::string trouble(const std::string& text) {
  try {
    plan_of(text);
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace isoflop::experiment
