// What every front end does first.
#pragma once

#include <fmt/format.h>

#include "core/error.hpp"
#include "device/stream.hpp"

namespace isoflop::kernels {

/// Throws unless the stream's device has the kernels of this build.
inline void require_cpu(const device::Stream& stream, const char* primitive) {
  if (stream.device() == device::Device::cpu) return;
  throw InputError(fmt::format(
      "{}: device \"cuda\" asked for, this build has \"cpu\" only; set train.device = \"cpu\"",
      primitive));
}

}  // namespace isoflop::kernels
