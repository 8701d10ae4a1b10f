// A transport that only keeps time: it belongs to rank 0 of several, whose messages nobody answers
// but a clock. One link carries one message after the other; what arrives are zeros, or of a gather
// the rank's own values again.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "comm/transport.hpp"
#include "core/error.hpp"

namespace isoflop::train {

/// A gather, or a sum's exchange, from when it was asked for.
struct Transfer {
  bool is_gather = false;
  const void* from = nullptr;  // of a gather: this rank's part
  const void* to = nullptr;    // of a gather: where all parts come together
  double asked = 0.0, begin = 0.0, end = 0.0;
};

struct Waited {
  double begin, end;
};

struct Timeline {
  double now = 0.0;
  double bytes_a_unit = 1.0;  // of time, that the link carries
  double link_free = 0.0;
  std::deque<Transfer> transfers;
  std::vector<Waited> waits;
};

class TimedTransport final : public comm::Transport {
 public:
  TimedTransport(Timeline& time, int ranks) : time_(time), ranks_(ranks) {}

  int rank() const override { return 0; }
  int size() const override { return ranks_; }

  Start start_all_gather(std::span<const std::byte> mine, std::span<std::byte> all,
                         const comm::Call&) override {
    for (int rank = 0; rank < ranks_; ++rank)
      std::memmove(all.data() + static_cast<std::size_t>(rank) * mine.size(), mine.data(),
                   mine.size());
    return carry({true, mine.data(), all.data()}, all.size() - mine.size());
  }
  Start start_exchange(std::span<const comm::Message>, std::span<const comm::Message> receives,
                       const comm::Call&) override {
    std::size_t bytes = 0;
    for (const comm::Message& message : receives) {
      std::memset(message.data.data(), 0, message.data.size());
      bytes += message.data.size();
    }
    return carry({}, bytes);
  }

  // A step of training asks for none of these.
  Start start_barrier(const comm::Call& call) override { refuse(call); }
  Start start_broadcast(std::span<std::byte>, const comm::Call& call) override { refuse(call); }
  Start start_all_to_all(std::span<const std::byte>, std::span<std::byte>,
                         const comm::Call& call) override {
    refuse(call);
  }
  Start start_unordered_all_reduce(std::span<float>, const comm::Call& call) override {
    refuse(call);
  }
  Start start_unordered_reduce_scatter(std::span<float>, const comm::Call& call) override {
    refuse(call);
  }
  std::unique_ptr<Transport> group(const std::string& name, int) override {
    throw Error("no group " + name);
  }
  void check(std::size_t, const comm::Call&) override {}
  void at_step(std::int64_t) override {}
  void while_waiting(std::function<void()>) override {}
  void abort(int) override {}

 private:
  class Carried final : public comm::Pending {
   public:
    Carried(Timeline& time, double end) : time_(time), end_(end) {}
    bool done() override { return time_.now >= end_; }
    void wait() override {
      if (done()) return;
      time_.waits.push_back({time_.now, end_});
      time_.now = end_;
    }
    void give_back() noexcept override {}  // its transport keeps it

   private:
    Timeline& time_;
    double end_;
  };

  Start carry(Transfer transfer, std::size_t bytes) {
    transfer.asked = time_.now;
    transfer.begin = std::max(time_.now, time_.link_free);
    transfer.end = transfer.begin + static_cast<double>(bytes) / time_.bytes_a_unit;
    time_.link_free = transfer.end;
    time_.transfers.push_back(transfer);
    return Start(&carried_.emplace_back(time_, transfer.end));
  }

  [[noreturn]] static void refuse(const comm::Call& call) {
    throw Error(std::string("no ") + call.name);
  }

  Timeline& time_;
  int ranks_;
  std::deque<Carried> carried_;
};

}  // namespace isoflop::train
