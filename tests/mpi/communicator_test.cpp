// One conformance suite for every transport (transports.hpp).
#include "comm/communicator.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "transports.hpp"

namespace isoflop::comm {
namespace {

constexpr std::size_t kCounts[] = {0, 1, 17, 20'011};

template <class T>
T number(std::size_t value) {
  if constexpr (std::is_same_v<T, bf16>) {
    return bf16(static_cast<float>(value));
  } else {
    return static_cast<T>(value);
  }
}

// Small whole numbers, which every type holds and adds exactly; different on every rank.
template <class T>
std::vector<T> values_of(int rank, std::size_t count) {
  std::vector<T> values;
  for (std::size_t i = 0; i < count; ++i)
    values.push_back(number<T>((7 * i + 13 * static_cast<std::size_t>(rank)) % 31));
  return values;
}

template <class T>
std::vector<T> concatenated(int ranks, const std::function<std::vector<T>(int)>& part) {
  std::vector<T> all;
  for (int rank = 0; rank < ranks; ++rank) {
    const std::vector<T> values = part(rank);
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

template <class T>
std::vector<float> as_floats(const std::vector<T>& values) {
  std::vector<float> floats;
  for (const T value : values) floats.push_back(static_cast<float>(value));
  return floats;
}

template <class T>
void expect_equal(const std::vector<T>& seen, const std::vector<T>& expected) {
  EXPECT_EQ(as_floats(seen), as_floats(expected));
}

class Conformance : public ::testing::TestWithParam<std::string> {
 protected:
  // For every count and type: check(count, T()).
  template <class Check>
  void for_each_type(Check&& check) {
    for (const std::size_t count : kCounts) {
      SCOPED_TRACE(count);
      check(count, float());
      check(count, bf16());
      check(count, std::int32_t());
      check(count, std::int64_t());
      check(count, double());
    }
  }

  Communicator ranks_ = transports().at(GetParam())();
  const int size_ = ranks_.size();
  const int rank_ = ranks_.rank();
};

// The ranks of a test share a machine and so a clock.
TEST_P(Conformance, NobodyLeavesABarrierBeforeAllHaveCome) {
  using Clock = std::chrono::steady_clock;
  const auto now = [] {
    return static_cast<std::int64_t>(Clock::now().time_since_epoch().count());
  };
  for (int late = 0; late < size_; ++late) {
    if (rank_ == late) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    const std::int64_t came = now();
    ranks_.barrier();
    const std::int64_t left = now();
    EXPECT_LE(ranks_.maximum(came), -ranks_.maximum(-left)) << "rank " << late << " was late";
  }
}

TEST_P(Conformance, BroadcastReachesAll) {
  for_each_type([&]<class T>(std::size_t count, T) {
    for (int root = 0; root < size_; ++root) {
      std::vector<T> values = values_of<T>(rank_, count);
      ranks_.broadcast<T>(values, root);
      expect_equal(values, values_of<T>(root, count));
    }
  });
}

TEST_P(Conformance, AllGatherIsInRankOrderAlsoInPlace) {
  for_each_type([&]<class T>(std::size_t count, T) {
    const auto expected = concatenated<T>(size_, [&](int r) { return values_of<T>(r, count); });
    const std::vector<T> mine = values_of<T>(rank_, count);
    std::vector<T> all(expected.size());
    ranks_.all_gather<T>(mine, all);
    expect_equal(all, expected);
    std::vector<T> in_place(expected.size());
    const auto place = std::span(in_place).subspan(static_cast<std::size_t>(rank_) * count, count);
    std::copy(mine.begin(), mine.end(), place.begin());
    ranks_.all_gather<T>(place, in_place);
    expect_equal(in_place, expected);
  });
}

TEST_P(Conformance, AllToAllSendsBlockRToRankR) {
  for_each_type([&]<class T>(std::size_t count, T) {
    const auto block = [&](int from, int to) { return values_of<T>(100 * from + to, count); };
    const auto out = concatenated<T>(size_, [&](int to) { return block(rank_, to); });
    std::vector<T> in(out.size());
    ranks_.all_to_all<T>(out, in);
    expect_equal(in, concatenated<T>(size_, [&](int from) { return block(from, rank_); }));
  });
}

template <class T>
std::vector<T> reduced(int ranks, Combine combine, const std::function<std::vector<T>(int)>& part) {
  const auto all = concatenated<T>(ranks, part);
  std::vector<T> result = part(0);
  for (std::size_t i = 0; i < result.size(); ++i) {
    double total = static_cast<double>(static_cast<float>(result[i]));
    for (std::size_t at = i + result.size(); at < all.size(); at += result.size()) {
      const double value = static_cast<float>(all[at]);
      total = combine == Combine::sum ? total + value : std::max(total, value);
    }
    result[i] = number<T>(static_cast<std::size_t>(total));
  }
  return result;
}

TEST_P(Conformance, AllReduceGivesEveryRankTheSameResult) {
  for_each_type([&]<class T>(std::size_t count, T) {
    for (const Combine combine : {Combine::sum, Combine::maximum}) {
      std::vector<T> values = values_of<T>(rank_, count);
      ranks_.all_reduce<T>(values, combine);
      expect_equal(values,
                   reduced<T>(size_, combine, [&](int r) { return values_of<T>(r, count); }));
    }
  });
}

TEST_P(Conformance, ReduceScatterGivesEveryRankItsBlock) {
  for_each_type([&]<class T>(std::size_t count, T) {
    for (const Combine combine : {Combine::sum, Combine::maximum}) {
      const auto block = [&](int from, int to) { return values_of<T>(100 * from + to, count); };
      const auto values = concatenated<T>(size_, [&](int to) { return block(rank_, to); });
      std::vector<T> mine(count);
      ranks_.reduce_scatter<T>(values, mine, combine);
      expect_equal(mine, reduced<T>(size_, combine, [&](int r) { return block(r, rank_); }));
    }
  });
}

TEST_P(Conformance, UnorderedReductionsAddOverAllRanks) {
  for (const std::size_t count : kCounts) {
    SCOPED_TRACE(count);
    std::vector<float> values = values_of<float>(rank_, count);
    ranks_.start_unordered_all_reduce(values).wait();
    expect_equal(values, reduced<float>(size_, Combine::sum,
                                        [&](int r) { return values_of<float>(r, count); }));
    const auto block = [&](int from, int to) { return values_of<float>(100 * from + to, count); };
    auto blocks = concatenated<float>(size_, [&](int to) { return block(rank_, to); });
    ranks_.start_unordered_reduce_scatter(blocks).wait();
    blocks.resize(count);
    expect_equal(blocks,
                 reduced<float>(size_, Combine::sum, [&](int r) { return block(r, rank_); }));
  }
}

// Sums whose bits depend on the order, in the order of ranks.
TEST_P(Conformance, ReductionsAddInRankOrder) {
  for (const std::size_t count : {17u, 20'011u}) {
    const auto value = [](int rank, std::size_t i) {
      return std::ldexp(0.3f + static_cast<float>(i % 1009),
                        7 * ((rank + static_cast<int>(i)) % 5));
    };
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = value(rank_, i);
    ranks_.all_reduce<float>(values, Combine::sum);
    for (std::size_t i = 0; i < count; ++i) {
      float expected = value(0, i);
      for (int rank = 1; rank < size_; ++rank) expected += value(rank, i);
      ASSERT_EQ(values[i], expected) << i;
    }
  }
}

TEST_P(Conformance, MaximumIsOverAllRanks) { EXPECT_EQ(ranks_.maximum(rank_ - 5), size_ - 6); }

TEST_P(Conformance, ExchangeDeliversToTheNamedPeerInOrder) {
  for_each_type([&]<class T>(std::size_t count, T) {
    std::vector<std::vector<T>> out, in;
    std::vector<Message> sends, receives;
    for (int peer = 0; peer < size_; ++peer) {
      for (int message = 0; message < 2 && peer != rank_; ++message) {
        out.push_back(values_of<T>(10 * rank_ + message, count));
        in.emplace_back(count);
        sends.push_back({peer, std::as_writable_bytes(std::span(out.back()))});
        receives.push_back({peer, std::as_writable_bytes(std::span(in.back()))});
      }
    }
    ranks_.exchange(sends, receives);
    std::size_t next = 0;
    for (int peer = 0; peer < size_; ++peer)
      for (int message = 0; message < 2 && peer != rank_; ++message)
        expect_equal(in[next++], values_of<T>(10 * peer + message, count));
  });
}

TEST_P(Conformance, SendAndReceiveGoRoundARing) {
  if (size_ == 1) return;  // nobody sends to himself
  for_each_type([&]<class T>(std::size_t count, T) {
    const std::vector<T> out = values_of<T>(rank_, count);
    std::vector<T> in(count);
    Request sending = ranks_.start_send<T>(out, (rank_ + 1) % size_);
    const int left = (rank_ + size_ - 1) % size_;
    ranks_.receive<T>(in, left);
    sending.wait();
    expect_equal(in, values_of<T>(left, count));
  });
}

TEST_P(Conformance, SeveralCallsCanBeUnderWay) {
  const std::size_t count = 50'000;
  std::vector<float> first = values_of<float>(rank_, count), second = values_of<float>(1, count);
  std::vector<float> all(count * static_cast<std::size_t>(size_));
  Request reduce = ranks_.start_all_reduce<float>(first, Combine::sum);
  Request gather = ranks_.start_all_gather<float>(second, all);
  Request broadcast = ranks_.start_broadcast<float>(second, 0);
  while (!reduce.done()) {
  }
  reduce.wait();
  gather.wait();
  broadcast.wait();
  expect_equal(first, reduced<float>(size_, Combine::sum,
                                     [&](int r) { return values_of<float>(r, count); }));
  expect_equal(all, concatenated<float>(size_, [&](int) { return second; }));
}

// Rank 0 waits for an answer to what it sends only while it waits.
TEST_P(Conformance, AnActionRunsWhileARankWaits) {
  if (size_ < 2) return;
  int question = 3, answer = 0;
  bool asked = false;
  Request sent;
  if (rank_ == 0) {
    ranks_.while_waiting([&] {
      if (!std::exchange(asked, true)) sent = ranks_.start_send<int>({&question, 1}, 1);
    });
    ranks_.receive<int>({&answer, 1}, 1);
    ranks_.while_waiting(nullptr);
    sent.wait();
    EXPECT_EQ(answer, 5);
  } else if (rank_ == 1) {
    ranks_.receive<int>({&answer, 1}, 0);
    answer += 2;
    ranks_.send<int>({&answer, 1}, 0);
  }
}

TEST_P(Conformance, ADroppedRequestHasWaited) {
  std::vector<float> values = values_of<float>(rank_, 1'000'000);
  {
    const Request dropped = ranks_.start_broadcast<float>(values, size_ - 1);
  }
  expect_equal(values, values_of<float>(size_ - 1, values.size()));
}

TEST_P(Conformance, SpansOfTheWrongSizeAreRefused) {
  std::vector<float> mine(3), all(3 * static_cast<std::size_t>(size_) + 1);
  try {
    ranks_.all_gather<float>(mine, all);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("communicator_test.cpp"), std::string::npos)
        << error.what();
  }
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const auto& [name, make] : transports()) all.push_back(name);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Transports, Conformance, ::testing::ValuesIn(names()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace isoflop::comm
