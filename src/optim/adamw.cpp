#include "optim/adamw.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/api/optimizer.hpp"

namespace isoflop::optim {

double clip_factor(double norm, double clip_norm) {
  return clip_norm > 0.0 && norm > clip_norm ? clip_norm / norm : 1.0;
}

template <class T>
void adamw_step(device::Stream& stream, const OptimizerConfig& config,
                const std::vector<Segment>& segments, std::size_t first, std::int64_t step,
                double learning_rate, double gradient_scale, const float* gradient, float* master,
                float* first_moment, float* second_moment, T* weights) {
  kernels::AdamWStep constants{
      .learning_rate = static_cast<float>(learning_rate),
      .beta1 = static_cast<float>(config.beta1),
      .beta2 = static_cast<float>(config.beta2),
      .epsilon = static_cast<float>(config.epsilon),
      .weight_decay = 0.0f,
      .first_correction =
          static_cast<float>(1.0 - std::pow(config.beta1, static_cast<double>(step))),
      .second_correction =
          static_cast<float>(1.0 - std::pow(config.beta2, static_cast<double>(step))),
      .gradient_scale = static_cast<float>(gradient_scale),
  };
  for (const Segment& segment : segments) {
    constants.weight_decay = segment.decayed ? static_cast<float>(config.weight_decay) : 0.0f;
    const std::size_t mine = segment.begin - first;
    kernels::adamw_step(stream, segment.end - segment.begin, constants, gradient + mine,
                        master + mine, first_moment + mine, second_moment + mine, weights + mine);
  }
}

template void adamw_step(device::Stream&, const OptimizerConfig&, const std::vector<Segment>&,
                         std::size_t, std::int64_t, double, double, const float*, float*, float*,
                         float*, float*);
template void adamw_step(device::Stream&, const OptimizerConfig&, const std::vector<Segment>&,
                         std::size_t, std::int64_t, double, double, const float*, float*, float*,
                         float*, bf16*);

}  // namespace isoflop::optim
