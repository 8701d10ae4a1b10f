// A reduction under way: every rank's part of it comes to the rank that adds it, in rank order
// (combine.hpp), which happens inside wait(). Its memory grows with the largest one and serves
// again. Communicator makes these; the transport's part must be complete before they serve again.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "comm/combine.hpp"
#include "comm/pool.hpp"
#include "comm/transport.hpp"
#include "core/integers.hpp"

namespace isoflop::comm {

class Reduction final : public Pending {
 public:
  Reduction(Transport& transport, Pool<Reduction>& pool) : transport_(transport), pool_(pool) {}

  /// values [n] = combined over all ranks. Large ones are gathered inside wait().
  template <class T>
  void start_all_reduce(std::span<T> values, Combine combine, const Call& call);

  /// mine [n] = block `rank` of `values` [size * n], combined over all ranks.
  template <class T>
  void start_reduce_scatter(std::span<const T> values, std::span<T> mine, Combine combine,
                            const Call& call);

  bool done() override { return !moving_ || moving_->done(); }
  void wait() override {
    finish_moving();
    finish_(*this);
  }
  // What was given up may still be written to.
  void give_back() noexcept override {
    if (!moving_) pool_.give_back(*this);
  }

 private:
  // Up to here one gather is faster than a reduce-scatter and a gather.
  static constexpr std::size_t kSmallBytes = std::size_t{16} << 10;  // a rank

  template <class T>
  static std::span<T> room(std::vector<std::byte>& bytes, std::size_t count) {
    if (bytes.size() < count * sizeof(T)) bytes.resize(count * sizeof(T));
    return {reinterpret_cast<T*>(bytes.data()), count};
  }

  template <class T>
  std::span<T> result() {
    return {static_cast<T*>(result_), count_};
  }
  template <class T>
  std::span<T> arrived(std::size_t each) {
    return room<T>(arrived_, static_cast<std::size_t>(transport_.size()) * each);
  }

  void finish_moving() {
    if (moving_) moving_->wait();
    moving_ = nullptr;
  }

  template <class T>
  void combine_arrived();
  template <class T>
  void combine_and_gather();

  Transport& transport_;
  Pool<Reduction>& pool_;
  Transport::Start moving_;  // the blocks; not null: the buffers are in use
  void (*finish_)(Reduction&) = nullptr;
  Call call_{""};
  Combine combine_ = Combine::sum;
  void* result_ = nullptr;  // [count]
  std::size_t count_ = 0;
  std::vector<std::byte> arrived_;  // a block of every rank
  std::vector<std::byte> padded_;   // large all-reduces: a block for every rank
};

template <class T>
void Reduction::combine_arrived() {
  combine_blocks<T>(arrived<T>(count_), result<T>(), combine_);
}

template <class T>
void Reduction::start_reduce_scatter(std::span<const T> values, std::span<T> mine, Combine combine,
                                     const Call& call) {
  result_ = mine.data();
  count_ = mine.size();
  combine_ = combine;
  finish_ = [](Reduction& reduction) { reduction.combine_arrived<T>(); };
  moving_ = transport_.start_all_to_all(std::as_bytes(values),
                                        std::as_writable_bytes(arrived<T>(count_)), call);
}

template <class T>
void Reduction::start_all_reduce(std::span<T> values, Combine combine, const Call& call) {
  result_ = values.data();
  count_ = values.size();
  combine_ = combine;
  if (values.size_bytes() <= kSmallBytes) {
    finish_ = [](Reduction& reduction) { reduction.combine_arrived<T>(); };
    moving_ = transport_.start_all_gather(std::as_bytes(values),
                                          std::as_writable_bytes(arrived<T>(count_)), call);
    return;
  }
  // Equal blocks; what the last ones have too much is never looked at.
  const auto ranks = static_cast<std::size_t>(transport_.size());
  const std::size_t each = ceil_div(count_, ranks);
  const std::span<T> padded = room<T>(padded_, ranks * each);
  std::copy(values.begin(), values.end(), padded.begin());
  call_ = call;
  finish_ = [](Reduction& reduction) { reduction.combine_and_gather<T>(); };
  moving_ = transport_.start_all_to_all(std::as_bytes(padded),
                                        std::as_writable_bytes(arrived<T>(each)), call);
}

template <class T>
void Reduction::combine_and_gather() {
  const auto ranks = static_cast<std::size_t>(transport_.size());
  const std::size_t each = ceil_div(count_, ranks);
  const std::span<T> all = room<T>(padded_, ranks * each);
  const std::span<T> mine = all.subspan(static_cast<std::size_t>(transport_.rank()) * each, each);
  combine_blocks<T>(arrived<T>(each), mine, combine_);
  moving_ = transport_.start_all_gather(std::as_bytes(mine), std::as_writable_bytes(all), call_);
  finish_moving();
  std::copy_n(all.begin(), count_, result<T>().begin());
}

}  // namespace isoflop::comm
