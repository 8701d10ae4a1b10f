// What is wrong with a checkpoint that is complete by its mark, but whose bytes are not those
// saved.
#pragma once

#include "core/error.hpp"

namespace isoflop::checkpoint {

/// An older checkpoint may still be good.
class Damaged : public InputError {
 public:
  using InputError::InputError;
};

}  // namespace isoflop::checkpoint
