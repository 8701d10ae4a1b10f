#include "model/cost.hpp"

#include "model/parameters.hpp"

namespace isoflop::model {
namespace {

constexpr double kForwardAndBackward = 3.0;

}  // namespace

double flops_per_token_6nd(const ModelConfig& config) {
  return 6.0 * static_cast<double>(ParameterTable(config).n_total());
}

double attention_flops_per_token(const ModelConfig& c) {
  const double pairs =
      (static_cast<double>(c.context) + 1.0) / 2.0;  // keys a query sees, on average
  const double scores_and_values = 2.0 * 2.0 * static_cast<double>(c.width) * pairs;
  return kForwardAndBackward * static_cast<double>(c.layers) * scores_and_values;
}

double head_flops_per_token(const ModelConfig& c) {
  return kForwardAndBackward * 2.0 * static_cast<double>(c.vocabulary * c.width);
}

double recomputed_flops_per_token(const ModelConfig& c, Recompute recompute) {
  if (recompute == Recompute::none) return 0.0;
  const auto d = static_cast<double>(c.width);
  double widths = static_cast<double>(c.qkv_width());  // of products with d inputs, again
  if (recompute == Recompute::full) widths += d + static_cast<double>(c.up_width());
  return 2.0 * static_cast<double>(c.layers) * widths * d +
         attention_flops_per_token(c) / kForwardAndBackward;
}

double flops_per_token_exact(const ModelConfig& c) {
  const auto d = static_cast<double>(c.width);
  const double block = static_cast<double>(c.qkv_width()) * d + d * d +
                       static_cast<double>(c.up_width()) * d +
                       static_cast<double>(c.feed_forward) * d;
  const double blocks = 2.0 * static_cast<double>(c.layers) * block;
  return kForwardAndBackward * blocks + head_flops_per_token(c) + attention_flops_per_token(c);
}

}  // namespace isoflop::model
