// Learning-rate schedules as pure functions of the tokens seen.
//
//   warm-up   linear from 0 to the peak over warmup_tokens
//   cosine    from the peak to final_fraction x peak over the rest of the run
//             (Loshchilov & Hutter 2016)
//   wsd       constant at the peak, then linear to final_fraction x peak over the last
//             decay_fraction of the run (warm-up-stable-decay; Hu et al. 2024, Hagele et al.
//             2024). With decay_fraction 0 it never decays: a trunk.
#pragma once

#include <cstdint>

namespace isoflop::optim {

enum class ScheduleKind { cosine, wsd };

struct ScheduleConfig {
  ScheduleKind kind = ScheduleKind::cosine;
  std::int64_t warmup_tokens = 0;
  double decay_fraction = 0.2;  // of the run's tokens; wsd only
  double final_fraction = 0.1;  // of the peak
};

/// The factor on the peak learning rate for the step that ends at `tokens` (> 0) of a run of
/// `total` tokens.
double schedule_factor(const ScheduleConfig& schedule, std::int64_t tokens, std::int64_t total);

/// The last token count at which the schedule does not yet know how long the run is: up to there
/// runs of different length are the same run. 0 for cosine.
std::int64_t stable_tokens(const ScheduleConfig& schedule, std::int64_t total);

}  // namespace isoflop::optim
