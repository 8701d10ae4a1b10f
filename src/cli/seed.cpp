#include "cli/seed.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <limits>

namespace isoflop::cli {
namespace {

constexpr std::int64_t kMostSeed = std::numeric_limits<std::int64_t>::max();

/// The option library would take -1 for 2^64 - 1 and 010 for 8: it gets the number that was read
/// here. Empty when it is good; an empty text is refused with those of all options.
std::string read_decimal(std::string& text) {
  if (text.empty()) return "";
  std::int64_t seed = -1;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, seed);
  if (error != std::errc() || stop != end || seed < 0)
    return fmt::format("saw '{}', needed a whole number from 0 to {}", text, kMostSeed);
  text = fmt::format("{}", seed);
  return "";
}

}  // namespace

void add_seed(CLI::App& command, std::uint64_t& seed, const std::string& description) {
  command.add_option("--seed", seed, description)
      ->transform(CLI::Validator(read_decimal, ""))
      ->capture_default_str();
}

}  // namespace isoflop::cli
