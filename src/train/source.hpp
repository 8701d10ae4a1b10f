// Opens what a run trains on: a prepared corpus or a synthetic process.
#pragma once

#include <memory>

#include "config/run_config.hpp"
#include "data/token_source.hpp"

namespace isoflop::train {

/// Throws InputError when the corpus is missing or damaged, or data.weights names a source it does
/// not have.
std::unique_ptr<data::TokenSource> open_source(const config::RunConfig& config);

}  // namespace isoflop::train
