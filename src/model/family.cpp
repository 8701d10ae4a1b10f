#include "model/family.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "core/error.hpp"
#include "model/parameters.hpp"

namespace isoflop::model {
namespace {

constexpr double kParamsWeight = 100;  // per unit of ln N
constexpr double kAspectWeight = 10;   // per unit of ln aspect
constexpr std::size_t kMostLayers = 1000;

std::size_t head_width_at(const Family& family, std::size_t width) {
  if (family.head_width > 0) return family.head_width;
  return width < 2048 ? 64 : 128;
}

ModelConfig shape(const Family& family, std::size_t width, std::size_t layers) {
  ModelConfig config = family.base;
  config.width = width;
  config.layers = layers;
  config.heads = width / head_width_at(family, width);
  config.kv_heads = config.heads;
  config.feed_forward = default_feed_forward(config.activation, width);
  return config;
}

double count(const Family& family, const ModelConfig& config) {
  const ParameterTable table(config);
  return static_cast<double>(family.count_embeddings ? table.n_total() : table.n_non_embedding());
}

struct Choice {
  ModelConfig config;
  double params = 0;
  double penalty = std::numeric_limits<double>::infinity();
};

/// The better of the two depths of this width around `params`. N is affine in the depth.
Choice best_depth(const Family& family, std::size_t width, double params) {
  const double one = count(family, shape(family, width, 1));
  const double each = count(family, shape(family, width, 2)) - one;
  const double exact = std::clamp(1 + (params - one) / each, 1.0, double{kMostLayers});
  Choice best;
  for (const double layers : {std::floor(exact), std::ceil(exact)}) {
    const double size = one + (layers - 1) * each;
    const double penalty =
        kParamsWeight * std::fabs(std::log(size / params)) +
        kAspectWeight * std::fabs(std::log(static_cast<double>(width) / layers / family.aspect));
    if (penalty < best.penalty)
      best = {shape(family, width, static_cast<std::size_t>(layers)), size, penalty};
  }
  return best;
}

void require_family(const Family& family, double params) {
  require(family.base.context > 0, "context: saw 0, needed at least 1 token");
  require(family.base.vocabulary > 0, "vocabulary: saw 0, needed at least 1 token");
  require(std::isfinite(family.aspect) && family.aspect > 0,
          "aspect: saw {}, needed width / layers above 0", family.aspect);
  require(family.head_width % 2 == 0, "head-width: saw {}, needed an even number",
          family.head_width);
  constexpr double kMost = 1e15;
  require(std::isfinite(params) && params > 0 && params <= kMost,
          "params: saw {:g}, needed a number above 0 and up to {:g} to give it a shape", params,
          kMost);
}

}  // namespace

ModelConfig shape_for(const Family& family, double params) {
  require_family(family, params);
  Choice best;
  // 12 layers d^2 parameters at layers = d / aspect: widths beyond twice that only make it worse.
  const double typical = std::cbrt(params * family.aspect / 12);
  for (std::size_t width = head_width_at(family, 0);
       best.params == 0 || static_cast<double>(width) < 2 * typical;) {
    const std::size_t head = head_width_at(family, width);
    if (width % head == 0) {
      const Choice choice = best_depth(family, width, params);
      if (choice.penalty < best.penalty) best = choice;
    }
    width += head;
  }
  require(best.params < 2 * params,
          "params: saw {:.4g}, but the smallest shape of the family has {:.4g} (vocabulary {}, "
          "heads {} wide): take a smaller vocabulary or head width",
          params, best.params, family.base.vocabulary, head_width_at(family, best.config.width));
  return best.config;
}

}  // namespace isoflop::model
