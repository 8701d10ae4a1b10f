// "Did you mean …?" for misspelt keys and names.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace isoflop {

/// The candidate with the smallest edit distance to `word`; empty if there is none.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace isoflop
