// "Did you mean …?" for misspelt keys and names.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace isoflop {

/// The candidate with the smallest edit distance to `word`; empty if there is none.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

/// Letters to insert, drop or replace to make b of a.
std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace isoflop
