// Where the time goes: seconds, calls and FLOP of each kind of work, collected by scoped regions.
//
//   profile::Scope scope(profile, profile::Region::matmul, flops);  // until the end of the block
//
// Every second counts once: what an inner scope takes is off the time of the one around it. A scope
// costs two clock readings (about 50 ns). A Profile belongs to one thread.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace isoflop::profile {

enum class Region {
  data,
  embedding,
  norm,
  matmul,
  attention,
  rope,
  activation,
  loss,
  zero,
  reduce,
  wait,      // for other ranks: communication that nothing hides, copies by this thread included
  pipeline,  // for other stages of the pipeline: its bubble
  optimizer,
  evaluate,
  record,
  checkpoint
};
inline constexpr std::array kRegionNames = {
    "data", "embedding", "norm", "matmul",   "attention", "rope",     "activation", "loss",
    "zero", "reduce",    "wait", "pipeline", "optimizer", "evaluate", "record",     "checkpoint"};

struct Counter {
  double seconds = 0.0;
  std::int64_t calls = 0;
  double flops = 0.0;
};

class Scope;

class Profile {
 public:
  Counter& operator[](Region region) { return counters_[static_cast<std::size_t>(region)]; }
  const Counter& operator[](Region region) const {
    return counters_[static_cast<std::size_t>(region)];
  }
  const std::array<Counter, kRegionNames.size()>& counters() const { return counters_; }
  /// Of all regions.
  double flops() const {
    double sum = 0.0;
    for (const Counter& counter : counters_) sum += counter.flops;
    return sum;
  }
  void reset() { counters_ = {}; }

 private:
  friend class Scope;

  std::array<Counter, kRegionNames.size()> counters_{};
  Scope* open_ = nullptr;  // the innermost
};

class Scope {
 public:
  using Clock = std::chrono::steady_clock;

  Scope(Profile& profile, Region region, double flops = 0.0)
      : profile_(profile),
        counter_(profile[region]),
        flops_(flops),
        outer_(profile.open_),
        begin_(Clock::now()) {
    profile.open_ = this;
  }
  ~Scope() {
    const double seconds = std::chrono::duration<double>(Clock::now() - begin_).count();
    counter_.seconds += seconds - inner_seconds_;
    counter_.calls += 1;
    counter_.flops += flops_;
    if (outer_ != nullptr) outer_->inner_seconds_ += seconds;
    profile_.open_ = outer_;
  }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  Profile& profile_;
  Counter& counter_;
  double flops_;
  double inner_seconds_ = 0.0;
  Scope* outer_;
  Clock::time_point begin_;
};

}  // namespace isoflop::profile
