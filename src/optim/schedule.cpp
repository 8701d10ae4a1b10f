#include "optim/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace isoflop::optim {

std::int64_t stable_tokens(const ScheduleConfig& schedule, std::int64_t total) {
  if (schedule.kind == ScheduleKind::cosine) return 0;
  return total - static_cast<std::int64_t>(
                     std::llround(schedule.decay_fraction * static_cast<double>(total)));
}

double schedule_factor(const ScheduleConfig& schedule, std::int64_t tokens, std::int64_t total) {
  if (tokens < schedule.warmup_tokens) {
    return static_cast<double>(tokens) / static_cast<double>(schedule.warmup_tokens);
  }
  const bool cosine = schedule.kind == ScheduleKind::cosine;
  const std::int64_t begin = cosine ? schedule.warmup_tokens : stable_tokens(schedule, total);
  if (tokens <= begin) return 1.0;
  const double progress =
      std::min(1.0, static_cast<double>(tokens - begin) / static_cast<double>(total - begin));
  const double above =
      cosine ? 0.5 * (1.0 + std::cos(std::numbers::pi * progress)) : 1.0 - progress;
  return schedule.final_fraction + (1.0 - schedule.final_fraction) * above;
}

}  // namespace isoflop::optim
