// A law with some of its parameters fixed: E where it is known from elsewhere, an exponent under
// test. The fit, its draws, profiles and rollouts move the others alone.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "laws/law/law.hpp"

namespace isoflop::laws {

/// "E=1.8" as it comes from the command line. Throws InputError.
NamedValue parse_fixed(std::string_view text);

/// `law`, which must outlive the result, with these parameters fixed: the bounds of their
/// coordinates meet and the response has no slope by them. Throws InputError for names that the law
/// does not have, for one that is named twice, for values outside its bounds, for parameters whose
/// coordinate holds others too (Nc = exp(k / aN)), and when none is left free.
std::unique_ptr<const Law> fix_parameters(const Law& law, std::span<const NamedValue> fixed);

}  // namespace isoflop::laws
