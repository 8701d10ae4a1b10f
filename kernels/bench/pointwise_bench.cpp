// Norms, activations, embedding, cross-entropy and the flat passes: time an element, GB/s of the
// bytes they must touch, and those GB/s over a plain copy's of as many bytes ("of_copy": 1 is as
// fast as memory or cache allows, 0.67 the aim).
//
//   build/release/bin/pointwise_bench [--benchmark_filter=norm]
#include <benchmark/benchmark.h>

#include <Kokkos_Core.hpp>
#include <chrono>
#include <cstring>
#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/api/activation.hpp"
#include "kernels/api/cross_entropy.hpp"
#include "kernels/api/embedding.hpp"
#include "kernels/api/norm.hpp"
#include "kernels/api/optimizer.hpp"

namespace isoflop::kernels {
namespace {

template <class T>
class Buffer {
 public:
  explicit Buffer(std::size_t count)
      : memory_(device::allocate_aligned(count * sizeof(T))),
        data_(reinterpret_cast<T*>(memory_.get())) {
    for (std::size_t i = 0; i < count; ++i) {
      data_[i] = T(static_cast<float>(i * 37 % 101) * 0.03f - 1.5f);
    }
  }
  T* data() { return data_; }

 private:
  device::AlignedBytes memory_;
  T* data_;
};

/// Bytes per second that a copy reading and writing `bytes` in all reaches; the best of many.
double copy_speed(std::size_t bytes) {
  static std::map<std::size_t, double> known;
  double& best = known[bytes];
  if (best > 0.0) return best;
  const std::size_t half = bytes / 2;
  Buffer<float> from(half / 4 + 1), to(half / 4 + 1);
  for (int trial = 0; trial < 200; ++trial) {
    const auto start = std::chrono::steady_clock::now();
    for (int k = 0; k < 4; ++k) {
      std::memcpy(to.data(), from.data(), half);
      benchmark::ClobberMemory();
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, 4.0 * static_cast<double>(bytes) / seconds.count());
  }
  return best;
}

/// Times run() and reports it for `elements` elements and `bytes` bytes a run.
template <class Run>
void measure(benchmark::State& state, std::size_t elements, std::size_t bytes, const Run& run) {
  const double copy = copy_speed(bytes);
  run();
  for (auto _ : state) {
    run();
    benchmark::ClobberMemory();
  }
  using benchmark::Counter;
  const auto total = static_cast<double>(bytes) * static_cast<double>(state.iterations());
  const auto made = static_cast<double>(elements) * static_cast<double>(state.iterations());
  state.counters["GB/s"] = Counter(total * 1e-9, Counter::kIsRate);
  state.counters["of_copy"] = Counter(total / copy, Counter::kIsRate);
  state.counters["ns/element"] = Counter(made * 1e-9, Counter::kIsRate | Counter::kInvert);
}

template <class T>
void norm_forward(benchmark::State& state, NormKind kind) {
  const NormShape shape{static_cast<std::size_t>(state.range(0)),
                        static_cast<std::size_t>(state.range(1)), kind};
  const std::size_t count = shape.rows * shape.width;
  Buffer<T> x(count), delta(count), gain(shape.width), bias(shape.width), sum(count), y(count);
  Buffer<float> statistics(2 * shape.rows);
  device::Stream stream;
  measure(state, count, 4 * count * sizeof(T), [&] {
    norm_forward(stream, shape, x.data(), delta.data(), gain.data(),
                 kind == NormKind::layer ? bias.data() : nullptr, sum.data(), y.data(),
                 statistics.data());
  });
}

template <class T>
void norm_backward(benchmark::State& state, NormKind kind) {
  const NormShape shape{static_cast<std::size_t>(state.range(0)),
                        static_cast<std::size_t>(state.range(1)), kind};
  const std::size_t count = shape.rows * shape.width;
  Buffer<T> x(count), dy(count), gain(shape.width), residual(count), dx(count);
  Buffer<float> statistics(2 * shape.rows), d_gain(shape.width), d_bias(shape.width);
  device::Stream stream;
  measure(state, count, 4 * count * sizeof(T), [&] {
    norm_backward(stream, shape, x.data(), gain.data(), statistics.data(), dy.data(),
                  residual.data(), dx.data(), d_gain.data(),
                  kind == NormKind::layer ? d_bias.data() : nullptr);
  });
}

template <class T>
void gelu(benchmark::State& state, bool forward) {
  const auto count = static_cast<std::size_t>(state.range(0));
  Buffer<T> x(count), y(count), dx(count);
  device::Stream stream;
  measure(state, count, (forward ? 2 : 3) * count * sizeof(T), [&] {
    if (forward) return gelu_forward(stream, count, x.data(), y.data());
    gelu_backward(stream, count, x.data(), y.data(), dx.data());
  });
}

template <class T>
void swiglu(benchmark::State& state, bool forward) {
  const std::size_t width = 1024, rows = static_cast<std::size_t>(state.range(0)) / width;
  const std::size_t count = rows * width;
  Buffer<T> gate_up(2 * count), gradient(2 * count), y(count);
  device::Stream stream;
  measure(state, count, (forward ? 3 : 5) * count * sizeof(T), [&] {
    if (forward) return swiglu_forward(stream, rows, width, gate_up.data(), y.data());
    swiglu_backward(stream, rows, width, gate_up.data(), y.data(), gradient.data());
  });
}

template <class T>
void embedding(benchmark::State& state, bool forward) {
  const EmbeddingShape shape{8, 256, static_cast<std::size_t>(state.range(0))};
  const std::size_t tokens = shape.batch * shape.context, vocabulary = 4096;
  const std::size_t count = tokens * shape.width;
  std::vector<std::int32_t> ids(tokens);
  for (std::size_t i = 0; i < tokens; ++i) {
    ids[i] = static_cast<std::int32_t>(i * i * 31 % vocabulary);
  }
  Buffer<T> table(vocabulary * shape.width), x(count);
  Buffer<float> d_table(vocabulary * shape.width);
  device::Stream stream;
  const std::size_t bytes = forward ? 2 * sizeof(T) : sizeof(T) + 2 * sizeof(float);
  measure(state, count, bytes * count, [&] {
    if (forward) {
      return embedding_forward<T>(stream, shape, ids.data(), table.data(), nullptr, x.data());
    }
    embedding_backward<T>(stream, shape, ids.data(), x.data(), d_table.data(), nullptr);
  });
}

template <class T>
void cross_entropy(benchmark::State& state, bool forward) {
  const auto vocabulary = static_cast<std::size_t>(state.range(0));
  const std::size_t rows = 262144 / vocabulary, count = rows * vocabulary;
  Buffer<float> logits(count), losses(rows);
  Buffer<T> gradient(count);
  const std::vector<std::int32_t> targets(rows, 3);
  device::Stream stream;
  const std::size_t bytes = sizeof(float) + (forward ? 0 : sizeof(T));
  measure(state, count, bytes * count, [&] {
    if (forward) {
      return cross_entropy_forward(stream, rows, vocabulary, logits.data(), targets.data(),
                                   losses.data());
    }
    cross_entropy_backward(stream, rows, vocabulary, logits.data(), targets.data(), 1e-3f,
                           losses.data(), gradient.data());
  });
}

template <class T>
void adamw(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  Buffer<float> gradient(count), master(count), first(count), second(count);
  Buffer<T> weights(count);
  device::Stream stream;
  fill(stream, count, 1e-4f, second.data());
  const AdamWStep step{1e-3f, 0.9f, 0.95f, 1e-8f, 0.1f, 0.5f, 0.5f, 1.0f};
  measure(state, count, (7 * sizeof(float) + sizeof(T)) * count, [&] {
    adamw_step(stream, count, step, gradient.data(), master.data(), first.data(), second.data(),
               weights.data());
  });
}

void sums_of_squares(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  Buffer<float> values(count);
  std::vector<double> sums(count / kSumBlock + 1);
  device::Stream stream;
  measure(state, count, sizeof(float) * count,
          [&] { block_sums_of_squares(stream, count, values.data(), sums.data()); });
}

void addition(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  Buffer<float> values(count), target(count);
  device::Stream stream;
  measure(state, count, 3 * sizeof(float) * count,
          [&] { add_in_place(stream, count, values.data(), target.data()); });
}

void to_bf16(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  Buffer<float> values(count);
  Buffer<bf16> target(count);
  device::Stream stream;
  measure(state, count, (sizeof(float) + sizeof(bf16)) * count,
          [&] { convert(stream, count, values.data(), target.data()); });
}

void normals(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  Buffer<float> values(count);
  device::Stream stream;
  measure(state, count, sizeof(float) * count,
          [&] { fill_normal(stream, count, 1, Purpose::weights, 0, 0, 0.02f, values.data()); });
}

template <class T>
void register_typed(const std::string& type) {
  using benchmark::RegisterBenchmark;
  const auto shapes = [](benchmark::internal::Benchmark* b) {
    b->Args({2048, 64})->Args({2048, 256})->Args({2048, 768})->Args({4, 256});
  };
  const auto add_one = [&](const std::string& name, auto... run) {
    return RegisterBenchmark((name + "/" + type).c_str(), run...);
  };
  for (const NormKind kind : {NormKind::rms, NormKind::layer}) {
    const std::string name = kind == NormKind::rms ? "rms_norm" : "layer_norm";
    add_one(name + "_forward", norm_forward<T>, kind)->Apply(shapes);
    add_one(name + "_backward", norm_backward<T>, kind)->Apply(shapes);
  }
  for (const bool forward : {true, false}) {
    const std::string way = forward ? "_forward" : "_backward";
    add_one("gelu" + way, gelu<T>, forward)->Arg(131072)->Arg(2097152);
    add_one("swiglu" + way, swiglu<T>, forward)->Arg(131072)->Arg(2097152);
    add_one("embedding" + way, embedding<T>, forward)->Arg(64)->Arg(256);
    if (forward && !std::is_same_v<T, float>) continue;  // logits are float
    add_one("cross_entropy" + way, cross_entropy<T>, forward)->Arg(512)->Arg(4096)->Arg(50304);
  }
  add_one("adamw", adamw<T>)->Arg(16384)->Arg(1048576);
}

}  // namespace
}  // namespace isoflop::kernels

int main(int argc, char** argv) {
  using namespace isoflop;
  const Kokkos::ScopeGuard kokkos(Kokkos::InitializationSettings().set_disable_warnings(true));
  kernels::register_typed<float>("fp32");
  kernels::register_typed<bf16>("bf16");
  const std::pair<const char*, void (*)(benchmark::State&)> flat[] = {
      {"sums_of_squares", kernels::sums_of_squares},
      {"add_in_place", kernels::addition},
      {"convert/bf16", kernels::to_bf16},
      {"fill_normal", kernels::normals}};
  for (const auto& [name, run] : flat) {
    benchmark::RegisterBenchmark(name, run)->Arg(16384)->Arg(1048576);
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
