#include "comm/bench.hpp"

#include <algorithm>
#include <chrono>
#include <functional>

namespace isoflop::comm {
namespace {

using Clock = std::chrono::steady_clock;

// A collective over `in` and `out`, both [size * count], and what it makes a link carry: the share
// of a message's bytes that has to pass through one rank's link at least.
struct Collective {
  const char* name;
  std::function<void(std::span<float> in, std::span<float> out, std::size_t count)> call;
  std::function<double(double ranks)> link_share;
};

std::vector<Collective> collectives(Communicator& ranks) {
  const auto all_but_own = [](double n) { return (n - 1.0) / n; };
  const auto once = [](double) { return 1.0; };
  std::vector<Collective> list = {
      {"broadcast", [&](auto in, auto, auto) { ranks.broadcast<float>(in, 0); }, once},
      {"all_gather",
       [&](auto in, auto out, auto count) { ranks.all_gather<float>(in.first(count), out); },
       all_but_own},
      {"reduce_scatter",
       [&](auto in, auto out, auto count) {
         ranks.reduce_scatter<float>(in, out.first(count), Combine::sum);
       },
       all_but_own},
      {"all_reduce", [&](auto in, auto, auto) { ranks.all_reduce<float>(in, Combine::maximum); },
       [](double n) { return 2.0 * (n - 1.0) / n; }},
      {"unordered_reduce_scatter",
       [&](auto in, auto, auto) { ranks.start_unordered_reduce_scatter(in).wait(); }, all_but_own},
      {"unordered_all_reduce",
       [&](auto in, auto, auto) { ranks.start_unordered_all_reduce(in).wait(); },
       [](double n) { return 2.0 * (n - 1.0) / n; }},
      {"all_to_all", [&](auto in, auto out, auto) { ranks.all_to_all<float>(in, out); },
       all_but_own}};
  if (ranks.size() > 1) {
    list.push_back({"send",
                    [&](auto in, auto, auto) {
                      if (ranks.rank() == 0) ranks.send<float>(in, 1);
                      if (ranks.rank() == 1) ranks.receive<float>(in, 0);
                    },
                    once});
  }
  return list;
}

// The slowest rank's time of one call, known to all.
double time_once(Communicator& ranks, const std::function<void()>& call) {
  ranks.barrier();
  const Clock::time_point begin = Clock::now();
  call();
  const auto nanoseconds = std::chrono::nanoseconds(Clock::now() - begin).count();
  return 1e-9 * static_cast<double>(ranks.maximum(nanoseconds));
}

double median_time(Communicator& ranks, const std::function<void()>& call, int repetitions) {
  call();  // the first one of a size sets buffers up
  std::vector<double> seconds;
  for (int i = 0; i < repetitions; ++i) seconds.push_back(time_once(ranks, call));
  std::nth_element(seconds.begin(), seconds.begin() + repetitions / 2, seconds.end());
  return seconds[static_cast<std::size_t>(repetitions / 2)];
}

}  // namespace

std::vector<CollectiveBench> bench(Communicator& ranks, std::size_t largest, int repetitions) {
  const auto size = static_cast<std::size_t>(ranks.size());
  const std::size_t most = std::max<std::size_t>(1, largest / sizeof(float) / size);
  std::vector<float> in(most * size), out(in.size());  // zeros, whose sums stay numbers
  std::vector<CollectiveBench> results;
  const double barrier = median_time(ranks, [&] { ranks.barrier(); }, repetitions);
  results.push_back({.name = "barrier", .points = {{0, barrier, 0.0}}});
  for (const Collective& collective : collectives(ranks)) {
    CollectiveBench& result = results.emplace_back();
    result.name = collective.name;
    for (std::size_t count = 1; count <= most; count *= 4) {
      const std::span<float> from(in.data(), count * size), to(out.data(), count * size);
      const double median =
          median_time(ranks, [&] { collective.call(from, to, count); }, repetitions);
      const double carried =
          static_cast<double>(from.size_bytes()) * collective.link_share(ranks.size());
      result.points.push_back({from.size_bytes(), median, carried / median});
    }
    if (result.points.size() > 1) fit_line(result);
  }
  return results;
}

void fit_line(CollectiveBench& bench) {
  // Minimises sum ((alpha + beta x) / t - 1)^2.
  double uu = 0.0, uv = 0.0, vv = 0.0, u = 0.0, v = 0.0;
  for (const BenchPoint& point : bench.points) {
    const double a = 1.0 / point.seconds, b = static_cast<double>(point.bytes) / point.seconds;
    uu += a * a;
    uv += a * b;
    vv += b * b;
    u += a;
    v += b;
  }
  const double determinant = uu * vv - uv * uv;
  bench.alpha_seconds = (u * vv - v * uv) / determinant;
  bench.beta_seconds_per_byte = (v * uu - u * uv) / determinant;
  if (bench.alpha_seconds < 0.0) bench = {bench.name, bench.points, 0.0, v / vv};
  if (bench.beta_seconds_per_byte < 0.0) bench = {bench.name, bench.points, u / uu, 0.0};
}

}  // namespace isoflop::comm
