// What matmul_bench measures beside the own products: the same ones by oneDNN, in fp32.
#pragma once

#include <functional>

#include "kernels/api/matmul.hpp"

namespace isoflop::kernels::bench {

enum class Pass { forward, data_gradient, weight_gradient };

/// Takes x and w, dy and w, or dy and x, and the result, in the shapes of kernels/api/matmul.hpp.
using Product = std::function<void(float* a, float* b, float* c)>;

/// Empty in a build without oneDNN.
Product onednn_product(Pass pass, MatmulShape shape);

}  // namespace isoflop::kernels::bench
