#include "kernels/kokkos/matmul.hpp"

#include "kernels/kokkos/loops.hpp"

namespace isoflop::kernels::kokkos {

namespace {

// One operand of c [rows, columns] = sum over depth: element (line, position along the depth).
template <class T>
struct Operand {
  const T* data;
  std::size_t line_stride;
  std::size_t depth_stride;

  KOKKOS_FUNCTION float at(std::size_t line, std::size_t position) const {
    return static_cast<float>(data[line * line_stride + position * depth_stride]);
  }
};

enum class Store { overwrite, accumulate };

// Each work item owns kBlock x kBlock results in registers.
template <class T, class Y, Store store>
struct BlockProduct {
  static constexpr std::size_t kBlock = 4;

  std::size_t rows, columns, depth;
  Operand<T> a;  // lines are rows
  Operand<T> b;  // lines are columns
  Y* c;          // [rows, columns]

  std::size_t column_blocks() const { return (columns + kBlock - 1) / kBlock; }
  std::size_t blocks() const { return (rows + kBlock - 1) / kBlock * column_blocks(); }

  KOKKOS_FUNCTION void operator()(std::size_t block) const {
    const std::size_t across = (columns + kBlock - 1) / kBlock;
    const std::size_t top = block / across * kBlock;
    const std::size_t left = block % across * kBlock;
    std::size_t row[kBlock], column[kBlock];  // beyond the edge: the last line again, not stored
    for (std::size_t i = 0; i < kBlock; ++i) {
      row[i] = top + i < rows ? top + i : rows - 1;
      column[i] = left + i < columns ? left + i : columns - 1;
    }
    float sum[kBlock][kBlock];
    for (std::size_t i = 0; i < kBlock; ++i) {
      for (std::size_t j = 0; j < kBlock; ++j) {
        sum[i][j] =
            store == Store::accumulate ? static_cast<float>(c[row[i] * columns + column[j]]) : 0.0f;
      }
    }
    for (std::size_t position = 0; position < depth; ++position) {
      float right[kBlock];
      for (std::size_t j = 0; j < kBlock; ++j) right[j] = b.at(column[j], position);
      for (std::size_t i = 0; i < kBlock; ++i) {
        const float left_value = a.at(row[i], position);
        for (std::size_t j = 0; j < kBlock; ++j) sum[i][j] += left_value * right[j];
      }
    }
    for (std::size_t i = 0; i < kBlock && top + i < rows; ++i) {
      for (std::size_t j = 0; j < kBlock && left + j < columns; ++j) {
        c[row[i] * columns + column[j]] = static_cast<Y>(sum[i][j]);
      }
    }
  }
};

template <class Product>
void launch(const char* label, const Product& product) {
  for_each(label, product.blocks(), product);
}

}  // namespace

template <class T, class Y>
void matmul_forward(MatmulShape s, const T* x, const T* w, Y* y) {
  launch("isoflop::matmul_forward",
         BlockProduct<T, Y, Store::overwrite>{s.m, s.n, s.k, {x, s.k, 1}, {w, s.k, 1}, y});
}

template <class T>
void matmul_data_gradient(MatmulShape s, const T* dy, const T* w, T* dx) {
  launch("isoflop::matmul_data_gradient",
         BlockProduct<T, T, Store::overwrite>{s.m, s.k, s.n, {dy, s.n, 1}, {w, 1, s.k}, dx});
}

template <class T>
void matmul_weight_gradient(MatmulShape s, const T* dy, const T* x, float* dw) {
  launch("isoflop::matmul_weight_gradient",
         BlockProduct<T, float, Store::accumulate>{s.n, s.k, s.m, {dy, 1, s.n}, {x, 1, s.k}, dw});
}

template void matmul_forward(MatmulShape, const float*, const float*, float*);
template void matmul_forward(MatmulShape, const bf16*, const bf16*, bf16*);
template void matmul_forward(MatmulShape, const bf16*, const bf16*, float*);
template void matmul_data_gradient(MatmulShape, const float*, const float*, float*);
template void matmul_data_gradient(MatmulShape, const bf16*, const bf16*, bf16*);
template void matmul_weight_gradient(MatmulShape, const float*, const float*, float*);
template void matmul_weight_gradient(MatmulShape, const bf16*, const bf16*, float*);

}  // namespace isoflop::kernels::kokkos
