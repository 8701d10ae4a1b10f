// The option --seed, the same of every command that draws by chance.
#pragma once

#include <cstdint>
#include <string>

namespace CLI {
class App;
}  // namespace CLI

namespace isoflop::cli {

/// A whole number as a manifest takes it: decimal, from 0 up, within 63 bits. Anything else is
/// refused instead of becoming another seed.
void add_seed(CLI::App& command, std::uint64_t& seed, const std::string& description);

}  // namespace isoflop::cli
