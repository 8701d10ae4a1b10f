// What the passes of a rank's stages take, in processor time: that of the thread that runs them,
// which goes on while it works and stands still while another process has its core. So it tells
// what a pass takes where ranks outnumber cores. Whatever a pass itself waits for (weights,
// tensor-parallel ranks) counts as its work.
#pragma once

#include <array>
#include <cstddef>
#include <ctime>
#include <utility>
#include <vector>

#include "parallel/pipeline/schedule.hpp"

namespace isoflop::train {

class PassClock {
 public:
  explicit PassClock(std::size_t chunks) : chunks_(chunks) {}

  /// Runs `work`, which is `operation`, and returns what it returns.
  template <class Work>
  auto time(const parallel::Operation& operation, Work&& work) {
    const Reading reading(chunks_[operation.chunk][static_cast<std::size_t>(operation.pass)]);
    return work();
  }

  /// Mean seconds of a micro-batch's passes since the last call, by chunk, and begins anew; what
  /// backward() takes is all in backward_input.
  std::vector<parallel::PassTimes> take_means() {
    std::vector<parallel::PassTimes> means;
    for (const Passes& passes : std::exchange(chunks_, std::vector<Passes>(chunks_.size())))
      means.push_back({passes[0].mean(), passes[1].mean() + passes[2].mean(), passes[3].mean()});
    return means;
  }

 private:
  struct Counter {
    double seconds = 0.0;
    double calls = 0.0;
    double mean() const { return calls > 0.0 ? seconds / calls : 0.0; }
  };
  using Passes = std::array<Counter, 4>;  // by parallel::Pass

  class Reading {
   public:
    explicit Reading(Counter& counter) : counter_(counter), begin_(now()) {}
    ~Reading() {
      counter_.seconds += now() - begin_;
      counter_.calls += 1.0;
    }
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;

   private:
    static double now() {
      timespec time{};
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
      return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
    }
    Counter& counter_;
    double begin_;
  };

  std::vector<Passes> chunks_;
};

}  // namespace isoflop::train
