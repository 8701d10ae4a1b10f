#include "kernels/bench/onednn_product.hpp"

#include <dnnl.hpp>
#include <memory>

namespace isoflop::kernels::bench {
namespace {

/// c [rows, columns] (+)= a [rows, depth] b [depth, columns] by oneDNN in fp32.
class OneDnnProduct {
 public:
  OneDnnProduct(Pass pass, MatmulShape s) : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
    const auto m = dnnl::memory::dim(s.m), n = dnnl::memory::dim(s.n), k = dnnl::memory::dim(s.k);
    switch (pass) {
      case Pass::forward:
        create({m, k}, {k, 1}, {k, n}, {1, k}, {m, n}, false);
        break;
      case Pass::data_gradient:
        create({m, n}, {n, 1}, {n, k}, {k, 1}, {m, k}, false);
        break;
      case Pass::weight_gradient:
        create({n, m}, {1, n}, {m, k}, {k, 1}, {n, k}, true);
        break;
    }
  }

  void run(float* a, float* b, float* c) {
    a_.set_data_handle(a);
    b_.set_data_handle(b);
    c_.set_data_handle(c);
    product_.execute(stream_, {{DNNL_ARG_SRC, a_}, {DNNL_ARG_WEIGHTS, b_}, {DNNL_ARG_DST, c_}});
    stream_.wait();
  }

 private:
  using Dims = dnnl::memory::dims;

  void create(Dims a, Dims a_strides, Dims b, Dims b_strides, Dims c, bool accumulate) {
    const auto type = dnnl::memory::data_type::f32;
    const dnnl::memory::desc a_form(a, type, a_strides), b_form(b, type, b_strides);
    const dnnl::memory::desc c_form(c, type, Dims{c[1], 1});
    dnnl::primitive_attr attributes;
    if (accumulate) {
      dnnl::post_ops sum;
      sum.append_sum(1.0f);
      attributes.set_post_ops(sum);
    }
    product_ = dnnl::matmul({engine_, a_form, b_form, c_form, attributes});
    a_ = dnnl::memory(a_form, engine_, nullptr);
    b_ = dnnl::memory(b_form, engine_, nullptr);
    c_ = dnnl::memory(c_form, engine_, nullptr);
  }

  dnnl::engine engine_;
  dnnl::stream stream_;
  dnnl::matmul product_;
  dnnl::memory a_, b_, c_;
};

}  // namespace

Product onednn_product(Pass pass, MatmulShape shape) {
  const auto product = std::make_shared<OneDnnProduct>(pass, shape);
  return [product](float* a, float* b, float* c) { product->run(a, b, c); };
}

}  // namespace isoflop::kernels::bench
